//! The checksum of an imported file whose line ends a program may have changed.
//!
//! Two sums are computed: of the bytes as received, and of the text as an export writes it, with a newline after each line,
//! without empty lines and without a byte order mark. Either may match, because no line of an export has a carriage return
//! of its own. Only one sum is computed while both are equal.

use akvs_api::export::Checksum;

const RETURN: u8 = b'\r';
const NEWLINE: u8 = b'\n';

/// The checksums of the text that was read.
#[derive(Default)]
pub(super) struct Sums {
    normalized: Checksum,
    /// The checksum of the bytes as received, if it differs.
    received: Option<Checksum>,
    /// The number of carriage returns at the end, which a newline may follow.
    returns: usize,
}

impl Sums {
    /// Adds a line, or a part of a line.
    pub(super) fn update(&mut self, text: &[u8]) {
        if self.returns == 0 && memchr::memchr(RETURN, text).is_none() {
            self.normalized.update(text);
            if let Some(received) = &mut self.received {
                received.update(text);
            }
            return;
        }
        self.leave_out(text);
        for part in text.split_inclusive(|byte| *byte == NEWLINE) {
            let line = part.strip_suffix(&[NEWLINE]);
            let inner = line.unwrap_or(part);
            let returns = inner
                .iter()
                .rev()
                .take_while(|byte| **byte == RETURN)
                .count();
            let inner = &inner[..inner.len() - returns];
            if !inner.is_empty() {
                self.add_returns();
                self.normalized.update(inner);
            }
            self.returns += returns;
            if line.is_some() {
                self.returns = 0;
                self.normalized.update(&[NEWLINE]);
            }
        }
    }

    /// Adds text that an export does not have, an empty line or a byte order mark, to the sum of the bytes as received.
    pub(super) fn leave_out(&mut self, text: &[u8]) {
        self.received
            .get_or_insert_with(|| self.normalized.clone())
            .update(text);
    }

    /// Returns whether one of the sums is this one, in hexadecimal.
    pub(super) fn matches(&self, sha256: &str) -> bool {
        let received = self.received.as_ref();
        received.is_some_and(|received| received.hex() == sha256) || self.normalized.hex() == sha256
    }

    /// Adds carriage returns that no newline follows, which belong to the text.
    fn add_returns(&mut self) {
        for _ in 0..std::mem::take(&mut self.returns) {
            self.normalized.update(&[RETURN]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(text: &[u8]) -> String {
        let mut sum = Checksum::default();
        sum.update(text);
        sum.hex()
    }

    /// Returns whether a text in these parts matches the sum of a text.
    fn is_sum_of(parts: &[&[u8]], text: &[u8]) -> bool {
        let mut sums = Sums::default();
        parts.iter().for_each(|part| sums.update(part));
        assert!(sums.matches(&sum(&parts.concat())), "that of the bytes");
        sums.matches(&sum(text))
    }

    #[test]
    fn line_ends_are_normalized_wherever_the_parts_end() {
        let text = b"a\r\nb\rc\r\r\n\r\nd\n";
        for at in 0..text.len() {
            let (one, other) = text.split_at(at);
            assert!(is_sum_of(&[one, other], b"a\nb\rc\n\nd\n"), "{at}");
            assert!(!is_sum_of(&[one, other], b"a\nbc\n\nd\n"), "{at}");
        }
    }

    #[test]
    fn text_that_an_export_does_not_have_is_left_out() {
        let mut sums = Sums::default();
        sums.leave_out(b"\xef\xbb\xbf");
        sums.update(b"a\n");
        assert!(sums.matches(&sum(b"a\n")) && sums.matches(&sum(b"\xef\xbb\xbfa\n")));
        assert!(!sums.matches(&sum(b"a")));
    }
}

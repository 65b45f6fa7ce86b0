//! The sum of a file that is read, where a program may have changed its line ends on the way.
//!
//! Two sums are kept: of the bytes as they came, and of the text as an export writes it, with a bare newline after each
//! line, no empty line, and no byte order mark. Either is right: no line of an export has a carriage return of its own.
//! As long as both are the same, one is computed.

use akvs_api::export::Checksum;

const RETURN: u8 = b'\r';
const NEWLINE: u8 = b'\n';

/// The sums of what was read so far.
#[derive(Default)]
pub(super) struct Sums {
    written: Checksum,
    /// That of the bytes as they came, where it is another one.
    came: Option<Checksum>,
    /// Carriage returns of which it is not known whether a newline follows.
    returns: usize,
}

impl Sums {
    /// Takes in a line, or a part of one.
    pub(super) fn update(&mut self, text: &[u8]) {
        if self.returns == 0 && !text.contains(&RETURN) {
            self.written.update(text);
            if let Some(came) = &mut self.came {
                came.update(text);
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
                self.write_returns();
                self.written.update(inner);
            }
            self.returns += returns;
            if line.is_some() {
                self.returns = 0;
                self.written.update(&[NEWLINE]);
            }
        }
    }

    /// Takes in what an export does not have: an empty line, or a byte order mark.
    pub(super) fn leave_out(&mut self, text: &[u8]) {
        self.came
            .get_or_insert_with(|| self.written.clone())
            .update(text);
    }

    /// Whether this is the sum, in hexadecimal.
    pub(super) fn are(&self, sha256: &str) -> bool {
        let came = self.came.as_ref().is_some_and(|came| came.hex() == sha256);
        came || self.written.hex() == sha256
    }

    /// Those before something else than a newline belong to the text.
    fn write_returns(&mut self) {
        for _ in 0..std::mem::take(&mut self.returns) {
            self.written.update(&[RETURN]);
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

    /// Whether a text that comes in these parts has this sum too.
    fn is_sum_of(parts: &[&[u8]], text: &[u8]) -> bool {
        let mut sums = Sums::default();
        parts.iter().for_each(|part| sums.update(part));
        assert!(sums.are(&sum(&parts.concat())), "that of the bytes");
        sums.are(&sum(text))
    }

    #[test]
    fn line_ends_are_made_newlines_wherever_the_parts_end() {
        let text = b"a\r\nb\rc\r\r\n\r\nd\n";
        for at in 0..text.len() {
            let (one, other) = text.split_at(at);
            assert!(is_sum_of(&[one, other], b"a\nb\rc\n\nd\n"), "{at}");
            assert!(!is_sum_of(&[one, other], b"a\nbc\n\nd\n"), "{at}");
        }
    }

    #[test]
    fn what_an_export_does_not_have_is_left_out() {
        let mut sums = Sums::default();
        sums.leave_out(b"\xef\xbb\xbf");
        sums.update(b"a\n");
        assert!(sums.are(&sum(b"a\n")) && sums.are(&sum(b"\xef\xbb\xbfa\n")));
        assert!(!sums.are(&sum(b"a")));
    }
}

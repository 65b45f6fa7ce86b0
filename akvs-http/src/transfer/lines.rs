//! Bytes as they come, cut into lines. It owns the text that is not a whole line yet. Invariant: it never holds more
//! than the longest line, what one piece unfolds to, and what came in last.

use akvs_core::Result;
use bytes::Bytes;

use super::ContentCoding;
use super::compression::Decoder;

/// What stands in a file beside the values: a key, the types, numbers and names, all with escapes.
const BESIDE_BYTES: usize = 16 << 10;

/// The lines of a body.
pub(super) struct Lines {
    decoder: Decoder,
    /// What came in and is not decoded.
    input: Bytes,
    text: Vec<u8>,
    /// What of the text was given out.
    taken: usize,
    /// What of the text was looked through for the end of a line.
    searched: usize,
    max_bytes: usize,
    /// Whether the line that goes on was told to be too long.
    is_skipping: bool,
}

/// A part of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line, with its newline.
    Line(Vec<u8>),
    /// The beginning of a line that is too long.
    TooLong(Vec<u8>),
    /// More of it.
    Rest(Vec<u8>),
    /// Its end, with its newline.
    RestEnd(Vec<u8>),
}

impl Piece {
    /// The bytes of the piece.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Piece::Line(text) | Piece::TooLong(text) | Piece::Rest(text) | Piece::RestEnd(text) => {
                text
            }
        }
    }
}

impl Lines {
    /// The lines of a body, whose values have at most so many bytes, and for which there is so much memory at most.
    pub(super) fn new(
        coding: ContentCoding,
        max_value_bytes: usize,
        body_memory_bytes: usize,
    ) -> Result<Lines> {
        Ok(Lines {
            decoder: Decoder::new(coding, body_memory_bytes)?,
            input: Bytes::new(),
            text: Vec::new(),
            taken: 0,
            searched: 0,
            max_bytes: max_value_bytes.div_ceil(3).saturating_mul(4) + BESIDE_BYTES,
            is_skipping: false,
        })
    }

    /// Takes in what came; all before it has been given out.
    pub(super) fn push(&mut self, input: Bytes) {
        self.input = input;
    }

    /// Says that nothing more comes.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.decoder.finish(&mut self.text)
    }

    /// Whether there is a part of a line that has not ended.
    pub(super) fn is_within_a_line(&self) -> bool {
        self.is_skipping || self.taken < self.text.len()
    }

    /// The part of a line that came so far; nothing of one that is too long.
    pub(super) fn part(&self) -> &[u8] {
        match self.is_skipping {
            true => &[],
            false => &self.text[self.taken..],
        }
    }

    /// Takes out the part of a line that came so far.
    pub(super) fn take_part(&mut self) -> Vec<u8> {
        match self.is_skipping {
            true => Vec::new(),
            false => self.take(self.text.len()),
        }
    }

    /// The memory that it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.input.len() + self.decoder.bytes()
    }

    /// The next line, or a part of one that is too long; none where more has to come in. It decodes one piece at the
    /// most, and gives out none where that ends no line.
    pub(super) fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.piece() {
                return Ok(Some(piece));
            }
            if self.decoder.wants(&self.input) {
                return Ok(None);
            }
            self.make_room();
            self.decoder.decode(&mut self.input, &mut self.text)?;
        }
    }

    fn piece(&mut self) -> Option<Piece> {
        let found = self.text[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        let Some(at) = found else {
            self.searched = self.text.len();
            let rest = self.searched - self.taken;
            if self.is_skipping && rest > 0 {
                return Some(Piece::Rest(self.take(self.searched)));
            }
            if rest > self.max_bytes {
                self.is_skipping = true;
                return Some(Piece::TooLong(self.take(self.searched)));
            }
            return None;
        };
        let end = self.searched + at + 1;
        if std::mem::take(&mut self.is_skipping) {
            return Some(Piece::RestEnd(self.take(end)));
        }
        if end - self.taken > self.max_bytes {
            // In two parts, as any other that is too long.
            self.is_skipping = true;
            return Some(Piece::TooLong(self.take(end - 1)));
        }
        Some(Piece::Line(self.take(end)))
    }

    fn take(&mut self, end: usize) -> Vec<u8> {
        let piece = self.text[self.taken..end].to_vec();
        (self.taken, self.searched) = (end, end);
        piece
    }

    /// Gives up what was given out.
    fn make_room(&mut self) {
        self.text.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        // After a long line, the room that it had.
        if self.text.capacity() > 4 * (self.text.len() + BESIDE_BYTES) {
            self.text.shrink_to(2 * (self.text.len() + BESIDE_BYTES));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(lines: &mut Lines, text: &str) -> Vec<Piece> {
        lines.push(Bytes::copy_from_slice(text.as_bytes()));
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn a_line_may_come_in_parts() {
        let mut lines = Lines::new(ContentCoding::Identity, 0, usize::MAX).unwrap();
        assert_eq!(pieces(&mut lines, "a"), []);
        assert!(lines.is_within_a_line());
        let line = |text: &str| Piece::Line(text.as_bytes().to_vec());
        assert_eq!(
            pieces(&mut lines, "b\n\nc\nd"),
            [line("ab\n"), line("\n"), line("c\n")]
        );
        assert_eq!(pieces(&mut lines, "\n"), [line("d\n")]);
        assert!(!lines.is_within_a_line());
    }

    #[test]
    fn a_line_that_is_too_long_is_given_up_part_by_part() {
        let mut lines = Lines::new(ContentCoding::Identity, 0, usize::MAX).unwrap();
        let longest = "x".repeat(BESIDE_BYTES);
        assert_eq!(pieces(&mut lines, &longest), []);
        let too_long = Piece::TooLong(format!("{longest}y").into_bytes());
        assert_eq!(pieces(&mut lines, "y"), [too_long]);
        assert_eq!(pieces(&mut lines, "z"), [Piece::Rest(b"z".to_vec())]);
        assert!(lines.bytes() < 8 * BESIDE_BYTES, "{}", lines.bytes());
        assert_eq!(
            pieces(&mut lines, "\na\n"),
            [Piece::RestEnd(b"\n".to_vec()), Piece::Line(b"a\n".to_vec())]
        );
        let text = format!("{longest}\na\n");
        assert_eq!(
            pieces(&mut lines, &text),
            [
                Piece::TooLong(longest.into_bytes()),
                Piece::RestEnd(b"\n".to_vec()),
                Piece::Line(b"a\n".to_vec())
            ]
        );
    }
}

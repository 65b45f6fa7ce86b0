//! The lines of a body. It owns the text of the incomplete line. Invariant: it never holds more than the longest line, the
//! output of one step of the decoder, and the last input.

use akvs_core::Result;
use bytes::Bytes;

use super::ContentCoding;
use super::compression::Decoder;

/// The maximum length of a line without its value: a key, the types, numbers and names, all with escapes.
const OVERHEAD_BYTES: usize = 16 << 10;

/// The lines of a body.
pub(super) struct Lines {
    decoder: Decoder,
    /// The input that is not decoded.
    input: Bytes,
    text: Vec<u8>,
    /// The length of the text that was returned.
    taken: usize,
    /// The length of the text that was searched for the end of a line.
    searched: usize,
    max_bytes: usize,
    /// Whether the current line was reported as too long.
    is_skipping: bool,
}

/// A line, or a part of a line that is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A line with its newline.
    Line(Vec<u8>),
    /// The beginning of a line that is too long.
    TooLong(Vec<u8>),
    /// The middle of a line that is too long.
    Rest(Vec<u8>),
    /// The end of a line that is too long, with its newline.
    RestEnd(Vec<u8>),
}

impl Piece {
    /// Returns the bytes of the piece.
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Piece::Line(text) | Piece::TooLong(text) | Piece::Rest(text) | Piece::RestEnd(text) => {
                text
            }
        }
    }
}

impl Lines {
    /// Returns the lines of a body with this coding, for values and a memory of at most these bytes.
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
            max_bytes: max_value_bytes.div_ceil(3).saturating_mul(4) + OVERHEAD_BYTES,
            is_skipping: false,
        })
    }

    /// Adds input, after the lines of all input before it were returned.
    pub(super) fn push(&mut self, input: Bytes) {
        self.input = input;
    }

    /// Ends the input.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.decoder.finish(&mut self.text)
    }

    /// Returns whether the text ends within a line.
    pub(super) fn is_within_a_line(&self) -> bool {
        self.is_skipping || self.taken < self.text.len()
    }

    /// Returns the incomplete line; empty for a line that is too long.
    pub(super) fn partial_line(&self) -> &[u8] {
        if self.is_skipping {
            &[]
        } else {
            &self.text[self.taken..]
        }
    }

    /// Removes and returns the incomplete line.
    pub(super) fn take_partial_line(&mut self) -> Vec<u8> {
        if self.is_skipping {
            Vec::new()
        } else {
            self.take(self.text.len())
        }
    }

    /// Returns the memory of the lines in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.text.capacity() + self.input.len() + self.decoder.bytes()
    }

    /// Returns the next line, or a part of a line that is too long; none if it needs more input.
    pub(super) fn next(&mut self) -> Result<Option<Piece>> {
        loop {
            if let Some(piece) = self.piece() {
                return Ok(Some(piece));
            }
            if self.decoder.needs_input(&self.input) {
                return Ok(None);
            }
            self.make_room();
            self.decoder.decode(&mut self.input, &mut self.text)?;
        }
    }

    fn piece(&mut self) -> Option<Piece> {
        let Some(at) = memchr::memchr(b'\n', &self.text[self.searched..]) else {
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
            // In two pieces, as any other line that is too long.
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

    /// Frees the text that was returned.
    fn make_room(&mut self) {
        self.text.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        // Frees the memory of a long line.
        if self.text.capacity() > 4 * (self.text.len() + OVERHEAD_BYTES) {
            self.text.shrink_to(2 * (self.text.len() + OVERHEAD_BYTES));
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
    fn a_line_may_arrive_in_parts() {
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
    fn a_line_that_is_too_long_is_returned_part_by_part() {
        let mut lines = Lines::new(ContentCoding::Identity, 0, usize::MAX).unwrap();
        let longest = "x".repeat(OVERHEAD_BYTES);
        assert_eq!(pieces(&mut lines, &longest), []);
        let too_long = Piece::TooLong(format!("{longest}y").into_bytes());
        assert_eq!(pieces(&mut lines, "y"), [too_long]);
        assert_eq!(pieces(&mut lines, "z"), [Piece::Rest(b"z".to_vec())]);
        assert!(lines.bytes() < 8 * OVERHEAD_BYTES, "{}", lines.bytes());
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

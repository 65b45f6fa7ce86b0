//! The end of a chunked body (RFC 9112, section 7.1).
//!
//! actix decodes the bytes; this module only finds their end and their errors, by the same rules, so that both find the
//! same end.

use super::token::is_token;

/// The maximum bytes of a body that are not data: extensions, trailers, blanks and leading zeros of sizes together.
const MAX_OVERHEAD_BYTES: u32 = 16 << 10;

/// The parser of a chunked body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    state: State,
    /// The bytes of the body so far that are not data.
    overhead: u32,
}

/// The position of the next byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    #[default]
    Size,
    /// After the digits of this size.
    Digits(u64),
    /// In the blanks after this size.
    Blanks(u64),
    Extension(u64),
    /// Before the line feed that ends a size.
    SizeEnd(u64),
    /// Before this number of bytes of data.
    Data(u64),
    /// Before the line end after the data.
    DataEnd,
    DataLineFeed,
    /// State the beginning of a line after the last chunk.
    Line,
    /// In the name of a trailer field.
    TrailerName,
    /// In its value.
    Trailer,
    TrailerLineFeed,
    LastLineFeed,
    Done,
}

impl Chunks {
    /// Reads bytes. Returns how many of them belong to the body, or the error and how many bytes precede it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<usize, (usize, &'static str)> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at)
            && self.state != State::Done
        {
            if let State::Data(left) = self.state {
                let count = left.min((bytes.len() - at) as u64);
                at += count as usize;
                self.state = match left - count {
                    0 => State::DataEnd,
                    left => State::Data(left),
                };
                continue;
            }
            self.overhead += u32::from(self.state.is_overhead(*byte));
            if self.overhead > MAX_OVERHEAD_BYTES {
                let why = "more than 16384 bytes of chunk extensions, trailers and leading zeros";
                return Err((at, why));
            }
            self.state = self.state.next(*byte).map_err(|why| (at, why))?;
            at += 1;
        }
        Ok(at)
    }

    /// Returns whether the whole body was read.
    pub(super) fn is_done(self) -> bool {
        self.state == State::Done
    }
}

impl State {
    /// Returns whether a byte at this position is not data and could be repeated without end.
    fn is_overhead(self, byte: u8) -> bool {
        match self {
            State::Blanks(_) | State::Extension(_) | State::TrailerName | State::Trailer => true,
            State::Line => byte != b'\r',
            State::Digits(size) => size == 0 && byte == b'0',
            State::Size
            | State::SizeEnd(_)
            | State::Data(_)
            | State::DataEnd
            | State::DataLineFeed
            | State::TrailerLineFeed
            | State::LastLineFeed
            | State::Done => false,
        }
    }

    /// Returns the state after this byte, which is not data.
    fn next(self, byte: u8) -> Result<State, &'static str> {
        const SIZE: &str = "malformed chunk size: expected hexadecimal digits and a line end";
        const DATA: &str = "a chunk is longer than its size";
        const TRAILER: &str =
            "malformed trailer: expected a field name, a colon, a value and a line end";
        Ok(match (self, byte) {
            (State::Size, byte) => State::Digits(digit(byte).ok_or(SIZE)?),
            (State::Digits(size), byte) if byte.is_ascii_hexdigit() => {
                let digit = digit(byte).ok_or(SIZE)?;
                State::Digits(size.checked_mul(16).ok_or("a chunk is too large")? + digit)
            }
            (State::Digits(size) | State::Blanks(size), b' ' | b'\t') => State::Blanks(size),
            (State::Digits(size) | State::Blanks(size), b';') => State::Extension(size),
            (State::Digits(size) | State::Blanks(size) | State::Extension(size), b'\r') => {
                State::SizeEnd(size)
            }
            (State::Digits(_) | State::Blanks(_), _) => return Err(SIZE),
            (State::Extension(_), 0..=8 | 10..=31 | 127) => {
                return Err("invalid character in a chunk extension");
            }
            (State::Extension(size), _) => State::Extension(size),
            (State::SizeEnd(0), b'\n') => State::Line,
            (State::SizeEnd(size), b'\n') => State::Data(size),
            (State::SizeEnd(_), _) => return Err(SIZE),
            (State::DataEnd, b'\r') => State::DataLineFeed,
            (State::DataLineFeed, b'\n') => State::Size,
            (State::DataEnd | State::DataLineFeed, _) => return Err(DATA),
            (State::Line, b'\r') => State::LastLineFeed,
            // A field as in a head: no blank before the colon, and no line that continues another.
            (State::Line | State::TrailerName, byte) if is_token(byte) => State::TrailerName,
            (State::TrailerName, b':') => State::Trailer,
            (State::Trailer, b'\r') => State::TrailerLineFeed,
            (State::Trailer, b'\t' | b' '..=126 | 128..) => State::Trailer,
            (State::Line | State::TrailerName | State::Trailer, _) => return Err(TRAILER),
            (State::TrailerLineFeed, b'\n') => State::Line,
            (State::LastLineFeed, b'\n') => State::Done,
            (State::TrailerLineFeed | State::LastLineFeed, _) => return Err(TRAILER),
            (State::Data(_) | State::Done, _) => self,
        })
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the length of the body, which is the same for each split into two parts.
    fn length(bytes: &[u8]) -> Result<usize, &'static str> {
        let results = (0..=bytes.len()).map(|cut| {
            let mut chunks = Chunks::default();
            let first = chunks.read(&bytes[..cut]).map_err(|(_, why)| why)?;
            let second = chunks.read(&bytes[first..]).map_err(|(_, why)| why)?;
            match chunks.is_done() {
                true => Ok(first + second),
                false => Err("no end"),
            }
        });
        let results: Vec<_> = results.collect();
        assert!(
            results.windows(2).all(|two| two[0] == two[1]),
            "{results:?}"
        );
        results[0]
    }

    #[test]
    fn the_end_is_found_wherever_the_bytes_are_split() {
        for whole in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "05 ;a=\"b;c\"\r\nhello\r\n1\r\n\n\r\n000;x\r\nX: y\r\nZ:\r\n\r\n",
        ] {
            let more = [whole, "GET / HTTP/1.1\r\n"].concat();
            assert_eq!(length(whole.as_bytes()), Ok(whole.len()), "{whole:?}");
            assert_eq!(length(more.as_bytes()), Ok(whole.len()), "{whole:?}");
        }
    }

    #[test]
    fn a_malformed_body_is_refused() {
        for bad in [
            "",
            "\r\n",
            "x\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            " 5\r\nhello\r\n0\r\n\r\n",
            "5\nhello\r\n0\r\n\r\n",
            "5 5\r\nhello\r\n0\r\n\r\n",
            "5;a\0\r\nhello\r\n0\r\n\r\n",
            "5\r\nhello0\r\n\r\n",
            "4\r\nhello\r\n0\r\n\r\n",
            "10000000000000000\r\n",
            "5\r\nhello\r\n",
            "0\r\nX: y\r\n\r",
            "0\r\nX: y\r\r\n\r\n",
            "0\r\n\r\r\n",
            "0\r\nX\r\n\r\n",
            "0\r\n: y\r\n\r\n",
            "0\r\nX : y\r\n\r\n",
            "0\r\n X: y\r\n\r\n",
            "0\r\nX: y\r\n z\r\n\r\n",
            "0\r\nX: y\n\r\n\r\n",
            "0\r\nX: \0\r\n\r\n",
            "0\r\nX: \x7f\r\n\r\n",
            "0\r\n\n",
        ] {
            assert!(length(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn overhead_is_bounded() {
        let body = |spare: usize| {
            let zeros = format!("{}5\r\nhello\r\n", "0".repeat(spare));
            let blanks = format!("5{}\r\nhello\r\n", " ".repeat(spare));
            let one = format!("5;{}\r\nhello\r\n", "a".repeat(spare));
            let many = format!("1;{}\r\nx\r\n", "a".repeat(99)).repeat(spare / 99 + 1);
            let trailer = format!("0\r\na:{}\r\n\r\n", "a".repeat(spare));
            let trailers = format!("0\r\n{}\r\n", "a:\r\n".repeat(spare / 2));
            [zeros, blanks, one, many, trailer, trailers]
        };
        for (spare, is_taken) in [(9_000, true), (20_000, false)] {
            for begin in body(spare) {
                let read = Chunks::default().read(begin.as_bytes());
                assert_eq!(read.is_ok(), is_taken, "{spare}: {}", &begin[..9]);
            }
        }
    }
}

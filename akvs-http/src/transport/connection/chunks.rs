//! Where a body in chunks ends (RFC 9112, section 7.1).
//!
//! The bytes are passed on as they are and decoded by the framework; here only their end is looked for, and what is
//! written badly, by the same rules: so both find the same end.

/// The most bytes of a body that carry nothing: extensions, trailers, blanks and leading zeros of sizes, together.
const MAX_SPARE_BYTES: u32 = 16 << 10;

/// How far the chunks of a body were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    /// How many bytes of the body carried nothing so far.
    spare: u32,
}

/// Where in a body in chunks its next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Before the first digit of a size.
    #[default]
    Size,
    /// Behind a digit of this size.
    Digits(u64),
    /// In the blanks behind the size.
    Blanks(u64),
    Extension(u64),
    /// Before the line feed that ends a size.
    SizeEnd(u64),
    /// So many bytes of data are to come.
    Data(u64),
    /// Before the two bytes behind the data.
    DataEnd,
    DataLineFeed,
    /// At the beginning of a line behind the last chunk.
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
    /// Reads on: how many of these bytes are of the body, or what is wrong and how many bytes are before it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<usize, (usize, &'static str)> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at)
            && self.at != At::Done
        {
            if let At::Data(left) = self.at {
                let some = left.min((bytes.len() - at) as u64);
                at += some as usize;
                self.at = match left - some {
                    0 => At::DataEnd,
                    left => At::Data(left),
                };
                continue;
            }
            self.spare += u32::from(self.at.is_spare(*byte));
            if self.spare > MAX_SPARE_BYTES {
                let why = "more than 16384 bytes of chunk extensions, trailers and leading zeros";
                return Err((at, why));
            }
            self.at = self.at.after(*byte).map_err(|why| (at, why))?;
            at += 1;
        }
        Ok(at)
    }

    /// Whether the whole body was read.
    pub(super) fn is_done(self) -> bool {
        self.at == At::Done
    }
}

impl At {
    /// Whether a byte that comes here carries nothing, so that there could be any number of them.
    fn is_spare(self, byte: u8) -> bool {
        match self {
            At::Blanks(_) | At::Extension(_) | At::TrailerName | At::Trailer => true,
            At::Line => byte != b'\r',
            At::Digits(size) => size == 0 && byte == b'0',
            At::Size
            | At::SizeEnd(_)
            | At::Data(_)
            | At::DataEnd
            | At::DataLineFeed
            | At::TrailerLineFeed
            | At::LastLineFeed
            | At::Done => false,
        }
    }

    /// What comes after this byte, which is none of the data.
    fn after(self, byte: u8) -> Result<At, &'static str> {
        const SIZE: &str = "malformed chunk size: expected hexadecimal digits and a line end";
        const DATA: &str = "a chunk is longer than its size";
        const TRAILER: &str =
            "malformed trailer: expected a field name, a colon, a value and a line end";
        Ok(match (self, byte) {
            (At::Size, byte) => At::Digits(digit(byte).ok_or(SIZE)?),
            (At::Digits(size), byte) if byte.is_ascii_hexdigit() => {
                let digit = digit(byte).ok_or(SIZE)?;
                At::Digits(size.checked_mul(16).ok_or("a chunk is too large")? + digit)
            }
            (At::Digits(size) | At::Blanks(size), b' ' | b'\t') => At::Blanks(size),
            (At::Digits(size) | At::Blanks(size), b';') => At::Extension(size),
            (At::Digits(size) | At::Blanks(size) | At::Extension(size), b'\r') => At::SizeEnd(size),
            (At::Digits(_) | At::Blanks(_), _) => return Err(SIZE),
            (At::Extension(_), 0..=8 | 10..=31 | 127) => {
                return Err("invalid character in a chunk extension");
            }
            (At::Extension(size), _) => At::Extension(size),
            (At::SizeEnd(0), b'\n') => At::Line,
            (At::SizeEnd(size), b'\n') => At::Data(size),
            (At::SizeEnd(_), _) => return Err(SIZE),
            (At::DataEnd, b'\r') => At::DataLineFeed,
            (At::DataLineFeed, b'\n') => At::Size,
            (At::DataEnd | At::DataLineFeed, _) => return Err(DATA),
            (At::Line, b'\r') => At::LastLineFeed,
            // A field as in a head: no blank before the colon, and no line that continues another.
            (At::Line | At::TrailerName, byte) if is_token(byte) => At::TrailerName,
            (At::TrailerName, b':') => At::Trailer,
            (At::Trailer, b'\r') => At::TrailerLineFeed,
            (At::Trailer, b'\t' | b' '..=126 | 128..) => At::Trailer,
            (At::Line | At::TrailerName | At::Trailer, _) => return Err(TRAILER),
            (At::TrailerLineFeed, b'\n') => At::Line,
            (At::LastLineFeed, b'\n') => At::Done,
            (At::TrailerLineFeed | At::LastLineFeed, _) => return Err(TRAILER),
            (At::Data(_) | At::Done, _) => self,
        })
    }
}

/// Returns whether a byte may be part of a field's name (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes are of the body, read in two pieces cut at every place.
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
    fn the_end_is_found_wherever_the_bytes_are_cut() {
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
    fn what_is_written_badly_is_refused() {
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
    fn what_carries_nothing_has_a_bound() {
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

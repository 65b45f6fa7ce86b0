//! Where a body in chunks ends (RFC 9112, section 7.1).
//!
//! The bytes are passed on as they are and decoded by the framework; here only their end is looked for, and what is
//! written badly, by the same rules: so both find the same end.

/// How far the chunks of a body were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// Before the first digit of a size.
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
            && *self != Chunks::Done
        {
            if let Chunks::Data(left) = *self {
                let some = left.min((bytes.len() - at) as u64);
                at += some as usize;
                *self = match left - some {
                    0 => Chunks::DataEnd,
                    left => Chunks::Data(left),
                };
                continue;
            }
            *self = self.after(*byte).map_err(|why| (at, why))?;
            at += 1;
        }
        Ok(at)
    }

    /// Whether the whole body was read.
    pub(super) fn is_done(self) -> bool {
        self == Chunks::Done
    }

    /// What comes after this byte, which is none of the data.
    fn after(self, byte: u8) -> Result<Chunks, &'static str> {
        const SIZE: &str = "malformed chunk size: expected hexadecimal digits and a line end";
        const DATA: &str = "a chunk is longer than its size";
        const TRAILER: &str = "malformed trailer: expected a line end";
        Ok(match (self, byte) {
            (Chunks::Size, byte) => Chunks::Digits(digit(byte).ok_or(SIZE)?),
            (Chunks::Digits(size), byte) if byte.is_ascii_hexdigit() => {
                let digit = digit(byte).ok_or(SIZE)?;
                Chunks::Digits(size.checked_mul(16).ok_or("a chunk is too large")? + digit)
            }
            (Chunks::Digits(size) | Chunks::Blanks(size), b' ' | b'\t') => Chunks::Blanks(size),
            (Chunks::Digits(size) | Chunks::Blanks(size), b';') => Chunks::Extension(size),
            (Chunks::Digits(size) | Chunks::Blanks(size) | Chunks::Extension(size), b'\r') => {
                Chunks::SizeEnd(size)
            }
            (Chunks::Digits(_) | Chunks::Blanks(_), _) => return Err(SIZE),
            (Chunks::Extension(_), 0..=8 | 10..=31 | 127) => {
                return Err("invalid character in a chunk extension");
            }
            (Chunks::Extension(size), _) => Chunks::Extension(size),
            (Chunks::SizeEnd(0), b'\n') => Chunks::Line,
            (Chunks::SizeEnd(size), b'\n') => Chunks::Data(size),
            (Chunks::SizeEnd(_), _) => return Err(SIZE),
            (Chunks::DataEnd, b'\r') => Chunks::DataLineFeed,
            (Chunks::DataLineFeed, b'\n') => Chunks::Size,
            (Chunks::DataEnd | Chunks::DataLineFeed, _) => return Err(DATA),
            (Chunks::Line, b'\r') => Chunks::LastLineFeed,
            (Chunks::Trailer, b'\r') => Chunks::TrailerLineFeed,
            (Chunks::Line | Chunks::Trailer, _) => Chunks::Trailer,
            (Chunks::TrailerLineFeed, b'\n') => Chunks::Line,
            (Chunks::LastLineFeed, b'\n') => Chunks::Done,
            (Chunks::TrailerLineFeed | Chunks::LastLineFeed, _) => return Err(TRAILER),
            (Chunks::Data(_) | Chunks::Done, _) => self,
        })
    }
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
            let mut chunks = Chunks::Size;
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
        ] {
            assert!(length(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}

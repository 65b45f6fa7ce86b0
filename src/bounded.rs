//! Reads of files that the settings or the command line name, up to a bound: a name that leads to `/dev/zero` must not
//! decide how much memory is used.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Maximum size of a file of settings, tokens or certificates, in bytes.
pub(crate) const MAX_BYTES: u64 = 16 << 20;

/// Reads a file of at most `max_bytes` bytes.
pub(crate) fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    read_from(File::open(path)?, max_bytes)
}

/// Reads a text file of at most [`MAX_BYTES`].
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read(path, MAX_BYTES)?);
    text.map_err(|_| io::Error::new(ErrorKind::InvalidData, "not UTF-8"))
}

/// Reads all of an input of at most `max_bytes` bytes.
pub(crate) fn read_from(input: impl Read, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        Err(io::Error::new(
            ErrorKind::FileTooLarge,
            format!("larger than {max_bytes} bytes"),
        ))
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_file_is_read_up_to_the_limit() {
        let endless = Path::new("/dev/zero");
        let error = read(endless, 1_000).unwrap_err();
        assert_eq!(error.to_string(), "larger than 1000 bytes");
        assert!(read_text(endless).is_err());
        assert_eq!(read_from(&[7; 5][..], 5).unwrap(), [7; 5]);
        assert!(read_from(&[7; 5][..], 4).is_err());
    }
}

//! Keys: any bytes, bounded in length, ordered by their unsigned bytes.

use std::borrow::Borrow;
use std::fmt;

use bytes::Bytes;

use crate::{Code, Error, Result};

/// A key of a namespace.
///
/// - It has 1 to [`Key::MAX_BYTES`] bytes.
/// - Any byte is allowed anywhere, including zero and invalid UTF-8.
///
/// ```
/// use akvs_core::Key;
/// assert_eq!(Key::new("user/7")?.as_bytes(), b"user/7");
/// assert!(Key::new(vec![0xff, 0x00]).is_ok());
/// assert!(Key::new("").is_err());
/// # Ok::<(), akvs_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Bytes);

impl Key {
    /// The maximum length of a key, in bytes.
    pub const MAX_BYTES: usize = 1_024;

    /// Creates a key of these bytes; `invalid_key` where the length is out of bounds.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Key> {
        let bytes = bytes.into();
        Key::check(&bytes)?;
        Ok(Key(bytes))
    }

    /// Checks bytes as [`Key::new`] does, for readers that look up a key without owning it.
    pub fn check(bytes: &[u8]) -> Result<()> {
        match bytes.len() {
            0 => Err(Error::new(
                Code::InvalidKey,
                "the key is empty: expected 1 to 1024 bytes",
            )),
            1..=Key::MAX_BYTES => Ok(()),
            length => Err(Error::new(
                Code::InvalidKey,
                format!(
                    "the key is too long: {length} bytes; the limit is {}",
                    Key::MAX_BYTES
                ),
            )
            .with("length", length)
            .with("limit", Key::MAX_BYTES)),
        }
    }

    /// Returns the key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

// Sound, because `Hash`, `Eq` and `Ord` of the key are those of its bytes.
impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_1024_bytes() {
        assert_eq!(Key::new("").unwrap_err().code(), Code::InvalidKey);
        assert!(Key::new("k").is_ok());
        assert!(Key::new(vec![7; 1_024]).is_ok());
        let error = Key::new(vec![7; 1_025]).unwrap_err();
        assert_eq!(
            (error.code(), &error.context()["limit"]),
            (Code::InvalidKey, &1_024.into())
        );
    }

    #[test]
    fn a_key_is_any_bytes_in_unsigned_order() {
        let keys: Vec<Key> = (0..=255_u8)
            .map(|byte| Key::new(vec![byte]).unwrap())
            .collect();
        assert!(keys.is_sorted());
    }
}

//! The names of namespaces: printable text.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::{Code, Error, Result};

/// The name of a namespace; cheap to clone.
///
/// - It has 1 to [`Namespace::MAX_BYTES`] bytes.
/// - It is UTF-8.
/// - It has no control character (Unicode category Cc).
///
/// ```
/// use akvs_core::Namespace;
/// assert_eq!(Namespace::new("Grüße")?.as_str(), "Grüße");
/// assert!(Namespace::new("two\nlines").is_err());
/// # Ok::<(), akvs_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// The maximum length of a name, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// Creates the name of a namespace; `invalid_namespace` where a rule is violated.
    pub fn new(name: impl AsRef<str>) -> Result<Namespace> {
        let name = name.as_ref();
        Namespace::check(name.as_bytes())?;
        Ok(Namespace(name.into()))
    }

    /// Checks bytes as [`Namespace::new`] does, and returns them as text.
    pub fn check(bytes: &[u8]) -> Result<&str> {
        let invalid = |message: String| Error::new(Code::InvalidNamespace, message);
        if bytes.is_empty() {
            return Err(invalid(
                "the namespace is empty: expected 1 to 128 bytes".into(),
            ));
        }
        if bytes.len() > Namespace::MAX_BYTES {
            let message = format!(
                "the namespace is too long: {} bytes; the limit is {}",
                bytes.len(),
                Namespace::MAX_BYTES
            );
            return Err(invalid(message)
                .with("length", bytes.len())
                .with("limit", Namespace::MAX_BYTES));
        }
        let name = std::str::from_utf8(bytes).map_err(|error| {
            invalid(format!(
                "the namespace is not UTF-8 at byte {}",
                error.valid_up_to()
            ))
        })?;
        match name.chars().find(|character| character.is_control()) {
            Some(control) => Err(invalid(format!(
                "invalid character U+{:04X} in the namespace: control characters are not allowed",
                u32::from(control)
            ))),
            None => Ok(name),
        }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Namespace {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// Sound, because `Hash`, `Eq` and `Ord` of the namespace are those of its text.
impl Borrow<str> for Namespace {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_128_bytes() {
        assert!(Namespace::new("").is_err());
        assert!(Namespace::new("n".repeat(128)).is_ok());
        assert!(Namespace::new("n".repeat(129)).is_err());
        assert!(Namespace::new("ü".repeat(64)).is_ok());
        assert!(Namespace::new("ü".repeat(65)).is_err());
    }

    #[test]
    fn a_name_is_utf8() {
        assert!(Namespace::check(b"caf\xc3\xa9").is_ok());
        let error = Namespace::check(b"caf\xe9").unwrap_err();
        assert_eq!(error.message(), "the namespace is not UTF-8 at byte 3");
    }

    #[test]
    fn a_name_has_no_control_characters() {
        for name in ["a\0", "\n", "a\x1bb", "\u{7f}", "a\u{85}"] {
            assert_eq!(
                Namespace::new(name).unwrap_err().code(),
                Code::InvalidNamespace,
                "{name:?}"
            );
        }
        assert!(Namespace::new("a b/c %~").is_ok());
    }
}

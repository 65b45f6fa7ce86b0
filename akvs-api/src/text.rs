//! Bytes in JSON: as text where they are UTF-8, otherwise as base64url in a member whose name ends with `64`.

use std::borrow::Cow;
use std::fmt;

use akvs_core::Error;

use crate::base64url::{self, DecodeError};

/// The bytes of escapes that any value may have as text even if base64url is shorter, because people can read text.
const MIN_ESCAPED_BYTES: usize = 64;

/// Bytes as text or as base64url: the value of one of a pair of members, such as `key` and `key64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextOrBase64<'a> {
    /// UTF-8.
    Text(&'a str),
    /// Base64url without padding.
    Base64(String),
}

impl<'a> TextOrBase64<'a> {
    /// Returns bytes as text if they are UTF-8.
    pub fn new(bytes: &'a [u8]) -> TextOrBase64<'a> {
        match std::str::from_utf8(bytes) {
            Ok(text) => TextOrBase64::Text(text),
            Err(_) => TextOrBase64::Base64(base64url::encode(bytes)),
        }
    }

    /// Returns a value in its [`ValueForm`].
    pub fn from_value(value: &'a [u8]) -> TextOrBase64<'a> {
        match ValueForm::new(value) {
            ValueForm::Text(_) => TextOrBase64::new(value),
            ValueForm::Base64(_) => TextOrBase64::Base64(base64url::encode(value)),
        }
    }

    /// Returns the two members of the pair, one of which is present.
    pub fn into_pair(self) -> (Option<Cow<'a, str>>, Option<Cow<'a, str>>) {
        match self {
            TextOrBase64::Text(text) => (Some(text.into()), None),
            TextOrBase64::Base64(text) => (None, Some(text.into())),
        }
    }

    /// Adds the bytes to the context of an error, as the member `{name}` or `{name}64`.
    pub fn add_to(self, error: Error, name: &str) -> Error {
        match self {
            TextOrBase64::Text(text) => error.with(name, text),
            TextOrBase64::Base64(text) => error.with(&format!("{name}64"), text),
        }
    }
}

/// The form of a value in JSON and its length: text if it is UTF-8, unless its escapes make it longer than base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueForm {
    /// The inside of a string, of this many bytes.
    Text(u64),
    /// Base64url, of this many bytes.
    Base64(u64),
}

impl ValueForm {
    /// Returns the form of a value.
    pub fn new(value: &[u8]) -> ValueForm {
        let base64 = ValueForm::Base64((value.len() as u64 * 4).div_ceil(3));
        if std::str::from_utf8(value).is_err() {
            return base64;
        }
        let escapes = value.iter().map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
            0..0x20 => 5,
            _ => 0_usize,
        });
        let escapes = escapes.sum::<usize>();
        if escapes <= value.len() / 3 + MIN_ESCAPED_BYTES {
            ValueForm::Text((value.len() + escapes) as u64)
        } else {
            base64
        }
    }

    /// Returns the name of the member with a value in this form.
    pub fn member(self) -> &'static str {
        match self {
            ValueForm::Text(_) => "value",
            ValueForm::Base64(_) => "value64",
        }
    }

    /// Returns the length in bytes.
    pub fn length(self) -> u64 {
        match self {
            ValueForm::Text(bytes) | ValueForm::Base64(bytes) => bytes,
        }
    }
}

/// The error of a pair of members that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PairError {
    /// Both members are present.
    Both,
    /// The base64url is malformed.
    Malformed(DecodeError),
}

impl fmt::Display for PairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PairError::Both => f.write_str("both the text and its base64url: expected one of them"),
            PairError::Malformed(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PairError {}

/// Returns the bytes of a pair of members; none if neither is present. An owned text is not copied.
pub fn read_pair<'a>(
    text: Option<impl Into<Cow<'a, str>>>,
    base64: Option<impl AsRef<str>>,
) -> Result<Option<Vec<u8>>, PairError> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(PairError::Both),
        (Some(text), None) => Ok(Some(text.into().into_owned().into_bytes())),
        (None, Some(text)) => base64url::decode(text.as_ref())
            .map(Some)
            .map_err(PairError::Malformed),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use akvs_core::Code;

    fn pair(bytes: TextOrBase64<'_>) -> (Option<String>, Option<String>) {
        let (text, base64) = bytes.into_pair();
        (text.map(Cow::into_owned), base64.map(Cow::into_owned))
    }

    #[test]
    fn bytes_round_trip() {
        for bytes in [&b""[..], b"a\"b", "grün".as_bytes(), b"\xff", &[1; 1_000]] {
            for form in [TextOrBase64::new(bytes), TextOrBase64::from_value(bytes)] {
                let (text, base64) = pair(form);
                assert_eq!(read_pair(text, base64), Ok(Some(bytes.to_vec())));
            }
        }
        assert_eq!(pair(TextOrBase64::new(b"\xff")), (None, Some("_w".into())));
        assert_eq!(pair(TextOrBase64::new(b"a")), (Some("a".into()), None));
    }

    #[test]
    fn at_most_one_of_a_pair_is_accepted() {
        let none: Option<&str> = None;
        assert_eq!(read_pair(none, none), Ok(None));
        assert_eq!(read_pair(Some("a"), Some("YQ")), Err(PairError::Both));
        assert!(matches!(
            read_pair(none, Some("YQ==")),
            Err(PairError::Malformed(_))
        ));
    }

    #[test]
    fn a_text_whose_escapes_are_longer_than_base64_becomes_base64() {
        let text = |value: &[u8]| matches!(ValueForm::new(value), ValueForm::Text(_));
        assert!(text(&[1; 10]) && text(b"\n\n\n\"\"") && text(&[b'"'; 90]));
        assert!(!text(&[1; 1_000]) && !text(&[b'"'; 1_000]) && !text(b"\xff"));
        let lines = "a line with \"quotes\"\n".repeat(1_000);
        assert!(text(lines.as_bytes()));
        for value in [&b""[..], b"a", b"ab", b"abc", &[0xff; 7], &[1; 500]] {
            let length = match TextOrBase64::from_value(value) {
                TextOrBase64::Text(text) => serde_json::to_string(text).unwrap().len() - 2,
                TextOrBase64::Base64(text) => text.len(),
            };
            assert_eq!(ValueForm::new(value).length(), length as u64);
        }
    }

    #[test]
    fn an_error_names_bytes() {
        let error = || Error::new(Code::NotFound, "missing");
        let named = TextOrBase64::new(b"a").add_to(error(), "key");
        assert_eq!(named.context()["key"], "a");
        let named = TextOrBase64::new(b"\xff").add_to(error(), "key");
        assert_eq!(named.context()["key64"], "_w");
    }
}

//! Bytes as base64url without padding (RFC 4648, section 5), the spelling of bytes that are not text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The error of a text that is not base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError(base64::DecodeError);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |byte: u8| byte.escape_ascii();
        match self.0 {
            base64::DecodeError::InvalidByte(offset, byte) => {
                write!(
                    f,
                    "invalid character \"{}\" at offset {offset}",
                    shown(byte)
                )
            }
            base64::DecodeError::InvalidLastSymbol {
                offset,
                symbol: byte,
                ..
            } => {
                write!(
                    f,
                    "invalid last character \"{}\" at offset {offset}",
                    shown(byte)
                )
            }
            base64::DecodeError::InvalidLength(length) => write!(f, "invalid length {length}"),
            base64::DecodeError::InvalidPadding => f.write_str("unexpected padding"),
        }?;
        f.write_str("; expected base64url without padding")
    }
}

impl std::error::Error for DecodeError {}

/// Encodes bytes.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends encoded bytes to a text.
pub fn encode_to(bytes: impl AsRef<[u8]>, text: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Decodes a text; padding and other alphabets are errors.
pub fn decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(DecodeError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_what_is_wrong_and_what_is_expected() {
        for (text, wrong) in [
            ("Li4=", "unexpected padding"),
            ("a*bc", "invalid character \"*\" at offset 1"),
            ("a", "invalid length 1"),
            ("_v9", "invalid last character \"9\" at offset 2"),
        ] {
            let error = decode(text).unwrap_err().to_string();
            let expected = format!("{wrong}; expected base64url without padding");
            assert_eq!(error, expected, "{text}");
        }
    }

    #[test]
    fn bytes_round_trip_without_padding() {
        for (bytes, text) in [(&b""[..], ""), (b"\xff", "_w"), (b"\xfe\xff", "_v8")] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).unwrap(), bytes);
        }
        let mut text = String::from("~64/");
        encode_to(b"..", &mut text);
        assert_eq!(text, "~64/Li4");
        for wrong in ["Li4=", "a", "*", "_v9", "+/"] {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
    }
}

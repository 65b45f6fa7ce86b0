//! Bytes as base64url without padding (RFC 4648, section 5), the spelling of bytes that are not text.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use base64::DecodeError;

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
    URL_SAFE_NO_PAD.decode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

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

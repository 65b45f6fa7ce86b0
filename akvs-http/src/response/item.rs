//! An entry or a change as JSON: the items of lists and watches. What is no UTF-8 is told in base64url, never bent.

use akvs_core::{Entry, Error, Key, Revision};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::response::headers;

/// Bytes as text where they are UTF-8, else as base64url.
pub(crate) struct TextOrBase64<'a> {
    plain: Option<&'a str>,
    base64: Option<String>,
}

impl<'a> TextOrBase64<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> TextOrBase64<'a> {
        match std::str::from_utf8(bytes) {
            Ok(text) => TextOrBase64 {
                plain: Some(text),
                base64: None,
            },
            Err(_) => TextOrBase64 {
                plain: None,
                base64: Some(URL_SAFE_NO_PAD.encode(bytes)),
            },
        }
    }

    fn of_value(value: &'a [u8]) -> TextOrBase64<'a> {
        match Form::of(value) {
            Form::TextOrBase64(_) => TextOrBase64::of(value),
            Form::Base64(_) => TextOrBase64 {
                plain: None,
                base64: Some(URL_SAFE_NO_PAD.encode(value)),
            },
        }
    }

    /// Names a key in an error's context.
    pub(crate) fn name_key(self, error: Error) -> Error {
        match (self.plain, self.base64) {
            (Some(text), _) => error.with("key", text),
            (None, Some(text)) => error.with("key64", text),
            (None, None) => error,
        }
    }

    /// Names what keys begin with in an error's context.
    pub(crate) fn name_prefix(self, error: Error) -> Error {
        match (self.plain, self.base64) {
            (Some(text), _) => error.with("key_prefix", text),
            (None, Some(text)) => error.with("key_prefix64", text),
            (None, None) => error,
        }
    }

    /// The text, or else the base64url.
    pub(crate) fn parts(self) -> (Option<&'a str>, Option<String>) {
        (self.plain, self.base64)
    }

    fn none() -> TextOrBase64<'a> {
        TextOrBase64 {
            plain: None,
            base64: None,
        }
    }
}

/// How a value is told: as text where it is UTF-8, unless JSON's escapes make that longer than base64url is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As the inside of a string, of so many bytes.
    TextOrBase64(u64),
    /// In base64url, of so many bytes.
    Base64(u64),
}

/// Escapes of this length are taken for the sake of a text that can be read.
const SHORT_BYTES: usize = 64;

impl Form {
    pub(crate) fn of(value: &[u8]) -> Form {
        let base64 = Form::Base64((value.len() as u64 * 4).div_ceil(3));
        if std::str::from_utf8(value).is_err() {
            return base64;
        }
        let escapes = value.iter().map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
            0..0x20 => 5,
            _ => 0_usize,
        });
        let escapes = escapes.sum::<usize>();
        match escapes <= value.len() / 3 + SHORT_BYTES {
            true => Form::TextOrBase64((value.len() + escapes) as u64),
            false => base64,
        }
    }

    /// How long it is, in bytes.
    pub(crate) fn length(self) -> u64 {
        match self {
            Form::TextOrBase64(bytes) | Form::Base64(bytes) => bytes,
        }
    }
}

/// The common prefix of a group of keys: a text, or an object with the prefix in base64url.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Prefix<'a> {
    TextOrBase64(&'a str),
    Base64 { prefix64: String },
}

impl<'a> Prefix<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Prefix<'a> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Prefix::TextOrBase64(text),
            Err(_) => Prefix::Base64 {
                prefix64: URL_SAFE_NO_PAD.encode(bytes),
            },
        }
    }
}

/// A key with its metadata, and its value if it was requested.
#[derive(Serialize, ToSchema)]
pub(crate) struct Item<'a> {
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    key64: Option<String>,
    revision: u64,
    size: u64,
    content_type: &'a str,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<&'a str>,
    modified: String,
    #[schema(required)]
    expires: Option<String>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    value64: Option<String>,
}

impl<'a> Item<'a> {
    /// An entry whose value has so many bytes; with the value where it is wanted and there.
    pub(crate) fn new(key: &'a Key, entry: &'a Entry, size: u64, with_value: bool) -> Item<'a> {
        let TextOrBase64 { plain, base64 } = TextOrBase64::of(key.as_bytes());
        let value = match with_value && entry.value.len() as u64 == size {
            true => TextOrBase64::of_value(&entry.value),
            false => TextOrBase64::none(),
        };
        let representation = &entry.representation;
        let content_type = representation.content_type.as_ref();
        Item {
            key: plain,
            key64: base64,
            revision: entry.revision.get(),
            size,
            content_type: content_type.map_or(headers::DEFAULT_TYPE, |text| text.as_str()),
            content_encoding: representation
                .content_encoding
                .as_ref()
                .map(|text| text.as_str()),
            modified: headers::date_time(entry.modified),
            expires: entry.deadline.map(headers::date_time),
            value: value.plain,
            value64: value.base64,
        }
    }
}

/// A key that is gone.
#[derive(Serialize)]
pub(crate) struct DeletedItem<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key64: Option<String>,
    revision: u64,
}

impl<'a> DeletedItem<'a> {
    pub(crate) fn new(key: &'a Key, revision: Revision) -> DeletedItem<'a> {
        let TextOrBase64 { plain, base64 } = TextOrBase64::of(key.as_bytes());
        DeletedItem {
            key: plain,
            key64: base64,
            revision: revision.get(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use akvs_core::{FieldValue, Representation, Timestamp};
    use serde_json::json;

    fn entry(value: &'static [u8]) -> Entry {
        Entry {
            value: value.into(),
            representation: Representation::default(),
            revision: Revision::new(7),
            created: Timestamp::from_millis(0),
            modified: Timestamp::from_millis(1_000_000_000_123),
            deadline: None,
        }
    }

    #[test]
    fn text_is_told_as_it_is() {
        let (key, mut entry) = (Key::new("a\"b").unwrap(), entry(b"h\ni"));
        entry.deadline = Some(Timestamp::from_millis(1_000_000_000_124));
        entry.representation.content_type = Some(FieldValue::new("text/plain").unwrap());
        entry.representation.content_encoding = Some(FieldValue::new("gzip").unwrap());
        let item = serde_json::to_value(Item::new(&key, &entry, 3, true)).unwrap();
        let expected = json!({"key": "a\"b", "revision": 7, "size": 3, "content_type": "text/plain",
            "content_encoding": "gzip", "modified": "2001-09-09T01:46:40.123Z",
            "expires": "2001-09-09T01:46:40.124Z", "value": "h\ni"});
        assert_eq!(item, expected);
    }

    #[test]
    fn other_bytes_are_told_in_base64() {
        let (key, entry) = (Key::new(&b"\xff"[..]).unwrap(), entry(b"\xfe\xff"));
        let item = serde_json::to_value(Item::new(&key, &entry, 2, true)).unwrap();
        let expected = json!({"key64": "_w", "revision": 7, "size": 2, "content_type": "application/octet-stream",
            "modified": "2001-09-09T01:46:40.123Z", "expires": null, "value64": "_v8"});
        assert_eq!(item, expected);
        let gone = serde_json::to_value(DeletedItem::new(&key, Revision::new(8))).unwrap();
        assert_eq!(gone, json!({"key64": "_w", "revision": 8}));
    }

    #[test]
    fn a_text_whose_escapes_are_longer_than_base64_is_told_in_base64() {
        let text = |value: &[u8]| matches!(Form::of(value), Form::TextOrBase64(_));
        assert!(text(&[1; 10]) && text(b"\n\n\n\"\"") && text(&[b'"'; 90]));
        assert!(!text(&[1; 1_000]) && !text(&[b'"'; 1_000]) && !text(b"\xff"));
        let lines = "a line with \"quotes\"\n".repeat(1_000);
        assert!(text(lines.as_bytes()));
        for value in [&b""[..], b"a", b"ab", b"abc", &[0xff; 7]] {
            let encoded = URL_SAFE_NO_PAD.encode(value);
            let form = Form::of(value);
            assert!(form == Form::Base64(encoded.len() as u64) || text(value));
        }
    }

    #[test]
    fn a_value_that_is_not_there_is_not_told_as_an_empty_one() {
        let (key, entry) = (Key::new("k").unwrap(), entry(b""));
        for (size, wanted, told) in [(0, true, true), (0, false, false), (5_000, true, false)] {
            let item = serde_json::to_value(Item::new(&key, &entry, size, wanted)).unwrap();
            assert_eq!(item.get("value").is_some(), told, "{size} {wanted}");
        }
    }
}

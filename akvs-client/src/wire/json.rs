//! How the server tells bytes, times and items in JSON, and how it is told keys and values.
//!
//! It owns the twins `…` and `…64`, and what an item may hold. It does not own requests. Invariant: bytes that are no
//! UTF-8 are never bent, and no error that is made here shows a value.

use std::time::SystemTime;

use akvs_core::{Key, Revision};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Item;
pub(crate) use crate::error::protocol_error as broken;
use crate::error::{Result, protocol_error};

/// What is taken for said where the server says nothing.
const DEFAULT_TYPE: &str = "application/octet-stream";
/// Escapes of this length are taken for the sake of a text that can be read.
const SHORT_BYTES: usize = 64;

/// An item as JSON. None of its members is in each of them.
#[derive(Deserialize)]
pub(crate) struct WireEntry {
    pub(crate) key: Option<String>,
    pub(crate) key64: Option<String>,
    pub(crate) revision: u64,
    pub(crate) value: Option<String>,
    pub(crate) value64: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) modified: Option<String>,
    pub(crate) expires: Option<String>,
}

impl WireEntry {
    /// The key, if it can be read.
    pub(crate) fn key(&self) -> Option<Bytes> {
        let key = one_of(self.key.as_deref(), self.key64.as_deref())?;
        key.filter(|key| Key::check(key).is_ok())
    }

    /// All of it, if it can be read.
    pub(crate) fn item(self) -> Option<Item> {
        let value = one_of(self.value.as_deref(), self.value64.as_deref())?;
        let length = value.as_ref().map(|value| value.len() as u64);
        Some(Item {
            key: self.key()?,
            revision: Revision::new(self.revision),
            size: self.size.or(length)?,
            value,
            content_type: self.content_type.unwrap_or_else(|| DEFAULT_TYPE.into()),
            content_encoding: self.content_encoding,
            modified: time(self.modified.as_deref()),
            expires: time(self.expires.as_deref()),
        })
    }
}

/// The bytes of a text or of its twin in base64url, if there is one; none at all where that cannot be read.
pub(crate) fn one_of(text: Option<&str>, base64: Option<&str>) -> Option<Option<Bytes>> {
    match (text, base64) {
        (Some(text), None) => Some(Some(Bytes::copy_from_slice(text.as_bytes()))),
        (None, Some(text)) => decoded(text).map(Some),
        (None, None) => Some(None),
        (Some(_), Some(_)) => None,
    }
}

pub(crate) fn decoded(base64: &str) -> Option<Bytes> {
    BASE64_URL_SAFE_NO_PAD.decode(base64).ok().map(Bytes::from)
}

pub(crate) fn encoded(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A time that is not readable is not known, as in an answer's head.
pub(crate) fn time(text: Option<&str>) -> Option<SystemTime> {
    // The library slices bytes of what it takes to be text of one byte a character.
    let text = text.filter(|text| text.is_ascii())?;
    humantime::parse_rfc3339(text).ok()
}

/// A key as a member of an object.
#[derive(Debug, Serialize)]
pub(crate) struct KeyMember {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key64: Option<String>,
}

impl KeyMember {
    pub(crate) fn new(key: &[u8]) -> KeyMember {
        let (key, key64) = twins(key);
        KeyMember { key, key64 }
    }
}

/// A value as a member of an object.
#[derive(Debug, Serialize)]
pub(crate) struct ValueMember {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value64: Option<String>,
}

impl ValueMember {
    pub(crate) fn new(value: &[u8]) -> ValueMember {
        let (value, value64) = match is_shorter_as_text(value) {
            true => twins(value),
            false => (None, Some(encoded(value))),
        };
        ValueMember { value, value64 }
    }
}

/// Whether a value's text with JSON's escapes is at most about as long as it is in base64: servers bound lines by that.
fn is_shorter_as_text(value: &[u8]) -> bool {
    let escapes = value.iter().map(|byte| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0..0x20 => 5,
        _ => 0,
    });
    escapes.sum::<usize>() <= value.len() / 3 + SHORT_BYTES
}

fn twins(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(encoded(bytes))),
    }
}

/// Reads an answer's JSON.
pub(crate) fn parse<T: DeserializeOwned, R>(
    body: &[u8],
    what: &str,
    read: impl FnOnce(T) -> Option<R>,
) -> Result<R> {
    let document = serde_json::from_slice(body).ok();
    document
        .and_then(read)
        .ok_or_else(|| protocol_error(format!("{what} cannot be read")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_as_text_or_in_base64() {
        let json = |value: &[u8]| serde_json::to_string(&ValueMember::new(value)).unwrap();
        assert_eq!(
            json("grün\n, and some more text".as_bytes()),
            r#"{"value":"grün\n, and some more text"}"#
        );
        assert_eq!(json(b"\xff"), r#"{"value64":"_w"}"#);
        assert!(json(&[0; 100]).starts_with(r#"{"value64":"AAA"#));
        assert!(json(&[b'"'; 300]).len() < 450);
        assert_eq!(json(b""), r#"{"value":""}"#);
        let key = serde_json::to_string(&KeyMember::new(b"\xfe")).unwrap();
        assert_eq!(key, r#"{"key64":"_g"}"#);
    }

    #[test]
    fn one_twin_at_the_most_may_stand_there() {
        assert_eq!(one_of(None, None), Some(None));
        assert_eq!(one_of(Some("a"), None), Some(Some("a".into())));
        assert_eq!(one_of(None, Some("YQ")), Some(Some("a".into())));
        assert_eq!(one_of(None, Some("YQ==")), None);
        assert_eq!(one_of(Some("a"), Some("YQ")), None);
    }

    #[test]
    fn a_time_that_cannot_be_read_is_not_known() {
        assert!(time(Some("2001-09-09T01:46:40.123Z")).is_some());
        for text in ["", "soon", "2001-09-09T01:46:4ü.123Z"] {
            assert_eq!(time(Some(text)), None, "{text}");
        }
    }
}

//! Parsing of the documents of akvs-api into the client's types: pairs of text and base64url, times and items.
//!
//! It does not own requests. Invariant: bytes that are not UTF-8 stay unchanged, and no error from here shows a value.

use std::borrow::Cow;
use std::time::SystemTime;

use akvs_api::media_type::OCTET_STREAM as DEFAULT_TYPE;
use akvs_api::text::{self, TextOrBase64};
use akvs_core::{Key, Revision};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::Item;
use crate::error::{Result, protocol_error};

/// Returns the key of a pair, if it is valid.
pub(crate) fn read_key(key: Option<Cow<'_, str>>, key64: Option<Cow<'_, str>>) -> Option<Bytes> {
    let key = read_pair(key, key64)?;
    key.filter(|key| Key::check(key).is_ok())
}

/// Returns an item, if all of it is valid.
pub(crate) fn item(item: akvs_api::Item<'_>) -> Option<Item> {
    let value = read_pair(item.value, item.value64)?;
    let length = value.as_ref().map(|value| value.len() as u64);
    Some(Item {
        key: read_key(item.key, item.key64)?,
        revision: Revision::new(item.revision),
        size: item.size.or(length)?,
        value,
        content_type: item
            .content_type
            .map_or_else(|| DEFAULT_TYPE.into(), Cow::into_owned),
        content_encoding: item.content_encoding.map(Cow::into_owned),
        modified: time(item.modified.as_deref()),
        expires: time(item.expires.as_deref()),
    })
}

/// Returns the bytes of a pair of text and base64url, `Some(None)` if both are missing; `None` if the pair is invalid.
pub(crate) fn read_pair<'a>(
    text: Option<impl Into<Cow<'a, str>>>,
    base64: Option<impl AsRef<str>>,
) -> Option<Option<Bytes>> {
    let bytes = text::read_pair(text, base64).ok()?;
    Some(bytes.map(Bytes::from))
}

/// Returns a time; `None` if it is missing or invalid.
pub(crate) fn time(text: Option<&str>) -> Option<SystemTime> {
    // The library slices text at byte positions, and panics within a character.
    let text = text.filter(|text| text.is_ascii())?;
    humantime::parse_rfc3339(text).ok()
}

/// Returns the members of a pair, owned.
pub(crate) fn into_owned_pair(bytes: TextOrBase64<'_>) -> (Option<String>, Option<String>) {
    let (text, base64) = bytes.into_pair();
    (text.map(Cow::into_owned), base64.map(Cow::into_owned))
}

/// Parses an answer's JSON; `what` names the document in the error.
pub(crate) fn parse<T: DeserializeOwned, R>(
    body: &[u8],
    what: &str,
    read: impl FnOnce(T) -> Option<R>,
) -> Result<R> {
    let document = serde_json::from_slice(body).ok();
    document
        .and_then(read)
        .ok_or_else(|| protocol_error(format!("invalid answer: cannot read {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_at_most_one_member() {
        let none: Option<&str> = None;
        assert_eq!(read_pair(none, none), Some(None));
        assert_eq!(read_pair(Some("a"), none), Some(Some("a".into())));
        assert_eq!(read_pair(none, Some("YQ")), Some(Some("a".into())));
        assert_eq!(read_pair(none, Some("YQ==")), None);
        assert_eq!(read_pair(Some("a"), Some("YQ")), None);
    }

    #[test]
    fn an_invalid_time_is_none() {
        assert!(time(Some("2001-09-09T01:46:40.123Z")).is_some());
        for text in ["", "soon", "2001-09-09T01:46:4ü.123Z"] {
            assert_eq!(time(Some(text)), None, "{text}");
        }
    }
}

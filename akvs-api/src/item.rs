//! Entries in lists, in reads of many keys and in watches.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::base64url;

/// An entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Item<'a> {
    /// The key, if it is UTF-8.
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    /// The key as base64url otherwise.
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key64: Option<Cow<'a, str>>,
    /// The revision that wrote it.
    pub revision: u64,
    /// The length of the value in bytes.
    #[cfg_attr(feature = "openapi", schema(required, nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The media type of the value.
    #[cfg_attr(feature = "openapi", schema(required, nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Cow<'a, str>>,
    /// The content coding of the value, if it was stored with one.
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<Cow<'a, str>>,
    /// When the value was written, as RFC 3339.
    #[cfg_attr(feature = "openapi", schema(required, nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
    /// When the key expires, as RFC 3339; null if it does not.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires: Option<String>,
    /// The value as text, if it was asked for and is small.
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Cow<'a, str>>,
    /// The value as base64url, if that is shorter or the value is not UTF-8.
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value64: Option<Cow<'a, str>>,
}

/// A key that was deleted or has expired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedItem<'a> {
    /// The key, if it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    /// The key as base64url otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key64: Option<Cow<'a, str>>,
    /// The revision that deleted it.
    pub revision: u64,
}

/// The beginning of keys: a text, or an object with it as base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Prefix<'a> {
    /// UTF-8.
    Text(Cow<'a, str>),
    /// Other bytes.
    Base64 {
        /// The bytes as base64url.
        prefix64: String,
    },
}

impl<'a> Prefix<'a> {
    /// Returns bytes as text if they are UTF-8.
    pub fn new(bytes: &'a [u8]) -> Prefix<'a> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Prefix::Text(text.into()),
            Err(_) => Prefix::Base64 {
                prefix64: base64url::encode(bytes),
            },
        }
    }

    /// Returns the bytes.
    pub fn into_bytes(self) -> Result<Vec<u8>, base64url::DecodeError> {
        match self {
            Prefix::Text(text) => Ok(text.into_owned().into_bytes()),
            Prefix::Base64 { prefix64 } => base64url::decode(prefix64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_has_the_members_that_are_set() {
        let item = Item {
            key: Some("a".into()),
            revision: 7,
            size: Some(5),
            content_type: Some("text/plain".into()),
            modified: Some("2026-11-30T15:00:00.000Z".into()),
            value: Some("hello".into()),
            ..Item::default()
        };
        let text = serde_json::to_string(&item).unwrap();
        let expected = r#"{"key":"a","revision":7,"size":5,"content_type":"text/plain","modified":"2026-11-30T15:00:00.000Z","expires":null,"value":"hello"}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Item<'_>>(&text).unwrap(), item);
    }

    #[test]
    fn an_item_is_read_leniently() {
        let item: Item<'_> =
            serde_json::from_str(r#"{"key64":"_w","revision":8,"later":1}"#).unwrap();
        assert_eq!(
            (item.key, item.key64, item.revision),
            (None, Some("_w".into()), 8)
        );
        assert!(serde_json::from_str::<Item<'_>>("{}").is_err());
    }

    #[test]
    fn a_deleted_item_has_a_key_and_a_revision() {
        let item = DeletedItem {
            key64: Some("_w".into()),
            revision: 8,
            ..DeletedItem::default()
        };
        let text = serde_json::to_string(&item).unwrap();
        assert_eq!(text, r#"{"key64":"_w","revision":8}"#);
        assert_eq!(
            serde_json::from_str::<DeletedItem<'_>>(&text).unwrap(),
            item
        );
    }

    #[test]
    fn a_prefix_round_trips() {
        for (bytes, text) in [
            (&b"dir/"[..], r#""dir/""#),
            (b"\xff", r#"{"prefix64":"_w"}"#),
        ] {
            assert_eq!(serde_json::to_string(&Prefix::new(bytes)).unwrap(), text);
            let read: Prefix<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(read.into_bytes().unwrap(), bytes);
        }
    }
}

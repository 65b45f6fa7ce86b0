//! The lines of exports and imports, version 1: each is a JSON object that ends with a newline.
//!
//! - The first line of the export of a namespace has `akvs`, `namespace`, `revision`, `created` and `settings`.
//! - The first line of the export of all namespaces has `akvs`, `namespaces` and `revision`. A line with `namespace`,
//!   `revision`, `created` and `settings` precedes the records of each namespace.
//! - A record has `key` or `key64`, `value` or `value64`, and `content_type`, `content_encoding`, `revision`, `created`,
//!   `modified` and `expires`; the two types and `expires` only if the key has them.
//! - The last line has `end`, `count` and `sha256`, see [`Checksum`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Settings;
use crate::strict::present;

/// The version of the format: the only version that is written and read.
pub const VERSION: u64 = 1;

/// A line, with the members of all kinds of lines.
///
/// A client reads it as it is. A server reads it strictly, with the settings as an [`Object`](crate::strict::Object).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, bound(deserialize = "S: Deserialize<'de>"))]
pub struct Line<'a, S = Settings> {
    /// The version, in the first line.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub akvs: Option<u64>,
    /// The name of the namespace whose records follow.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Cow<'a, str>>,
    /// The number of namespaces.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<u64>,
    /// The key as text.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key: Option<Cow<'a, str>>,
    /// The key as base64url.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key64: Option<Cow<'a, str>>,
    /// The value as text.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<Cow<'a, str>>,
    /// The value as base64url.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value64: Option<Cow<'a, str>>,
    /// The media type of the value.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub content_type: Option<Cow<'a, str>>,
    /// The content coding of the value.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<Cow<'a, str>>,
    /// The revision of the namespace or of the record.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// When the namespace or the key was created, as RFC 3339.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub created: Option<Cow<'a, str>>,
    /// When the value was written, as RFC 3339.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub modified: Option<Cow<'a, str>>,
    /// When the key expires, as RFC 3339.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Cow<'a, str>>,
    /// The settings of the namespace.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub settings: Option<S>,
    /// True in the last line.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub end: Option<bool>,
    /// The number of records.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The checksum of all lines before, in hexadecimal.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Cow<'a, str>>,
}

impl<S> Default for Line<'_, S> {
    fn default() -> Self {
        Line {
            akvs: None,
            namespace: None,
            namespaces: None,
            key: None,
            key64: None,
            value: None,
            value64: None,
            content_type: None,
            content_encoding: None,
            revision: None,
            created: None,
            modified: None,
            expires: None,
            settings: None,
            end: None,
            count: None,
            sha256: None,
        }
    }
}

impl<S> Line<'_, S> {
    /// Returns the name of each member, and whether it is present.
    pub fn members(&self) -> [(&'static str, bool); 17] {
        [
            ("akvs", self.akvs.is_some()),
            ("namespace", self.namespace.is_some()),
            ("namespaces", self.namespaces.is_some()),
            ("key", self.key.is_some()),
            ("key64", self.key64.is_some()),
            ("value", self.value.is_some()),
            ("value64", self.value64.is_some()),
            ("content_type", self.content_type.is_some()),
            ("content_encoding", self.content_encoding.is_some()),
            ("revision", self.revision.is_some()),
            ("created", self.created.is_some()),
            ("modified", self.modified.is_some()),
            ("expires", self.expires.is_some()),
            ("settings", self.settings.is_some()),
            ("end", self.end.is_some()),
            ("count", self.count.is_some()),
            ("sha256", self.sha256.is_some()),
        ]
    }
}

impl<S: Serialize> Line<'_, S> {
    /// Appends the line and its newline to a text.
    pub fn write(&self, text: &mut Vec<u8>) {
        // Neither a vector nor the writers of the members fail.
        let _ = serde_json::to_writer(&mut *text, self);
        text.push(b'\n');
    }
}

/// The SHA-256 (FIPS 180-4) of an export up to the last line, newlines included and any content coding undone.
#[derive(Clone, Debug, Default)]
pub struct Checksum(Sha256);

impl Checksum {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the sum in lower-case hexadecimal.
    pub fn hex(&self) -> String {
        hex::encode(self.0.clone().finalize())
    }

    /// Appends the last line of an export with this many records to a text.
    pub fn write_end(&self, count: u64, text: &mut Vec<u8>) {
        let line: Line<'_> = Line {
            end: Some(true),
            count: Some(count),
            sha256: Some(self.hex().into()),
            ..Line::default()
        };
        line.write(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strict::Object;

    /// The lines of an export of all namespaces, as a server writes them.
    const LINES: [&str; 4] = [
        r#"{"akvs":1,"namespaces":1,"revision":43}"#,
        r#"{"namespace":"shop","revision":43,"created":"2026-11-30T15:00:00.000Z","settings":{"ttl":"3600000ms","max_keys":10}}"#,
        r#"{"key":"stock/tea","value":"9","content_type":"text/plain","revision":43,"created":"2026-11-30T15:00:00.000Z","modified":"2026-11-30T15:00:00.001Z","expires":"2026-12-07T15:00:00.001Z"}"#,
        r#"{"key64":"_w","value64":"_v8","revision":42,"created":"2026-11-30T15:00:00.000Z","modified":"2026-11-30T15:00:00.000Z"}"#,
    ];

    #[test]
    fn every_kind_of_line_round_trips() {
        let mut sum = Checksum::default();
        for text in LINES {
            let line: Line<'_> = serde_json::from_str(text).unwrap();
            let strict: Object<Line<'_, Object<Settings>>> = serde_json::from_str(text).unwrap();
            assert_eq!(strict.0.members(), line.members());
            let mut written = Vec::new();
            line.write(&mut written);
            assert_eq!(written, [text, "\n"].concat().as_bytes());
            sum.update(&written);
        }
        let mut text = Vec::new();
        sum.write_end(2, &mut text);
        let end: Line<'_> = serde_json::from_slice(&text).unwrap();
        assert_eq!((end.end, end.count), (Some(true), Some(2)));
        assert_eq!(end.sha256.as_deref(), Some(&*sum.hex()));
    }

    #[test]
    fn members_have_their_names() {
        for (index, (name, _)) in Line::<'_, Settings>::default().members().iter().enumerate() {
            let value = match *name {
                "akvs" | "namespaces" | "revision" | "count" => "1",
                "end" => "true",
                "settings" => "{}",
                _ => r#""text""#,
            };
            let line: Line<'_> = serde_json::from_str(&format!("{{{name:?}:{value}}}")).unwrap();
            let present = line
                .members()
                .iter()
                .position(|(_, is_present)| *is_present);
            assert_eq!(present, Some(index));
        }
    }

    #[test]
    fn a_server_reads_strictly_and_a_client_leniently() {
        for text in [r#"{"later":1}"#, r#"{"settings":{"later":1}}"#] {
            assert!(serde_json::from_str::<Line<'_>>(text).is_ok(), "{text}");
            let strict: Result<Object<Line<'_, Object<Settings>>>, _> = serde_json::from_str(text);
            assert!(strict.is_err(), "{text}");
        }
        for text in [r#"{"key":"a","key":"a"}"#, r#"{"key":null}"#] {
            assert!(serde_json::from_str::<Line<'_>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_sum_is_in_hexadecimal() {
        let mut sum = Checksum::default();
        sum.update(b"abc");
        assert_eq!(
            sum.hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}

//! The parser and the writer of the lines of a file, version 1.
//!
//! It does not own the names of the members, which [`akvs_api::export`] has, nor the order of lines. Invariant: a line
//! that cannot be parsed completely is `None`.

use std::borrow::Cow;
use std::sync::Arc;

use akvs_api::TextOrBase64;
use akvs_api::export::{Line as Members, VERSION};
use akvs_core::{Key, Revision};

use super::record::{Record, Section};
use crate::namespace::settings;
use crate::wire::json;

/// A parsed line.
pub(super) enum Line {
    /// The first line of an export of all namespaces.
    All,
    Section {
        section: Section,
        /// Whether it begins the file.
        is_first: bool,
    },
    Record(Record),
    End {
        count: u64,
        sha256: String,
    },
}

/// Parses a line of the section of this namespace.
pub(super) fn read(text: &[u8], namespace: &Arc<str>) -> Option<Line> {
    let members: Members<'_> = serde_json::from_slice(text).ok()?;
    if members.akvs.is_some_and(|version| version != VERSION) {
        return None;
    }
    if members.end == Some(true) {
        return Some(Line::End {
            count: members.count?,
            sha256: members.sha256?.into_owned(),
        });
    }
    if members.akvs.is_some() && members.namespaces.is_some() {
        return Some(Line::All);
    }
    let key = json::read_pair(members.key, members.key64)?;
    let revision = members.revision.map(Revision::new);
    let created = json::time(members.created.as_deref());
    match (key, members.namespace) {
        (None, Some(name)) => Some(Line::Section {
            section: Section {
                namespace: (&*name).into(),
                revision,
                created,
                settings: settings::read(members.settings.unwrap_or_default())?,
            },
            is_first: members.akvs.is_some(),
        }),
        (Some(key), None) => Some(Line::Record(Record {
            namespace: namespace.clone(),
            key: Some(key).filter(|key| Key::check(key).is_ok())?,
            value: json::read_pair(members.value, members.value64)??,
            content_type: members.content_type.map(Cow::into_owned),
            content_encoding: members.content_encoding.map(Cow::into_owned),
            // An expiry time that is ignored would make the key permanent.
            expires: match members.expires {
                Some(text) => Some(json::time(Some(&text))?),
                None => None,
            },
            revision,
            created,
            modified: json::time(members.modified.as_deref()),
        })),
        (None, None) | (Some(_), Some(_)) => None,
    }
}

/// Writes the first line of a file of this namespace.
pub(super) fn write_first(namespace: &str, text: &mut Vec<u8>) {
    let line: Members<'_> = Members {
        akvs: Some(VERSION),
        namespace: Some(namespace.into()),
        ..Members::default()
    };
    line.write(text);
}

/// Writes a record, without the members that an import replaces.
pub(super) fn write_record(record: &Record, text: &mut Vec<u8>) {
    let expires = record.expires.map(humantime::format_rfc3339_millis);
    let (key, key64) = TextOrBase64::new(&record.key).into_pair();
    let (value, value64) = TextOrBase64::from_value(&record.value).into_pair();
    let line: Members<'_> = Members {
        key,
        key64,
        value,
        value64,
        content_type: record.content_type.as_deref().map(Cow::Borrowed),
        content_encoding: record.content_encoding.as_deref().map(Cow::Borrowed),
        expires: expires.map(|time| time.to_string().into()),
        ..Members::default()
    };
    line.write(text);
}

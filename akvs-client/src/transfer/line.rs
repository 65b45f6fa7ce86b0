//! The lines of a file, version 1: how they are read and written.
//!
//! It owns the names of the members. It does not know which line came before. Invariant: a line that is not understood
//! is none, and no part of it is taken.

use std::sync::Arc;

use akvs_core::{Key, Revision};
use serde::{Deserialize, Serialize};

use super::record::{Record, Section};
use crate::namespace::settings::SettingsDocument;
use crate::wire::json;
use crate::wire::json::{KeyMember, ValueMember};

const VERSION: u64 = 1;

/// A line that was read.
pub(super) enum Line {
    /// The first one of an export of all namespaces.
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

/// What can stand in any line.
#[derive(Deserialize)]
struct Members {
    akvs: Option<u64>,
    namespace: Option<String>,
    namespaces: Option<u64>,
    revision: Option<u64>,
    created: Option<String>,
    settings: Option<SettingsDocument>,
    key: Option<String>,
    key64: Option<String>,
    value: Option<String>,
    value64: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    modified: Option<String>,
    expires: Option<String>,
    end: Option<bool>,
    count: Option<u64>,
    sha256: Option<String>,
}

/// Reads a line of the section of this namespace.
pub(super) fn read(text: &[u8], namespace: &Arc<str>) -> Option<Line> {
    let members: Members = serde_json::from_slice(text).ok()?;
    if members.akvs.is_some_and(|version| version != VERSION) {
        return None;
    }
    if members.end == Some(true) {
        return Some(Line::End {
            count: members.count?,
            sha256: members.sha256?,
        });
    }
    if members.akvs.is_some() && members.namespaces.is_some() {
        return Some(Line::All);
    }
    let key = json::one_of(members.key.as_deref(), members.key64.as_deref())?;
    let revision = members.revision.map(Revision::new);
    let created = json::time(members.created.as_deref());
    match (key, members.namespace) {
        (None, Some(name)) => Some(Line::Section {
            section: Section {
                namespace: name.into(),
                revision,
                created,
                settings: members.settings.unwrap_or_default().settings()?,
            },
            is_first: members.akvs.is_some(),
        }),
        (Some(key), None) => Some(Line::Record(Record {
            namespace: namespace.clone(),
            key: Some(key).filter(|key| Key::check(key).is_ok())?,
            value: json::one_of(members.value.as_deref(), members.value64.as_deref())??,
            content_type: members.content_type,
            content_encoding: members.content_encoding,
            // Which one it is must be known: without it the key would stay for ever.
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

#[derive(Serialize)]
struct FirstLine<'a> {
    akvs: u64,
    namespace: &'a str,
}

#[derive(Serialize)]
struct RecordLine<'a> {
    #[serde(flatten)]
    key: KeyMember,
    #[serde(flatten)]
    value: ValueMember,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

#[derive(Serialize)]
struct EndLine<'a> {
    end: bool,
    count: u64,
    sha256: &'a str,
}

/// Writes the first line of a file of this namespace.
pub(super) fn write_first(namespace: &str, text: &mut Vec<u8>) {
    let akvs = VERSION;
    write(&FirstLine { akvs, namespace }, text);
}

/// Writes a record, without what an import makes anew.
pub(super) fn write_record(record: &Record, text: &mut Vec<u8>) {
    let expires = record.expires.map(humantime::format_rfc3339_millis);
    let line = RecordLine {
        key: KeyMember::new(&record.key),
        value: ValueMember::new(&record.value),
        content_type: record.content_type.as_deref(),
        content_encoding: record.content_encoding.as_deref(),
        expires: expires.map(|time| time.to_string()),
    };
    write(&line, text);
}

/// Writes the last line.
pub(super) fn write_end(count: u64, sha256: &str, text: &mut Vec<u8>) {
    let end = true;
    write(&EndLine { end, count, sha256 }, text);
}

fn write(line: &impl Serialize, text: &mut Vec<u8>) {
    // Neither can a vector refuse bytes, nor does any of these lines refuse to be told.
    let _ = serde_json::to_writer(&mut *text, line);
    text.push(b'\n');
}

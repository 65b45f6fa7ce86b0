//! The lines of an export as they are written. What they mean is told where they are read.

use akvs_core::{Entry, FieldValue, Key, NamespaceInfo, Revision};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::format::{First, Record, Section, VERSION};
use crate::response::headers;
use crate::response::item::Form;

#[derive(Serialize)]
struct SectionLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    akvs: Option<u64>,
    namespace: &'a str,
    revision: u64,
    created: String,
    settings: SettingsText,
}

#[derive(Serialize)]
struct AllLine {
    akvs: u64,
    namespaces: u64,
    revision: u64,
}

#[derive(Serialize)]
struct SettingsText {
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_value_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_keys: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
}

#[derive(Serialize)]
struct RecordLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<&'a str>,
    revision: u64,
    created: String,
    modified: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

/// Writes a line.
pub(super) fn write(line: &impl Serialize, text: &mut Vec<u8>) {
    // Neither can a vector refuse bytes, nor does any of these lines refuse to be told.
    let _ = serde_json::to_writer(&mut *text, line);
    text.push(b'\n');
}

impl First {
    /// Writes the first line of an export of so many namespaces.
    pub(crate) fn write_all(namespaces: u64, revision: Revision, text: &mut Vec<u8>) {
        let line = AllLine {
            akvs: VERSION,
            namespaces,
            revision: revision.get(),
        };
        write(&line, text);
    }
}

impl Section {
    /// Writes what is said of a namespace before its records, as the first line of a file or not.
    pub(crate) fn write(
        info: &NamespaceInfo,
        revision: Revision,
        is_first: bool,
        text: &mut Vec<u8>,
    ) {
        let settings = &info.settings;
        let line = SectionLine {
            akvs: is_first.then_some(VERSION),
            namespace: info.name.as_str(),
            revision: revision.get(),
            created: headers::date_time(info.created),
            settings: SettingsText {
                ttl: settings.ttl_ms.map(|millis| format!("{millis}ms")),
                max_value_bytes: settings.max_value_bytes,
                max_keys: settings.max_keys,
                max_bytes: settings.max_bytes,
            },
        };
        write(&line, text);
    }
}

impl Record {
    /// Writes a record.
    pub(crate) fn write(key: &Key, entry: &Entry, text: &mut Vec<u8>) {
        let (key, key64) = told(key.as_bytes(), true);
        let (value, value64) = told(
            &entry.value,
            matches!(Form::of(&entry.value), Form::TextOrBase64(_)),
        );
        let representation = &entry.representation;
        let line = RecordLine {
            key,
            key64,
            value,
            value64,
            content_type: representation.content_type.as_ref().map(FieldValue::as_str),
            content_encoding: representation
                .content_encoding
                .as_ref()
                .map(FieldValue::as_str),
            revision: entry.revision.get(),
            created: headers::date_time(entry.created),
            modified: headers::date_time(entry.modified),
            expires: entry.deadline.map(headers::date_time),
        };
        write(&line, text);
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.key.as_bytes().len() + self.value.len()
    }
}

/// Bytes as text, where they are UTF-8 and that is wanted, else as base64url.
fn told(bytes: &[u8], as_text: bool) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if as_text => (Some(text), None),
        Ok(_) | Err(_) => (None, Some(URL_SAFE_NO_PAD.encode(bytes))),
    }
}

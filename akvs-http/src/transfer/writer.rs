//! Writing of the lines of an export. [`akvs_api::export`] defines their members.

use std::borrow::Cow;

use akvs_api::TextOrBase64;
use akvs_api::export::{Line, VERSION};
use akvs_core::{Entry, FieldValue, Key, NamespaceInfo, Revision};

use super::format::{First, Record, Section};
use crate::response::headers;

impl First {
    /// Writes the first line of an export of this number of namespaces.
    pub(crate) fn write_all(namespaces: u64, revision: Revision, text: &mut Vec<u8>) {
        let line: Line<'_> = Line {
            akvs: Some(VERSION),
            namespaces: Some(namespaces),
            revision: Some(revision.get()),
            ..Line::default()
        };
        line.write(text);
    }
}

impl Section {
    /// Writes the line of a namespace before its records; in the export of one namespace it is the first line.
    pub(crate) fn write(
        info: &NamespaceInfo,
        revision: Revision,
        is_first: bool,
        text: &mut Vec<u8>,
    ) {
        let settings = &info.settings;
        let line = Line {
            akvs: is_first.then_some(VERSION),
            namespace: Some(info.name.as_str().into()),
            revision: Some(revision.get()),
            created: Some(headers::date_time(info.created).into()),
            settings: Some(akvs_api::Settings {
                ttl: settings.ttl_ms.map(|millis| format!("{millis}ms")),
                max_value_bytes: settings.max_value_bytes,
                max_keys: settings.max_keys,
                max_bytes: settings.max_bytes,
            }),
            ..Line::default()
        };
        line.write(text);
    }
}

impl Record {
    /// Writes a record.
    pub(crate) fn write(key: &Key, entry: &Entry, text: &mut Vec<u8>) {
        let (key, key64) = TextOrBase64::new(key.as_bytes()).into_pair();
        let (value, value64) = TextOrBase64::from_value(&entry.value).into_pair();
        let representation = &entry.representation;
        let line: Line<'_> = Line {
            key,
            key64,
            value,
            value64,
            content_type: representation.content_type.as_ref().map(field_text),
            content_encoding: representation.content_encoding.as_ref().map(field_text),
            revision: Some(entry.revision.get()),
            created: Some(headers::date_time(entry.created).into()),
            modified: Some(headers::date_time(entry.modified).into()),
            expires: entry.deadline.map(|time| headers::date_time(time).into()),
            ..Line::default()
        };
        line.write(text);
    }

    /// Returns the memory of the key and the value in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.key.as_bytes().len() + self.value.len()
    }
}

fn field_text(field: &FieldValue) -> Cow<'_, str> {
    field.as_str().into()
}

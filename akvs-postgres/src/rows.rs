//! Rows as values of AKVS, and the other way around.

use akvs_core::{
    Code, Counts, Entry, Error, Event, EventKind, FieldValue, Key, Representation, Result,
    Revision, SeparatedValue, Settings, StoredEntry, Timestamp,
};
use bytes::Bytes;
use tokio_postgres::Row;

/// Values up to this many bytes are kept in the history.
pub(crate) const MAX_HISTORY_VALUE_BYTES: usize = 1 << 10;

/// The kinds of changes.
const SET: i8 = b's' as i8;
const DELETED: i8 = b'd' as i8;
const EXPIRED: i8 = b'x' as i8;
const DROPPED: i8 = b'D' as i8;

pub(crate) fn corrupted(what: &str) -> Error {
    Error::new(Code::Corrupted, format!("a stored {what} is damaged"))
}

/// Decodes a column.
pub(crate) fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    index: usize,
) -> Result<T> {
    let value = row.try_get(index);
    value.map_err(|error| corrupted("row").because(error))
}

/// Decodes a number that is never negative.
pub(crate) fn number(row: &Row, index: usize) -> Result<u64> {
    u64::try_from(column::<i64>(row, index)?).map_err(|_| corrupted("number"))
}

/// Decodes a number that may be missing.
pub(crate) fn optional(row: &Row, index: usize) -> Result<Option<u64>> {
    let number: Option<i64> = column(row, index)?;
    let number = number.map(u64::try_from).transpose();
    number.map_err(|_| corrupted("number"))
}

/// Encodes a number. Those of AKVS have at most 63 bits.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn revision(row: &Row, index: usize) -> Result<Revision> {
    number(row, index).map(Revision::new)
}

pub(crate) fn key(row: &Row, index: usize) -> Result<Key> {
    Key::new(Bytes::copy_from_slice(column(row, index)?)).map_err(|_| corrupted("key"))
}

/// Decodes an entry from the columns revision, created, modified, deadline, content type, content encoding, length and
/// value, from `at` on.
pub(crate) fn stored_entry(row: &Row, at: usize) -> Result<StoredEntry> {
    let revision = revision(row, at)?;
    let bytes = column::<i32>(row, at + 6)?;
    let bytes = u64::try_from(bytes).map_err(|_| corrupted("length"))?;
    let value: Option<&[u8]> = column(row, at + 7)?;
    Ok(StoredEntry {
        separated: match value {
            Some(_) => None,
            None => Some(SeparatedValue { revision, bytes }),
        },
        entry: entry(row, at, revision, value)?,
    })
}

fn entry(row: &Row, at: usize, revision: Revision, value: Option<&[u8]>) -> Result<Entry> {
    let time = |index| number(row, index).map(Timestamp::from_millis);
    let field = |index| -> Result<Option<FieldValue>> {
        let text: Option<&str> = column(row, index)?;
        let field = text.map(|text| FieldValue::new(Bytes::copy_from_slice(text.as_bytes())));
        field.transpose().map_err(|_| corrupted("field value"))
    };
    Ok(Entry {
        value: value.map(Bytes::copy_from_slice).unwrap_or_default(),
        representation: Representation {
            content_type: field(at + 4)?,
            content_encoding: field(at + 5)?,
        },
        revision,
        created: time(at + 1)?,
        modified: time(at + 2)?,
        deadline: optional(row, at + 3)?.map(Timestamp::from_millis),
    })
}

/// Decodes a row of the history.
pub(crate) fn event(row: &Row) -> Result<Event> {
    let revision = revision(row, 0)?;
    let key = || key(row, 4);
    let kind = match column::<i8>(row, 2)? {
        SET => {
            // revision, index, kind, is_last, key, size, created, modified, deadline, type, encoding, value
            let field = |index| -> Result<Option<FieldValue>> {
                let text: Option<&str> = column(row, index)?;
                let field =
                    text.map(|text| FieldValue::new(Bytes::copy_from_slice(text.as_bytes())));
                field.transpose().map_err(|_| corrupted("field value"))
            };
            let value: Option<&[u8]> = column(row, 11)?;
            EventKind::Set {
                key: key()?,
                size: number(row, 5)?,
                entry: Entry {
                    value: value.map(Bytes::copy_from_slice).unwrap_or_default(),
                    representation: Representation {
                        content_type: field(9)?,
                        content_encoding: field(10)?,
                    },
                    revision,
                    created: Timestamp::from_millis(number(row, 6)?),
                    modified: Timestamp::from_millis(number(row, 7)?),
                    deadline: optional(row, 8)?.map(Timestamp::from_millis),
                },
            }
        }
        DELETED => EventKind::Delete { key: key()? },
        EXPIRED => EventKind::Expire { key: key()? },
        DROPPED => EventKind::Drop,
        _ => return Err(corrupted("change")),
    };
    Ok(Event {
        revision,
        is_last: column(row, 3)?,
        kind,
    })
}

/// Decodes settings from four columns, from `at` on.
pub(crate) fn settings(row: &Row, at: usize) -> Result<Settings> {
    Ok(Settings {
        ttl_ms: optional(row, at)?,
        max_value_bytes: optional(row, at + 1)?,
        max_keys: optional(row, at + 2)?,
        max_bytes: optional(row, at + 3)?,
    })
}

/// Returns the counts of a namespace, from those of its last change.
pub(crate) fn counts(
    keys: Option<u64>,
    bytes: Option<u64>,
    changes: Option<u64>,
    trimmed: u64,
) -> Counts {
    Counts {
        keys: keys.unwrap_or_default(),
        bytes: bytes.unwrap_or_default(),
        history: changes.unwrap_or_default().saturating_sub(trimmed),
    }
}

/// Entries as columns of an `insert`.
#[derive(Default)]
pub(crate) struct EntryColumns<'a> {
    pub(crate) keys: Vec<&'a [u8]>,
    pub(crate) revisions: Vec<i64>,
    pub(crate) created: Vec<i64>,
    pub(crate) modified: Vec<i64>,
    pub(crate) deadlines: Vec<Option<i64>>,
    pub(crate) types: Vec<Option<&'a str>>,
    pub(crate) encodings: Vec<Option<&'a str>>,
    pub(crate) values: Vec<&'a [u8]>,
}

impl<'a> EntryColumns<'a> {
    pub(crate) fn push(&mut self, key: &'a Key, entry: &'a Entry) {
        let field = |field: &'a Option<FieldValue>| field.as_ref().map(FieldValue::as_str);
        self.keys.push(key.as_bytes());
        self.revisions.push(int(entry.revision.get()));
        self.created.push(int(entry.created.as_millis()));
        self.modified.push(int(entry.modified.as_millis()));
        let deadline = entry.deadline.map(Timestamp::as_millis);
        self.deadlines.push(deadline.map(int));
        self.types.push(field(&entry.representation.content_type));
        self.encodings
            .push(field(&entry.representation.content_encoding));
        self.values.push(&entry.value);
    }
}

/// Changes as columns of an `insert`.
#[derive(Default)]
pub(crate) struct EventColumns<'a> {
    pub(crate) revisions: Vec<i64>,
    pub(crate) indexes: Vec<i16>,
    pub(crate) kinds: Vec<i8>,
    pub(crate) is_last: Vec<bool>,
    pub(crate) keys: Vec<Option<&'a [u8]>>,
    pub(crate) sizes: Vec<Option<i64>>,
    pub(crate) created: Vec<Option<i64>>,
    pub(crate) modified: Vec<i64>,
    pub(crate) deadlines: Vec<Option<i64>>,
    pub(crate) types: Vec<Option<&'a str>>,
    pub(crate) encodings: Vec<Option<&'a str>>,
    pub(crate) values: Vec<Option<&'a [u8]>>,
}

impl<'a> EventColumns<'a> {
    pub(crate) fn push(&mut self, event: &'a Event, now: Timestamp) {
        let previous = self.revisions.last().zip(self.indexes.last());
        let index = match previous {
            Some((revision, index)) if *revision == int(event.revision.get()) => index + 1,
            _ => 0,
        };
        self.revisions.push(int(event.revision.get()));
        self.indexes.push(index);
        self.is_last.push(event.is_last);
        self.keys.push(event.key().map(Key::as_bytes));
        let EventKind::Set { entry, size, .. } = &event.kind else {
            self.kinds.push(match event.kind {
                EventKind::Delete { .. } => DELETED,
                EventKind::Expire { .. } => EXPIRED,
                EventKind::Drop | EventKind::Set { .. } => DROPPED,
            });
            self.sizes.push(None);
            self.created.push(None);
            self.modified.push(int(now.as_millis()));
            self.deadlines.push(None);
            self.types.push(None);
            self.encodings.push(None);
            self.values.push(None);
            return;
        };
        let field = |field: &'a Option<FieldValue>| field.as_ref().map(FieldValue::as_str);
        self.kinds.push(SET);
        self.sizes.push(Some(int(*size)));
        self.created.push(Some(int(entry.created.as_millis())));
        self.modified.push(int(entry.modified.as_millis()));
        let deadline = entry.deadline.map(Timestamp::as_millis);
        self.deadlines.push(deadline.map(int));
        self.types.push(field(&entry.representation.content_type));
        self.encodings
            .push(field(&entry.representation.content_encoding));
        let is_kept = event.has_value() && entry.value.len() <= MAX_HISTORY_VALUE_BYTES;
        self.values.push(is_kept.then_some(&entry.value[..]));
    }
}

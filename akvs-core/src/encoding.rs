//! The encoding of namespaces, entries and changes as rows, on disk and in memory. It is the on-disk format, and
//! [`FORMAT`] is its version: a change here that an older release cannot read raises it.
//!
//! Numbers in keys are big-endian, so that they sort like the bytes; numbers in values are little-endian.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | catalogue | name | `1`, id u64, created u64 ms, settings (JSON, may be empty) |
//! | catalogue | name | `2`, history id u64, compacted revision u64, changes u64, revision u64: the namespace was dropped at this revision, and watchers may still read the changes before |
//! | catalogue | `0`, id u64 (no name begins with a zero byte) | history id u64, revision u64: the data of this id will be swept, and the changes of this history below the revision |
//! | data | id u64 + 2^63, key | revision u64, value: a separated value |
//! | data | id u64, key | flags u8, revision u64, created u64 ms, modified u64 ms, [deadline u64 ms], [length u8, content type], [length u8, content encoding], value; or instead of a value of 4 KiB and more: the revision u64 of its own row, its length u64 |
//! | history | history id u64, revision u64, u16 | one change or several, see `change` |
//! | deadlines | deadline u64 ms, id u64, key | revision u64 |
//! | meta | `format`, `revision`, `namespace` | u64 each: format version, highest revision, highest namespace id |
//! | meta | `gaps` | see `gaps` |
//! | meta | `forgotten` | u64: the highest revision of the drop of a purged namespace |
//! | meta | `counts`, id u64 | keys u64, bytes u64, history u64, history id u64, compacted revision u64, revision u64 |
//! | meta | `dropped`, revision u64 | changes of its history u64, name: the namespace that was dropped at this revision and was not created again |
//!
//! A history has an id of its own because it outlives its namespace: a namespace that is created again continues it. It
//! is complete after its compacted revision.

mod change;
mod gaps;
mod namespace;

use std::ops::Range;

use bytes::{Buf, BufMut, Bytes};

pub(crate) use self::change::{
    HistoryBlock, change_count, changes_row, first_revision, history_key, history_prefix,
    history_range, parse_changes, parse_history_key,
};
pub(crate) use self::gaps::{Gaps, META_GAPS};
pub(crate) use self::namespace::{
    CatalogueRow, Dropped, FIRST_NAME, Live, NamespaceMeta, Swept, catalogue_value, counts_key,
    counts_range, counts_value, dropped_key, dropped_range, dropped_value, parse_catalogue,
    parse_counts, parse_counts_key, parse_dropped, parse_dropped_key, parse_id, parse_name,
    parse_swept, swept_key, swept_value,
};
use super::engine::{Engine, KeyRange, PageLimit, Snapshot, Table};
pub(crate) use crate::types::data_format::{ROWS_FORMAT as FORMAT, other_rows_format};
pub(crate) use crate::types::identity::{HistoryId, NamespaceId};
use crate::{
    Code, Entry, Error, FieldValue, Key, Representation, Result, Revision, SeparatedValue,
    StoredEntry, Timestamp,
};

pub(crate) const META_FORMAT: &[u8] = b"format";
pub(crate) const META_REVISION: &[u8] = b"revision";
pub(crate) const META_NAMESPACE: &[u8] = b"namespace";
pub(crate) const META_PURGED: &[u8] = b"forgotten";

const HAS_DEADLINE: u8 = 1;
const HAS_CONTENT_TYPE: u8 = 2;
const HAS_CONTENT_ENCODING: u8 = 4;
const VALUE_SEPARATED: u8 = 8;
const KNOWN_FLAGS: u8 = HAS_DEADLINE | HAS_CONTENT_TYPE | HAS_CONTENT_ENCODING;

/// Values of at least this many bytes have a row of their own, so that the other fields of an entry can be read and
/// written without them.
pub(crate) const MIN_SEPARATED_BYTES: usize = 4 << 10;
/// Added to the id in the rows of separated values.
const VALUES: NamespaceId = 1 << 63;

fn corrupted(what: &str) -> Error {
    Error::new(Code::Corrupted, format!("a stored {what} is damaged"))
}

/// Encodes the key of a data row; with an empty key, the prefix of a namespace's data rows.
pub(crate) fn data_key(id: NamespaceId, key: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(8 + key.len());
    bytes.put_u64(id);
    bytes.put_slice(key);
    bytes.into()
}

impl StoredEntry {
    /// Returns the length of the value if it is separated and has more than `max_bytes` bytes.
    pub(crate) fn left_bytes(&self, max_bytes: usize) -> Option<usize> {
        self.separated?;
        Some(self.value_bytes()).filter(|bytes| *bytes > max_bytes)
    }

    /// Returns the entry with its value, whose row is read if it is separated; none where that row is of another
    /// revision.
    pub(crate) fn with_value(
        self,
        id: NamespaceId,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> Result<Option<Bytes>>,
    ) -> Result<Option<Entry>> {
        let mut entry = self.entry;
        if let Some(separated) = self.separated {
            let row = read(&value_key(id, key))?;
            match row.and_then(|row| separated.value(row)) {
                Some(value) => entry.value = value,
                None => return Ok(None),
            }
        }
        Ok(Some(entry))
    }
}

/// Returns the entry with its value, both of one snapshot.
pub(crate) fn read_entry(
    snapshot: &dyn Snapshot,
    id: NamespaceId,
    key: &[u8],
    stored: StoredEntry,
) -> Result<Entry> {
    let entry = stored.with_value(id, key, |row| snapshot.get(Table::Data, row))?;
    entry.ok_or_else(|| corrupted("value"))
}

impl SeparatedValue {
    /// Returns the value in its row.
    fn value(self, mut row: Bytes) -> Option<Bytes> {
        let revision = row.try_get_u64_le().ok()?;
        ((revision, row.len() as u64) == (self.revision.get(), self.bytes)).then_some(row)
    }
}

/// Encodes the key of the row of a separated value.
pub(crate) fn value_key(id: NamespaceId, key: &[u8]) -> Bytes {
    data_key(id | VALUES, key)
}

/// Returns the namespace of a row of a separated value; none for other data rows.
pub(crate) fn value_owner(id: NamespaceId) -> Option<NamespaceId> {
    (id & VALUES != 0).then_some(id & !VALUES)
}

/// Encodes a separated value.
pub(crate) fn value_row(revision: Revision, value: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(8 + value.len());
    bytes.put_u64_le(revision.get());
    bytes.put_slice(value);
    bytes.into()
}

/// Decodes the revision and the length of a separated value.
pub(crate) fn parse_value_row(mut row: &[u8]) -> Result<SeparatedValue> {
    let revision = row.try_get_u64_le().map_err(|_| corrupted("value"))?;
    Ok(SeparatedValue {
        revision: Revision::new(revision),
        bytes: row.len() as u64,
    })
}

/// Encodes an entry whose value is separated.
pub(crate) fn separated_data_value(entry: &Entry, separated: SeparatedValue) -> Bytes {
    let mut bytes = Vec::with_capacity(head_bytes(entry) + 16);
    put_head(&mut bytes, entry);
    bytes[0] |= VALUE_SEPARATED;
    bytes.put_u64_le(separated.revision.get());
    bytes.put_u64_le(separated.bytes);
    bytes.into()
}

/// Decodes the row of an entry.
pub(crate) fn parse_stored(row: Bytes) -> Result<StoredEntry> {
    let is_separated = row
        .first()
        .is_some_and(|flags| flags & VALUE_SEPARATED != 0);
    let mut entry = parse_row(row, KNOWN_FLAGS | VALUE_SEPARATED)?;
    let mut separated = None;
    if is_separated {
        let damaged = |_| corrupted("value");
        let mut place = std::mem::take(&mut entry.value);
        separated = Some(SeparatedValue {
            revision: Revision::new(place.try_get_u64_le().map_err(damaged)?),
            bytes: place.try_get_u64_le().map_err(damaged)?,
        });
        if !place.is_empty() {
            return Err(corrupted("value"));
        }
    }
    Ok(StoredEntry { entry, separated })
}

/// Encodes an entry, and returns it as a reader will have it: its parts share the row's memory, so that a cached entry
/// is one allocation of minimal size.
pub(crate) fn data_value(entry: &Entry) -> (Bytes, Entry) {
    let mut bytes = Vec::with_capacity(head_bytes(entry) + entry.value.len());
    let [content_type, content_encoding] = put_head(&mut bytes, entry);
    let start = bytes.len();
    bytes.put_slice(&entry.value);
    let row = Bytes::from(bytes);
    let stored = Entry {
        value: row.slice(start..),
        representation: Representation {
            content_type: content_type.map(|place| FieldValue::from_stored(row.slice(place))),
            content_encoding: content_encoding
                .map(|place| FieldValue::from_stored(row.slice(place))),
        },
        ..*entry
    };
    (row, stored)
}

/// Returns at least the number of bytes that [`put_head`] writes.
fn head_bytes(entry: &Entry) -> usize {
    let Representation {
        content_type,
        content_encoding,
    } = &entry.representation;
    let fields = [content_type, content_encoding].into_iter().flatten();
    33 + fields
        .map(|field| 1 + field.as_bytes().len())
        .sum::<usize>()
}

/// Writes an entry without its value, and returns the ranges of its content type and encoding.
fn put_head(bytes: &mut Vec<u8>, entry: &Entry) -> [Option<Range<usize>>; 2] {
    let Representation {
        content_type,
        content_encoding,
    } = &entry.representation;
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    bytes.put_u8(
        flag(entry.deadline.is_some(), HAS_DEADLINE)
            | flag(content_type.is_some(), HAS_CONTENT_TYPE)
            | flag(content_encoding.is_some(), HAS_CONTENT_ENCODING),
    );
    bytes.put_u64_le(entry.revision.get());
    bytes.put_u64_le(entry.created.as_millis());
    bytes.put_u64_le(entry.modified.as_millis());
    if let Some(deadline) = entry.deadline {
        bytes.put_u64_le(deadline.as_millis());
    }
    [content_type, content_encoding].map(|field| {
        let field = field.as_ref()?.as_bytes();
        // A field value has at most 255 bytes.
        bytes.put_u8(field.len() as u8);
        let place = bytes.len()..bytes.len() + field.len();
        bytes.put_slice(field);
        Some(place)
    })
}

/// Decodes an entry with its value, without copying it.
pub(crate) fn parse_data(row: Bytes) -> Result<Entry> {
    parse_row(row, KNOWN_FLAGS)
}

fn parse_row(mut row: Bytes, known_flags: u8) -> Result<Entry> {
    let damaged = |_| corrupted("value");
    let flags = row.try_get_u8().map_err(damaged)?;
    if flags & !known_flags != 0 {
        return Err(corrupted("value"));
    }
    let revision = Revision::new(row.try_get_u64_le().map_err(damaged)?);
    let created = Timestamp::from_millis(row.try_get_u64_le().map_err(damaged)?);
    let modified = Timestamp::from_millis(row.try_get_u64_le().map_err(damaged)?);
    let deadline = match flags & HAS_DEADLINE {
        0 => None,
        _ => Some(Timestamp::from_millis(
            row.try_get_u64_le().map_err(damaged)?,
        )),
    };
    let mut field = |flag: u8| -> Result<Option<FieldValue>> {
        if flags & flag == 0 {
            return Ok(None);
        }
        let length = usize::from(row.try_get_u8().map_err(damaged)?);
        if length > row.len() {
            return Err(corrupted("value"));
        }
        FieldValue::new(row.split_to(length))
            .map(Some)
            .map_err(|_| corrupted("value"))
    };
    let content_type = field(HAS_CONTENT_TYPE)?;
    let content_encoding = field(HAS_CONTENT_ENCODING)?;
    let representation = Representation {
        content_type,
        content_encoding,
    };
    Ok(Entry {
        value: row,
        representation,
        revision,
        created,
        modified,
        deadline,
    })
}

pub(crate) fn deadline_key(deadline: Timestamp, id: NamespaceId, key: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(16 + key.len());
    bytes.put_u64(deadline.as_millis());
    bytes.put_u64(id);
    bytes.put_slice(key);
    bytes.into()
}

/// Decodes the deadline, the namespace and the key of a row.
pub(crate) fn parse_deadline_key(mut row: Bytes) -> Result<(Timestamp, NamespaceId, Key)> {
    let damaged = |_| corrupted("deadline");
    let deadline = Timestamp::from_millis(row.try_get_u64().map_err(damaged)?);
    let id = row.try_get_u64().map_err(damaged)?;
    // A copy, because the row may be a slice of a whole block.
    let key = Key::new(Bytes::copy_from_slice(&row)).map_err(|_| corrupted("deadline"))?;
    Ok((deadline, id, key))
}

/// Returns the prefix of the rows of all keys with this deadline.
pub(crate) fn deadline_prefix(deadline: Timestamp) -> Bytes {
    Bytes::copy_from_slice(&deadline.as_millis().to_be_bytes())
}

/// Returns the range of all deadlines up to this time.
pub(crate) fn deadlines_until(now: Timestamp) -> KeyRange {
    let end = now.as_millis().saturating_add(1).to_be_bytes();
    KeyRange {
        start: Bytes::new(),
        end: Some(Bytes::copy_from_slice(&end)),
    }
}

/// Returns the earliest deadline in the rows from `start` on.
pub(crate) fn first_deadline(engine: &dyn Engine, start: Bytes) -> Result<Option<Timestamp>> {
    let page = engine.page(
        Table::Deadlines,
        &KeyRange { start, end: None },
        PageLimit::rows(1),
    )?;
    let first = page.into_iter().next();
    first
        .map(|(row, _)| Ok(parse_deadline_key(row)?.0))
        .transpose()
}

pub(crate) fn number_value(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_le_bytes())
}

pub(crate) fn parse_number(mut value: &[u8]) -> Result<u64> {
    value.try_get_u64_le().map_err(|_| corrupted("number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn field() -> impl Strategy<Value = Option<FieldValue>> {
        proptest::option::of("[ -~]{1,255}")
            .prop_map(|text| text.map(|text| FieldValue::new(text).unwrap()))
    }

    prop_compose! {
        fn entry()(
            value in proptest::collection::vec(any::<u8>(), 0..300),
            content_type in field(),
            content_encoding in field(),
            numbers in any::<(u64, u64, u64)>(),
            deadline in proptest::option::of(any::<u64>()),
        ) -> Entry {
            Entry {
                value: value.into(),
                representation: Representation { content_type, content_encoding },
                revision: Revision::new(numbers.0),
                created: Timestamp::from_millis(numbers.1),
                modified: Timestamp::from_millis(numbers.2),
                deadline: deadline.map(Timestamp::from_millis),
            }
        }
    }

    proptest! {
        #[test]
        fn an_entry_is_decoded_as_it_was_encoded(entry in entry()) {
            let (row, stored) = data_value(&entry);
            prop_assert_eq!(&stored, &entry);
            prop_assert_eq!(parse_data(row).unwrap(), entry);
        }

        #[test]
        fn an_entry_with_a_separated_value_is_decoded_as_it_was_encoded(entry in entry(), revision in any::<u64>()) {
            let separated = SeparatedValue { revision: Revision::new(revision), bytes: entry.value.len() as u64 };
            let stored = parse_stored(separated_data_value(&entry, separated)).unwrap();
            prop_assert_eq!(stored.separated, Some(separated));
            prop_assert_eq!(stored.value_bytes(), entry.value.len());
            let row = value_row(separated.revision, &entry.value);
            prop_assert_eq!(parse_value_row(&row).unwrap(), separated);
            let other = value_row(Revision::new(revision.wrapping_add(1)), &entry.value);
            let read = |row: &Bytes| stored.clone().with_value(1, b"k", |_| Ok(Some(row.clone()))).unwrap();
            prop_assert_eq!(read(&row), Some(entry.clone()));
            prop_assert_eq!(read(&other), None);
            prop_assert!(parse_data(separated_data_value(&entry, separated)).is_err());
        }

        #[test]
        fn a_truncated_or_unknown_row_is_an_error_and_never_a_panic(row in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(entry) = parse_data(row.clone().into()) {
                prop_assert_eq!(&data_value(&entry).0[..], &row[..]);
            }
            if let Ok(StoredEntry { entry, separated: Some(separated) }) = parse_stored(row.clone().into()) {
                prop_assert_eq!(&separated_data_value(&entry, separated)[..], &row[..]);
            }
        }
    }

    #[test]
    fn the_format_is_what_older_releases_wrote() {
        let (row, _) = data_value(&Entry {
            value: "hi".into(),
            representation: Representation {
                content_type: Some(FieldValue::new("text/plain").unwrap()),
                content_encoding: None,
            },
            revision: Revision::new(0x0102),
            created: Timestamp::from_millis(3),
            modified: Timestamp::from_millis(4),
            deadline: Some(Timestamp::from_millis(5)),
        });
        let expected = b"\x03\x02\x01\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x0atext/plainhi";
        assert_eq!(&row[..], expected);
        let separated = SeparatedValue {
            revision: Revision::new(6),
            bytes: 7,
        };
        let entry = parse_data(row).unwrap();
        let expected = b"\x0b\x02\x01\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x0atext/plain\x06\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0";
        assert_eq!(&separated_data_value(&entry, separated)[..], expected);
        assert_eq!(
            &value_row(Revision::new(6), b"v")[..],
            b"\x06\0\0\0\0\0\0\0v"
        );
        assert_eq!(&value_key(258, b"k")[..], b"\x80\0\0\0\0\0\x01\x02k");
        assert_eq!(value_owner(258 | 1 << 63), Some(258));
        assert_eq!(value_owner(258), None);
        assert_eq!(&data_key(258, b"k")[..], b"\0\0\0\0\0\0\x01\x02k");
        assert_eq!(
            &deadline_key(Timestamp::from_millis(1), 2, b"k")[..],
            b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02k"
        );
    }
}

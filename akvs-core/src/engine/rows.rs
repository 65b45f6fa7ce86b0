//! How namespaces, entries and changes become rows, on disk and in memory alike. This is the on-disk format, and
//! [`FORMAT`] is its version: a change here that an older release could not read raises it.
//!
//! Numbers in keys are big-endian, so that their order is that of the bytes; numbers in values are little-endian.
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | catalogue | name | `1`, id u64, created u64 ms, settings (JSON, may be empty) |
//! | catalogue | `0`, id u64 (no name begins with a zero byte) | nothing: this namespace is dropped, its rows are to be swept |
//! | data | id u64, key | flags u8, revision u64, created u64 ms, modified u64 ms, [deadline u64 ms], [length u8, content type], [length u8, content encoding], value |
//! | history | id u64, revision u64, index u16 | kind u8, key |
//! | deadlines | deadline u64 ms, id u64, key | revision u64 |
//! | meta | `format`, `revision`, `namespace` | u64 each: format version, highest revision, highest namespace id |
//! | meta | `counts`, id u64 | keys u64, bytes u64, history u64 |

use bytes::{Buf, BufMut, Bytes};

use super::{Engine, Limit, Span, Table};
use crate::{
    Code, Counts, Entry, Error, FieldValue, Key, Namespace, Representation, Result, Revision,
    Timestamp,
};

/// The version of the rows described here.
pub(crate) const FORMAT: u64 = 1;

/// Which namespace a row belongs to; never given twice, not even to a namespace of the same name.
pub(crate) type NamespaceId = u64;

pub(crate) const META_FORMAT: &[u8] = b"format";
pub(crate) const META_REVISION: &[u8] = b"revision";
pub(crate) const META_NAMESPACE: &[u8] = b"namespace";
const META_COUNTS: &[u8] = b"counts";

/// Before it stand the dropped namespaces, from it on the names.
pub(crate) const FIRST_NAME: &[u8] = &[1];
const DROPPED: u8 = 0;

const HAS_DEADLINE: u8 = 1;
const HAS_CONTENT_TYPE: u8 = 2;
const HAS_CONTENT_ENCODING: u8 = 4;
const KNOWN_FLAGS: u8 = HAS_DEADLINE | HAS_CONTENT_TYPE | HAS_CONTENT_ENCODING;

/// What the history says of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Set = 1,
    Delete = 2,
    Expire = 3,
}

/// A namespace's row of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CatalogueRow {
    pub(crate) id: NamespaceId,
    pub(crate) created: Timestamp,
}

fn corrupted(what: &str) -> Error {
    Error::new(Code::Corrupted, format!("a stored {what} is damaged"))
}

pub(crate) fn catalogue_value(row: &CatalogueRow) -> Bytes {
    let mut bytes = Vec::with_capacity(17);
    bytes.put_u8(1);
    bytes.put_u64_le(row.id);
    bytes.put_u64_le(row.created.as_millis());
    bytes.into()
}

pub(crate) fn parse_catalogue(mut value: &[u8]) -> Result<CatalogueRow> {
    let damaged = |_| corrupted("namespace");
    if value.try_get_u8().map_err(damaged)? != 1 {
        return Err(corrupted("namespace"));
    }
    let id = value.try_get_u64_le().map_err(damaged)?;
    let created = Timestamp::from_millis(value.try_get_u64_le().map_err(damaged)?);
    Ok(CatalogueRow { id, created })
}

/// The name in the key of a namespace's row of the catalogue.
pub(crate) fn parse_name(key: &[u8]) -> Result<Namespace> {
    let name = Namespace::check(key).and_then(Namespace::new);
    name.map_err(|_| corrupted("namespace"))
}

pub(crate) fn dropped_key(id: NamespaceId) -> Bytes {
    let mut bytes = Vec::with_capacity(9);
    bytes.put_u8(DROPPED);
    bytes.put_u64(id);
    bytes.into()
}

pub(crate) fn parse_dropped(key: &[u8]) -> Result<NamespaceId> {
    let mut id = key.get(1..).unwrap_or_default();
    id.try_get_u64().map_err(|_| corrupted("dropped namespace"))
}

/// Which namespace a row of data or history belongs to.
pub(crate) fn parse_id(mut key: &[u8]) -> Result<NamespaceId> {
    key.try_get_u64().map_err(|_| corrupted("key"))
}

/// The key of a data row; with no key, the prefix of a namespace's data rows.
pub(crate) fn data_key(id: NamespaceId, key: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(8 + key.len());
    bytes.put_u64(id);
    bytes.put_slice(key);
    bytes.into()
}

/// Encodes an entry, and gives it back as a reader will have it: its parts share the row's memory, so that what
/// is cached is one allocation, and no larger than it must be.
pub(crate) fn data_value(entry: &Entry) -> (Bytes, Entry) {
    let Representation {
        content_type,
        content_encoding,
    } = &entry.representation;
    let text =
        |field: &Option<FieldValue>| field.as_ref().map_or(0, |field| 1 + field.as_bytes().len());
    let mut bytes =
        Vec::with_capacity(33 + text(content_type) + text(content_encoding) + entry.value.len());
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
    let mut stored = entry.clone();
    let mut places = [None, None];
    for (field, place) in [content_type, content_encoding]
        .into_iter()
        .zip(&mut places)
    {
        if let Some(field) = field {
            // A field value has at most 255 bytes.
            bytes.put_u8(field.as_bytes().len() as u8);
            *place = Some(bytes.len()..bytes.len() + field.as_bytes().len());
            bytes.put_slice(field.as_bytes());
        }
    }
    let start = bytes.len();
    bytes.put_slice(&entry.value);
    let row = Bytes::from(bytes);
    let [content_type, content_encoding] = places;
    stored.value = row.slice(start..);
    stored.representation = Representation {
        content_type: content_type.map(|place| FieldValue::stored(row.slice(place))),
        content_encoding: content_encoding.map(|place| FieldValue::stored(row.slice(place))),
    };
    (row, stored)
}

/// Decodes an entry without copying its value.
pub(crate) fn parse_data(mut row: Bytes) -> Result<Entry> {
    let damaged = |_| corrupted("value");
    let flags = row.try_get_u8().map_err(damaged)?;
    if flags & !KNOWN_FLAGS != 0 {
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

pub(crate) fn history_key(id: NamespaceId, revision: Revision, index: u16) -> Bytes {
    let mut bytes = Vec::with_capacity(18);
    bytes.put_u64(id);
    bytes.put_u64(revision.get());
    bytes.put_u16(index);
    bytes.into()
}

pub(crate) fn parse_history_key(mut key: &[u8]) -> Result<(NamespaceId, Revision)> {
    let mut number = || key.try_get_u64().map_err(|_| corrupted("change"));
    Ok((number()?, Revision::new(number()?)))
}

pub(crate) fn history_value(kind: ChangeKind, key: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(1 + key.len());
    bytes.put_u8(kind as u8);
    bytes.put_slice(key);
    bytes.into()
}

pub(crate) fn deadline_key(deadline: Timestamp, id: NamespaceId, key: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(16 + key.len());
    bytes.put_u64(deadline.as_millis());
    bytes.put_u64(id);
    bytes.put_slice(key);
    bytes.into()
}

/// The deadline, the namespace and the key of a row.
pub(crate) fn parse_deadline_key(mut row: Bytes) -> Result<(Timestamp, NamespaceId, Key)> {
    let damaged = |_| corrupted("deadline");
    let deadline = Timestamp::from_millis(row.try_get_u64().map_err(damaged)?);
    let id = row.try_get_u64().map_err(damaged)?;
    // A copy, because the row may be a slice of a whole block.
    let key = Key::new(Bytes::copy_from_slice(&row)).map_err(|_| corrupted("deadline"))?;
    Ok((deadline, id, key))
}

/// All deadlines up to this moment.
pub(crate) fn deadlines_until(now: Timestamp) -> Span {
    let end = now.as_millis().saturating_add(1).to_be_bytes();
    Span {
        start: Bytes::new(),
        end: Some(Bytes::copy_from_slice(&end)),
    }
}

/// The earliest deadline whose row is not before this one.
pub(crate) fn first_deadline(engine: &dyn Engine, start: Bytes) -> Result<Option<Timestamp>> {
    let page = engine.page(Table::Deadlines, &Span { start, end: None }, Limit::rows(1))?;
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

pub(crate) fn counts_key(id: NamespaceId) -> Bytes {
    let mut bytes = Vec::with_capacity(META_COUNTS.len() + 8);
    bytes.put_slice(META_COUNTS);
    bytes.put_u64(id);
    bytes.into()
}

pub(crate) fn counts_value(counts: &Counts) -> Bytes {
    let mut bytes = Vec::with_capacity(24);
    bytes.put_u64_le(counts.keys);
    bytes.put_u64_le(counts.bytes);
    bytes.put_u64_le(counts.history);
    bytes.into()
}

pub(crate) fn parse_counts(mut value: &[u8]) -> Result<Counts> {
    let mut number = || value.try_get_u64_le().map_err(|_| corrupted("count"));
    Ok(Counts {
        keys: number()?,
        bytes: number()?,
        history: number()?,
    })
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
        fn an_entry_comes_back_as_it_went_in(entry in entry()) {
            let (row, stored) = data_value(&entry);
            prop_assert_eq!(&stored, &entry);
            prop_assert_eq!(parse_data(row).unwrap(), entry);
        }

        #[test]
        fn a_cut_or_foreign_row_is_an_error_and_never_a_panic(row in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = parse_catalogue(&row);
            let _ = parse_counts(&row);
            if let Ok(entry) = parse_data(row.clone().into()) {
                prop_assert_eq!(&data_value(&entry).0[..], &row[..]);
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
        assert_eq!(&data_key(258, b"k")[..], b"\0\0\0\0\0\0\x01\x02k");
        assert_eq!(
            &history_key(1, Revision::new(2), 3)[..],
            b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\x03"
        );
        assert_eq!(&history_value(ChangeKind::Delete, b"k")[..], b"\x02k");
        assert_eq!(
            &deadline_key(Timestamp::from_millis(1), 2, b"k")[..],
            b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02k"
        );
        assert_eq!(&dropped_key(1)[..], b"\0\0\0\0\0\0\0\0\x01");
        let row = CatalogueRow {
            id: 1,
            created: Timestamp::from_millis(2),
        };
        assert_eq!(
            &catalogue_value(&row)[..],
            b"\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"
        );
        assert_eq!(parse_catalogue(&catalogue_value(&row)).unwrap(), row);
    }
}

//! The rows of histories: the changes in the order of their revisions.
//!
//! | kind | followed by |
//! | --- | --- |
//! | `4` set | length u16 of the key, key, size u64 of the value, a data row, with or without the value |
//! | `5` delete, `6` expire | key |
//! | `7` drop | nothing |
//!
//! With 128 added to the kind, more rows of the same revision follow. The value is present up to [`MAX_HISTORY_VALUE_BYTES`],
//! so that the history stays small compared to the data.

use bytes::{Buf, BufMut, Bytes};

use super::{HistoryId, corrupted, head_bytes, parse_data, put_head};
use crate::engine::KeyRange;
use crate::{Event, EventKind, Key, Result, Revision};

/// The longest value that the history keeps.
const MAX_HISTORY_VALUE_BYTES: usize = 1 << 10;

const SET: u8 = 4;
const DELETE: u8 = 5;
const EXPIRE: u8 = 6;
const DROP: u8 = 7;
const MORE: u8 = 128;

pub(crate) fn history_key(history: HistoryId, revision: Revision, index: u16) -> Bytes {
    let mut bytes = Vec::with_capacity(18);
    bytes.put_u64(history);
    bytes.put_u64(revision.get());
    bytes.put_u16(index);
    bytes.into()
}

/// Returns the prefix of the rows of a history.
pub(crate) fn history_prefix(history: HistoryId) -> Bytes {
    Bytes::copy_from_slice(&history.to_be_bytes())
}

/// Returns the range of the rows of a history after one revision and before another.
pub(crate) fn history_range(history: HistoryId, after: Revision, before: Revision) -> KeyRange {
    KeyRange {
        start: history_key(history, after.next(), 0),
        end: Some(history_key(history, before, 0)),
    }
}

/// Decodes the history and the revision of a row.
pub(crate) fn parse_history_key(mut key: &[u8]) -> Result<(HistoryId, Revision)> {
    let mut number = || key.try_get_u64().map_err(|_| corrupted("change"));
    Ok((number()?, Revision::new(number()?)))
}

pub(crate) fn change_value(event: &Event) -> Bytes {
    let more = if event.is_last { 0 } else { MORE };
    let mut bytes;
    match &event.kind {
        EventKind::Set { key, entry, size } => {
            let key = key.as_bytes();
            let value = match entry.value.len() {
                0..=MAX_HISTORY_VALUE_BYTES => &entry.value[..],
                _ => &[],
            };
            bytes = Vec::with_capacity(11 + key.len() + head_bytes(entry) + value.len());
            bytes.put_u8(SET | more);
            // A key has at most 1,024 bytes.
            bytes.put_u16_le(key.len() as u16);
            bytes.put_slice(key);
            bytes.put_u64_le(*size);
            put_head(&mut bytes, entry);
            bytes.put_slice(value);
        }
        EventKind::Delete { key } => bytes = [&[DELETE | more], key.as_bytes()].concat(),
        EventKind::Expire { key } => bytes = [&[EXPIRE | more], key.as_bytes()].concat(),
        EventKind::Drop => bytes = vec![DROP | more],
    }
    bytes.into()
}

/// Decodes a row of the history.
pub(crate) fn parse_change(key: &[u8], row: &[u8]) -> Result<Event> {
    let (_, revision) = parse_history_key(key)?;
    let damaged = |_| corrupted("change");
    // A copy, because the row may be a slice of a whole block.
    let mut row = Bytes::copy_from_slice(row);
    let first = row.try_get_u8().map_err(damaged)?;
    let key = |bytes| Key::new(bytes).map_err(|_| corrupted("change"));
    let kind = match first & !MORE {
        SET => {
            let length = usize::from(row.try_get_u16_le().map_err(damaged)?);
            if length > row.len() {
                return Err(corrupted("change"));
            }
            let key = key(row.split_to(length))?;
            let size = row.try_get_u64_le().map_err(damaged)?;
            let entry = parse_data(row)?;
            EventKind::Set { key, entry, size }
        }
        DELETE => EventKind::Delete { key: key(row)? },
        EXPIRE => EventKind::Expire { key: key(row)? },
        DROP if row.is_empty() => EventKind::Drop,
        _ => return Err(corrupted("change")),
    };
    Ok(Event {
        revision,
        is_last: first & MORE == 0,
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entry, Representation, Timestamp};
    use proptest::prelude::*;

    fn set(value: Vec<u8>) -> EventKind {
        EventKind::Set {
            key: Key::new("k").unwrap(),
            size: value.len() as u64,
            entry: Entry {
                value: value.into(),
                representation: Representation::default(),
                revision: Revision::new(2),
                created: Timestamp::from_millis(3),
                modified: Timestamp::from_millis(4),
                deadline: None,
            },
        }
    }

    fn event(kind: EventKind, is_last: bool) -> Event {
        Event {
            revision: Revision::new(2),
            is_last,
            kind,
        }
    }

    #[test]
    fn a_change_is_decoded_as_it_was_encoded() {
        let row_key = history_key(1, Revision::new(2), 3);
        for kind in [
            set(b"value".to_vec()),
            set(Vec::new()),
            set(vec![b'x'; MAX_HISTORY_VALUE_BYTES]),
            EventKind::Delete {
                key: Key::new("k").unwrap(),
            },
            EventKind::Expire {
                key: Key::new(vec![0xff; 1_024]).unwrap(),
            },
            EventKind::Drop,
        ] {
            for is_last in [true, false] {
                let event = event(kind.clone(), is_last);
                let found = parse_change(&row_key, &change_value(&event)).unwrap();
                assert_eq!(found, event);
                assert_eq!(found.has_value(), matches!(kind, EventKind::Set { .. }));
            }
        }
    }

    #[test]
    fn a_long_value_is_not_kept_but_its_size_is() {
        let event = event(set(vec![b'x'; MAX_HISTORY_VALUE_BYTES + 1]), true);
        let row = change_value(&event);
        assert!(row.len() < 100);
        let found = parse_change(&history_key(1, Revision::new(2), 0), &row).unwrap();
        let EventKind::Set { entry, size, .. } = &found.kind else {
            panic!("{found:?}")
        };
        assert_eq!(
            (entry.value.len(), *size),
            (0, MAX_HISTORY_VALUE_BYTES as u64 + 1)
        );
        assert!(!found.has_value());
    }

    proptest! {
        #[test]
        fn a_truncated_or_unknown_row_is_an_error_and_never_a_panic(
            key in proptest::collection::vec(any::<u8>(), 0..20),
            row in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let _ = parse_change(&key, &row);
        }
    }

    #[test]
    fn the_format_is_what_older_releases_wrote() {
        assert_eq!(
            &history_key(1, Revision::new(2), 3)[..],
            b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\x03"
        );
        let row = b"\x04\x01\0k\x02\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0hi";
        assert_eq!(&change_value(&event(set(b"hi".to_vec()), true))[..], row);
        let key = Key::new("k").unwrap();
        let delete = EventKind::Delete { key: key.clone() };
        assert_eq!(&change_value(&event(delete, false))[..], b"\x85k");
        assert_eq!(
            &change_value(&event(EventKind::Expire { key }, true))[..],
            b"\x06k"
        );
        assert_eq!(&change_value(&event(EventKind::Drop, true))[..], b"\x07");
    }
}

//! The rows of histories: the changes in the order of their revisions. A row has one change, or the changes that a
//! namespace has in one commit (a block).
//!
//! | kind | followed by |
//! | --- | --- |
//! | `4` set | length u16 of the key, key, size u64 of the value, a data row, with or without the value |
//! | `5` delete, `6` expire | key |
//! | `7` drop | nothing |
//! | `8` block | revision u64 of the first change; for each change: length u16 of what follows, varint of how much higher its revision is than the one before, kind, and what follows the kind |
//!
//! With 128 added to the kind, more changes of the same revision follow. The value is present up to
//! [`MAX_HISTORY_VALUE_BYTES`], so that the history stays small compared to the data.
//!
//! The key of a row names the revision of its last change. A block ends at [`BLOCK_BYTES`], but never within a revision,
//! so that the changes after any revision begin in the first row whose key is higher.

use std::ops::Range;

use bytes::{Buf, BufMut, Bytes};

use super::{HistoryId, corrupted, head_bytes, parse_data, put_head};
use crate::engine::{Batch, KeyRange, Part, Table};
use crate::varint::{parse_varint, put_varint};
use crate::{Event, EventKind, Key, Result, Revision};

/// The longest value that the history keeps.
const MAX_HISTORY_VALUE_BYTES: usize = 1 << 10;
/// The length of a block after which it gets no further revision.
const BLOCK_BYTES: usize = 64 << 10;

const SET: u8 = 4;
const DELETE: u8 = 5;
const EXPIRE: u8 = 6;
const DROP: u8 = 7;
const BLOCK: u8 = 8;
const MORE: u8 = 128;

/// Encodes the key of a row: of a block, the number of its changes follows the revision; of a single change, its index
/// among those of its revision.
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

/// The changes of a namespace in one commit that are not in a row yet.
#[derive(Debug, Default)]
pub(crate) struct HistoryBlock {
    /// The value of their row, if it is a block.
    bytes: Vec<u8>,
    /// Where the only change begins, while there is one.
    first_change: usize,
    changes: usize,
    last: Revision,
    /// The data rows in the value.
    rows: Vec<DataRow>,
}

/// A data row in a block: the entry that it is of, by its place among those of the commit, and where it is.
#[derive(Debug)]
struct DataRow {
    place: usize,
    bytes: Range<usize>,
}

impl HistoryBlock {
    /// Adds a change, with the place of the entry that it set, if any.
    pub(crate) fn push(&mut self, event: &Event, place: Option<usize>) {
        let bytes = &mut self.bytes;
        if self.changes == 0 {
            bytes.put_u8(BLOCK);
            bytes.put_u64_le(event.revision.get());
            self.last = event.revision;
        }
        let start = bytes.len();
        bytes.put_u16_le(0);
        put_varint(bytes, event.revision.get() - self.last.get());
        if self.changes == 0 {
            self.first_change = bytes.len();
        }
        let row = put_change(bytes, event);
        self.rows
            .extend(place.zip(row).map(|(place, start)| DataRow {
                place,
                bytes: start..bytes.len(),
            }));
        let length = bytes.len() - start - size_of::<u16>();
        // A change has one key and at most a value that a history keeps.
        bytes[start..start + 2].copy_from_slice(&(length as u16).to_le_bytes());
        self.changes += 1;
        self.last = event.revision;
    }

    /// Returns whether the block must be written before another revision is added.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= BLOCK_BYTES
    }

    /// Adds the row to a batch, and empties the block.
    pub(crate) fn write(&mut self, batch: &mut Batch, history: HistoryId) {
        self.write_after(batch, history, &[]);
    }

    /// Adds the row to a batch that has the data rows of the entries already: each has the index of the row of the entry
    /// in this place.
    pub(crate) fn write_after(
        &mut self,
        batch: &mut Batch,
        history: HistoryId,
        rows: &[Option<usize>],
    ) {
        let block = std::mem::take(self);
        let parts = parts(&block.rows, rows, block.start(), block.bytes.len());
        if let Some((key, value)) = block.into_row(history) {
            batch.put_parts(Table::History, key, value, parts);
        }
    }

    /// Returns where the value of the row begins: a single change is no block.
    fn start(&self) -> usize {
        match self.changes {
            1 => self.first_change,
            _ => 0,
        }
    }

    fn into_row(self, history: HistoryId) -> Option<(Bytes, Bytes)> {
        let number = match self.changes {
            0 => return None,
            1 => 0,
            // A block has far fewer: each change has at least five bytes.
            changes => changes as u16,
        };
        let start = self.start();
        let value = Bytes::from(self.bytes).slice(start..);
        Some((history_key(history, self.last, number), value))
    }
}

/// Returns the parts of the bytes from `start` to `end`: the data rows that are as in the batch, and what is between.
fn parts(data_rows: &[DataRow], rows: &[Option<usize>], start: usize, end: usize) -> Vec<Part> {
    let mut is_replaced = vec![false; rows.len()];
    let mut parts = Vec::with_capacity(2 * data_rows.len() + 1);
    let mut reached = end;
    for row in data_rows.iter().rev() {
        // Of an entry that was set more than once, the batch has the last row.
        let is_last = is_replaced
            .get_mut(row.place)
            .is_some_and(|replaced| !std::mem::replace(replaced, true));
        let index = rows.get(row.place).copied().flatten();
        let Some(index) = index.filter(|_| is_last) else {
            continue;
        };
        parts.push(Part::Bytes(reached - row.bytes.end));
        parts.push(Part::Row(index));
        reached = row.bytes.start;
    }
    if !parts.is_empty() {
        parts.push(Part::Bytes(reached - start));
        parts.reverse();
    }
    parts
}

/// Encodes a change, and returns where its data row begins, if that has its value.
fn put_change(bytes: &mut Vec<u8>, event: &Event) -> Option<usize> {
    let more = if event.is_last { 0 } else { MORE };
    match &event.kind {
        EventKind::Set { key, entry, size } => {
            let key = key.as_bytes();
            let value = match entry.value.len() {
                0..=MAX_HISTORY_VALUE_BYTES => &entry.value[..],
                _ => &[],
            };
            bytes.reserve(11 + key.len() + head_bytes(entry) + value.len());
            bytes.put_u8(SET | more);
            // A key has at most 1,024 bytes.
            bytes.put_u16_le(key.len() as u16);
            bytes.put_slice(key);
            bytes.put_u64_le(*size);
            let start = bytes.len();
            put_head(bytes, entry);
            bytes.put_slice(value);
            let has_value = value.len() == entry.value.len();
            return has_value.then_some(start);
        }
        EventKind::Delete { key } => {
            bytes.put_u8(DELETE | more);
            bytes.put_slice(key.as_bytes());
        }
        EventKind::Expire { key } => {
            bytes.put_u8(EXPIRE | more);
            bytes.put_slice(key.as_bytes());
        }
        EventKind::Drop => bytes.put_u8(DROP | more),
    }
    None
}

/// Encodes changes as the row of a commit that has no others.
pub(crate) fn changes_row(history: HistoryId, events: &[Event]) -> Option<(Bytes, Bytes)> {
    let mut block = HistoryBlock::default();
    for event in events {
        block.push(event, None);
    }
    block.into_row(history)
}

/// Returns the number of changes in a row.
pub(crate) fn change_count(mut key: &[u8], row: &[u8]) -> Result<u64> {
    parse_history_key(key)?;
    key.advance(2 * size_of::<u64>());
    match row.first() {
        Some(&BLOCK) => Ok(key.try_get_u16().map_err(|_| corrupted("change"))?.into()),
        _ => Ok(1),
    }
}

/// Returns the revision of the first change in a row.
pub(crate) fn first_revision(key: &[u8], row: &[u8]) -> Result<Revision> {
    let Some((&BLOCK, mut rest)) = row.split_first() else {
        return Ok(parse_history_key(key)?.1);
    };
    let first = rest.try_get_u64_le().map_err(|_| corrupted("change"))?;
    Ok(Revision::new(first))
}

/// Decodes a row of the history: its changes, in order.
pub(crate) fn parse_changes(key: &[u8], row: &[u8]) -> Result<Vec<Event>> {
    let (_, last) = parse_history_key(key)?;
    let Some((&BLOCK, mut rest)) = row.split_first() else {
        return Ok(vec![parse_change(last, row)?]);
    };
    let damaged = |_| corrupted("change");
    let mut events: Vec<Event> = Vec::new();
    let mut revision = rest.try_get_u64_le().map_err(damaged)?;
    while !rest.is_empty() {
        let length = usize::from(rest.try_get_u16_le().map_err(damaged)?);
        let Some((mut change, others)) = rest.split_at_checked(length) else {
            return Err(corrupted("change"));
        };
        rest = others;
        let higher = parse_varint(&mut change).ok_or_else(|| corrupted("change"))?;
        let next = revision.checked_add(higher);
        revision = next.ok_or_else(|| corrupted("change"))?;
        events.push(parse_change(Revision::new(revision), change)?);
    }
    let is_whole = events.len() as u64 == change_count(key, row)?;
    match events.last() {
        Some(event) if is_whole && event.is_last && event.revision == last => Ok(events),
        _ => Err(corrupted("change")),
    }
}

fn parse_change(revision: Revision, row: &[u8]) -> Result<Event> {
    let damaged = |_| corrupted("change");
    // A copy, because the row may be a slice of a whole block of the engine.
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

    fn change_value(event: &Event) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_change(&mut bytes, event);
        bytes
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
                let found = parse_changes(&row_key, &change_value(&event)).unwrap();
                assert_eq!(found, std::slice::from_ref(&event));
                assert_eq!(found[0].has_value(), matches!(kind, EventKind::Set { .. }));
            }
        }
    }

    #[test]
    fn a_long_value_is_not_kept_but_its_size_is() {
        let event = event(set(vec![b'x'; MAX_HISTORY_VALUE_BYTES + 1]), true);
        let row = change_value(&event);
        assert!(row.len() < 100);
        let found = parse_changes(&history_key(1, Revision::new(2), 0), &row).unwrap();
        let EventKind::Set { entry, size, .. } = &found[0].kind else {
            panic!("{found:?}")
        };
        assert_eq!(
            (entry.value.len(), *size),
            (0, MAX_HISTORY_VALUE_BYTES as u64 + 1)
        );
        assert!(!found[0].has_value());
    }

    proptest! {
        #[test]
        fn a_truncated_or_unknown_row_is_an_error_and_never_a_panic(
            key in proptest::collection::vec(any::<u8>(), 0..20),
            row in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let _ = (parse_changes(&key, &row), change_count(&key, &row));
        }

        #[test]
        fn a_damaged_block_is_an_error_or_a_block_and_never_a_panic(
            at in any::<proptest::sample::Index>(),
            byte in any::<u8>(),
            length in any::<proptest::sample::Index>(),
        ) {
            let (key, row) = changes_row(1, &several(&[1, 3, 1])).unwrap();
            let mut row = row.to_vec();
            // Another first byte makes a row of one change of it.
            let place = 1 + at.index(row.len() - 1);
            row[place] = byte;
            row.truncate(length.index(row.len() + 1));
            if let Ok(found) = parse_changes(&key, &row) {
                prop_assert_eq!(found.len(), 5);
            }
        }

        #[test]
        fn a_varint_is_decoded_as_it_was_encoded(number in any::<u64>()) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            let mut rest = &bytes[..];
            prop_assert_eq!(parse_varint(&mut rest), Some(number));
            prop_assert!(rest.is_empty());
        }
    }

    /// Changes of consecutive revisions, of which each has so many.
    fn several(counts: &[usize]) -> Vec<Event> {
        let counts = counts.iter().zip(2..);
        let changes = counts.flat_map(|(count, revision)| {
            (1..=*count).map(move |index| Event {
                revision: Revision::new(revision),
                is_last: index == *count,
                kind: EventKind::Delete {
                    key: Key::new(index.to_string()).unwrap(),
                },
            })
        });
        changes.collect()
    }

    #[test]
    fn a_block_is_decoded_as_it_was_encoded() {
        for counts in [&[2][..], &[1, 1], &[3, 1, 200, 1], &[1; 1_000]] {
            let mut events = several(counts);
            // Revisions of other namespaces lie between them.
            for event in &mut events {
                event.revision = Revision::new(event.revision.get() << 20);
            }
            let (key, row) = changes_row(7, &events).unwrap();
            assert_eq!(change_count(&key, &row).unwrap(), events.len() as u64);
            assert_eq!(parse_changes(&key, &row).unwrap(), events);
            let (history, last) = parse_history_key(&key).unwrap();
            assert_eq!(
                (history, Some(last)),
                (7, events.last().map(|event| event.revision))
            );
        }
    }

    #[test]
    fn a_single_change_is_a_row_without_a_block() {
        let event = event(set(b"value".to_vec()), true);
        let (key, row) = changes_row(1, std::slice::from_ref(&event)).unwrap();
        assert_eq!(key, history_key(1, event.revision, 0));
        assert_eq!(row, change_value(&event));
    }

    #[test]
    fn a_block_whose_parts_contradict_each_other_is_damaged() {
        let (key, row) = changes_row(1, &several(&[1, 2])).unwrap();
        let other_count = history_key(1, Revision::new(3), 2);
        let other_revision = history_key(1, Revision::new(4), 3);
        let mut open_end = row.to_vec();
        let kind = open_end.len() - 2;
        open_end[kind] |= MORE;
        for (key, row) in [
            (&other_count, &row[..]),
            (&other_revision, &row[..]),
            (&key, &open_end[..]),
            (&key, &row[..row.len() - 1]),
            (&key, &row[..9]),
            (&key, &row[..1]),
        ] {
            let error = parse_changes(key, row).unwrap_err();
            assert_eq!(error.code(), crate::Code::Corrupted, "{row:?}");
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
        let (key, row) = changes_row(1, &several(&[1, 2])).unwrap();
        assert_eq!(key, history_key(1, Revision::new(3), 3));
        let expected = b"\x08\x02\0\0\0\0\0\0\0\x03\0\0\x051\x03\0\x01\x851\x03\0\0\x052";
        assert_eq!(&row[..], expected);
    }
}

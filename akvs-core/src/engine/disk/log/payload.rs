//! The payload of a record: the rows of a commit.
//!
//! A row is a byte with its table and its kind, the length of the key and the key, and then, by kind: nothing (the row is
//! removed), the length of the value and the value, or the number of its parts and the parts. A part is a number: twice
//! the length of the bytes that follow it, or one more than twice the index of an earlier row whose value it is. Numbers
//! are varints.

use bytes::Bytes;

use crate::engine::{Part, Row, Table};
use crate::varint::{parse_varint, put_varint};

/// The maximum length of a number.
const MAX_VARINT_BYTES: usize = 10;
const REMOVE: u8 = 0;
const VALUE: u8 = 1;
const PARTS: u8 = 2;
const TABLE_BITS: u8 = 15;
const KIND_SHIFT: u8 = 4;
/// The bytes of a row in addition to its key and its value: the first byte and two lengths.
const ROW_BYTES: usize = 1 + 2 * MAX_VARINT_BYTES;

/// A row of a record; none as the value means that it is removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine::disk) struct LoggedRow {
    pub(in crate::engine::disk) table: Table,
    pub(in crate::engine::disk) key: Bytes,
    pub(in crate::engine::disk) value: Option<Bytes>,
}

/// Returns at least the length of the payload of this many rows with this many bytes of keys and values. Rows in parts
/// are not longer: their parts are only written where they save bytes.
pub(in crate::engine::disk) fn max_payload_bytes(rows: usize, bytes: u64) -> u64 {
    bytes.saturating_add((rows as u64).saturating_mul(ROW_BYTES as u64))
}

/// Appends rows to a payload.
pub(super) fn put_rows(payload: &mut Vec<u8>, rows: &[Row]) {
    for (index, row) in rows.iter().enumerate() {
        put_row(payload, row, &rows[..index]);
    }
}

fn put_row(payload: &mut Vec<u8>, row: &Row, earlier: &[Row]) {
    let first = payload.len();
    payload.push(row.table as u8);
    put_bytes(payload, &row.key);
    let Some(value) = &row.value else { return };
    let start = payload.len();
    if !row.parts.is_empty() && put_parts(payload, value, &row.parts, earlier) {
        payload[first] |= PARTS << KIND_SHIFT;
        return;
    }
    // What was written of the parts is of no use.
    payload.truncate(start);
    payload[first] |= VALUE << KIND_SHIFT;
    put_bytes(payload, value);
}

fn put_bytes(payload: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(payload, bytes.len() as u64);
    payload.extend_from_slice(bytes);
}

/// Writes a value in parts; false where they do not make up the value, or take more bytes than it does.
fn put_parts(payload: &mut Vec<u8>, value: &[u8], parts: &[Part], earlier: &[Row]) -> bool {
    let start = payload.len();
    put_varint(payload, parts.len() as u64);
    let mut rest = value;
    for part in parts {
        let length = match part {
            Part::Bytes(length) => *length,
            Part::Row(index) => {
                let other = earlier.get(*index).and_then(|row| row.value.as_deref());
                match other {
                    Some(other) if rest.starts_with(other) => other.len(),
                    _ => return false,
                }
            }
        };
        let Some((bytes, others)) = rest.split_at_checked(length) else {
            return false;
        };
        rest = others;
        match part {
            Part::Bytes(_) => {
                put_varint(payload, (length as u64) << 1);
                payload.extend_from_slice(bytes);
            }
            Part::Row(index) => put_varint(payload, (*index as u64) << 1 | 1),
        }
    }
    rest.is_empty() && payload.len() - start < value.len()
}

/// Decodes the rows of a payload; none where it is not one.
pub(super) fn parse_rows(mut payload: &[u8]) -> Option<Vec<LoggedRow>> {
    let mut rows: Vec<LoggedRow> = Vec::new();
    while let Some((first, rest)) = payload.split_first() {
        payload = rest;
        let table = *Table::ALL.get(usize::from(first & TABLE_BITS))?;
        let key = Bytes::copy_from_slice(parse_bytes(&mut payload)?);
        let value = match first >> KIND_SHIFT {
            REMOVE => None,
            VALUE => Some(Bytes::copy_from_slice(parse_bytes(&mut payload)?)),
            PARTS => Some(parse_parts(&mut payload, &rows)?),
            _ => return None,
        };
        // The limit of the trees.
        if key.is_empty() || key.len() > usize::from(u16::MAX) {
            return None;
        }
        rows.push(LoggedRow { table, key, value });
    }
    Some(rows)
}

fn parse_bytes<'a>(payload: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(parse_varint(payload)?).ok()?;
    let (bytes, rest) = payload.split_at_checked(length)?;
    *payload = rest;
    Some(bytes)
}

fn parse_parts(payload: &mut &[u8], rows: &[LoggedRow]) -> Option<Bytes> {
    let mut value = Vec::new();
    for _ in 0..parse_varint(payload)? {
        let part = parse_varint(payload)?;
        let number = usize::try_from(part >> 1).ok()?;
        let bytes = if part & 1 == 1 {
            rows.get(number)?.value.as_deref()?
        } else {
            let (bytes, rest) = payload.split_at_checked(number)?;
            *payload = rest;
            bytes
        };
        // The limit of the trees.
        u32::try_from(value.len() + bytes.len()).ok()?;
        value.extend_from_slice(bytes);
    }
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::Batch;

    fn encoded(batch: &Batch) -> Vec<u8> {
        let mut payload = Vec::new();
        put_rows(&mut payload, batch.rows());
        let most = max_payload_bytes(batch.len(), batch.bytes());
        assert!(payload.len() as u64 <= most);
        payload
    }

    fn logged(batch: Batch) -> Vec<LoggedRow> {
        let rows = batch.into_rows().into_iter();
        rows.map(|row| LoggedRow {
            table: row.table,
            key: row.key,
            value: row.value,
        })
        .collect()
    }

    #[test]
    fn a_value_that_other_rows_contain_is_written_once() {
        let mut batch = Batch::default();
        batch.put(Table::Data, &b"a"[..], vec![1; 500]);
        batch.remove(Table::Deadlines, &b"b"[..]);
        batch.put(Table::Data, &b"c"[..], vec![2; 700]);
        let value = [&b"first"[..], &[1; 500], b"then", &[2; 700], &[1; 500]].concat();
        let parts = vec![
            Part::Bytes(5),
            Part::Row(0),
            Part::Bytes(4),
            Part::Row(2),
            Part::Row(0),
        ];
        batch.put_parts(Table::History, &b"d"[..], value, parts);
        let payload = encoded(&batch);
        assert!(payload.len() < 1_300, "{}", payload.len());
        assert_eq!(parse_rows(&payload), Some(logged(batch)));
    }

    #[test]
    fn parts_that_do_not_make_up_the_value_are_ignored() {
        for parts in [
            vec![Part::Row(0)],
            vec![Part::Row(1)],
            vec![Part::Row(7)],
            vec![Part::Bytes(5)],
            vec![Part::Bytes(7)],
            vec![Part::Bytes(3), Part::Row(0)],
        ] {
            let mut batch = Batch::default();
            batch.put(Table::Data, &b"a"[..], &b"other"[..]);
            batch.put_parts(Table::History, &b"d"[..], &b"value."[..], parts);
            let payload = encoded(&batch);
            assert_eq!(parse_rows(&payload), Some(logged(batch)));
        }
    }

    fn rows() -> impl Strategy<Value = Batch> {
        let bytes = |most| proptest::collection::vec(any::<u8>(), 1..most);
        let row = (
            0..5_usize,
            bytes(40),
            proptest::option::of(bytes(300)),
            any::<u8>(),
        );
        proptest::collection::vec(row, 0..30).prop_map(|rows| {
            let mut batch = Batch::default();
            let mut values: Vec<Option<Vec<u8>>> = Vec::new();
            for (table, key, value, parts) in rows {
                let table = Table::ALL[table];
                let of = usize::from(parts) % (values.len() + 1);
                match (value, values.get(of).cloned().flatten()) {
                    (None, _) => {
                        batch.remove(table, key);
                        values.push(None);
                    }
                    (Some(value), Some(other)) => {
                        let parts = vec![Part::Bytes(value.len()), Part::Row(of)];
                        let value = [value, other].concat();
                        batch.put_parts(table, key, value.clone(), parts);
                        values.push(Some(value));
                    }
                    (Some(value), None) => {
                        batch.put(table, key, value.clone());
                        values.push(Some(value));
                    }
                }
            }
            batch
        })
    }

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(batch in rows()) {
            let payload = encoded(&batch);
            prop_assert_eq!(parse_rows(&payload), Some(logged(batch)));
        }

        #[test]
        fn any_bytes_are_parsed_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_rows(&bytes);
        }

        #[test]
        fn changed_rows_are_parsed_without_a_panic(batch in rows(), at in any::<usize>(), byte in any::<u8>()) {
            let mut payload = encoded(&batch);
            if !payload.is_empty() {
                let at = at % payload.len();
                payload[at] = byte;
                let _ = parse_rows(&payload);
                let _ = parse_rows(&payload[..at]);
            }
        }
    }
}

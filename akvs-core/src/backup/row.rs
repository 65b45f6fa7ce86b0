//! Checks that a store could have written a row. It is for rows of unknown origin, such as those of a backup: an
//! accepted row can be read, listed, sent and continued from.
//!
//! It checks one row at a time; `check` checks that rows belong together.

use bytes::Bytes;

use crate::encoding;
use crate::encoding::{
    CatalogueRow, FIRST_NAME, Gaps, META_FORMAT, META_GAPS, META_NAMESPACE, META_PURGED,
    META_REVISION, MIN_SEPARATED_BYTES, NamespaceId, catalogue_value, changes_row, counts_key,
    counts_range, counts_value, data_key, deadline_key, dropped_key, dropped_range, dropped_value,
    history_key, parse_catalogue, parse_changes, parse_counts, parse_counts_key,
    parse_deadline_key, parse_dropped, parse_dropped_key, parse_history_key, parse_id, parse_name,
    parse_number, parse_stored, parse_swept, parse_value_row, swept_key, swept_value, value_owner,
};
use crate::engine::Table;
use crate::{Entry, Error, EventKind, Key, Revision, Settings, Timestamp, Txn};

/// The longest value: the maximum of the setting `limits.max_value_bytes`.
const MAX_VALUE_BYTES: usize = 1 << 30;
/// More bytes than an entry has without its value.
const MAX_HEAD_BYTES: usize = 1 << 10;
/// More bytes than a row of a history has: a block, which ends at 64 KiB, and the changes of one transaction, each with
/// the longest key and value that a history keeps.
pub(super) const MAX_HISTORY_BYTES: usize = (64 << 10) + Txn::MAX_OPS * (4 << 10);
/// A bound of ids, which are counted from 1.
const MAX_ID: NamespaceId = 1 << 53;

type Checked = Result<(), String>;

/// Returns the maximum bytes of a row's value in a table.
pub(super) fn max_bytes(table: Table) -> usize {
    match table {
        Table::Catalogue => 1 << 10,
        Table::Data => MAX_HEAD_BYTES + MAX_VALUE_BYTES,
        Table::History => MAX_HISTORY_BYTES,
        Table::Meta => 4 << 10,
        Table::Deadlines => 8,
    }
}

/// Returns what is wrong with a row. The end of a long value may be missing.
pub(super) fn check_row(table: Table, key: &[u8], value: &Bytes) -> Checked {
    match table {
        Table::Catalogue => check_catalogue(key, value),
        Table::Data => check_data(key, value),
        Table::History => check_history(key, value),
        Table::Deadlines => check_deadline(key, value),
        Table::Meta => check_meta(key, value),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn text(error: Error) -> String {
    error.message().to_owned()
}

/// Checks that a row is encoded exactly as a store encodes it.
fn expect_canonical(matches: bool) -> Checked {
    match matches {
        true => Ok(()),
        false => Err("it is not encoded as a store encodes it".into()),
    }
}

fn check_id(id: NamespaceId) -> Checked {
    match (1..=MAX_ID).contains(&id) {
        true => Ok(()),
        false => Err(format!("invalid id {id}")),
    }
}

fn check_revision(revision: Revision) -> Checked {
    match revision <= Revision::MAX {
        true => Ok(()),
        false => Err(format!("invalid revision {revision}")),
    }
}

fn check_time(time: Timestamp) -> Checked {
    match time <= Timestamp::LAST {
        true => Ok(()),
        false => Err("invalid time: it is after the year 9999".into()),
    }
}

fn check_catalogue(key: &[u8], value: &[u8]) -> Checked {
    if key < FIRST_NAME {
        let (id, swept) = parse_swept(key, value).map_err(text)?;
        check_id(id)?;
        check_id(swept.history)?;
        return expect_canonical(key == swept_key(id) && value == swept_value(swept));
    }
    parse_name(key).map_err(text)?;
    let row = parse_catalogue(value).map_err(text)?;
    match &row {
        CatalogueRow::Live(row) => {
            check_id(row.id)?;
            check_time(row.created)?;
            check_settings(&row.settings)?;
        }
        CatalogueRow::Dropped(row) => {
            check_id(row.history)?;
            check_revision(row.compacted_revision.max(row.revision))?;
        }
    }
    expect_canonical(value == catalogue_value(&row))
}

fn check_settings(settings: &Settings) -> Checked {
    // With a longer time to live every write would exceed the last timestamp.
    match settings.ttl_ms {
        Some(ttl) => check_time(Timestamp::from_millis(ttl)),
        None => Ok(()),
    }
}

fn check_data(key: &[u8], value: &Bytes) -> Checked {
    let id = parse_id(key).map_err(text)?;
    let owner = value_owner(id);
    check_id(owner.unwrap_or(id))?;
    Key::check(&key[data_key(id, b"").len()..]).map_err(text)?;
    if owner.is_some() {
        return check_revision(parse_value_row(value).map_err(text)?.revision);
    }
    let stored = parse_stored(value.clone()).map_err(text)?;
    check_entry(&stored.entry)?;
    let Some(separated) = stored.separated else {
        return Ok(());
    };
    expect_canonical(separated.revision <= stored.entry.revision)?;
    match (MIN_SEPARATED_BYTES..=MAX_VALUE_BYTES).contains(&stored.value_bytes()) {
        true => Ok(()),
        false => Err(format!("invalid value length: {} bytes", separated.bytes)),
    }
}

fn check_entry(entry: &Entry) -> Checked {
    check_revision(entry.revision)?;
    check_time(entry.created.max(entry.modified))?;
    entry.deadline.map_or(Ok(()), check_time)
}

fn check_history(key: &[u8], value: &[u8]) -> Checked {
    let (id, revision) = parse_history_key(key).map_err(text)?;
    check_id(id)?;
    check_revision(revision)?;
    expect_canonical(key.len() == history_key(id, revision, 0).len())?;
    let changes = parse_changes(key, value).map_err(text)?;
    for event in &changes {
        if let EventKind::Set { entry, size, .. } = &event.kind {
            check_entry(entry)?;
            if *size > MAX_VALUE_BYTES as u64 {
                return Err(format!("invalid value length: {size} bytes"));
            }
        }
    }
    let (expected_key, expected) = changes_row(id, &changes).unwrap_or_default();
    // The row of a single change may be any of its revision.
    expect_canonical(*value == expected && (changes.len() == 1 || key == expected_key))
}

fn check_deadline(key: &[u8], value: &[u8]) -> Checked {
    let (deadline, id, name) = parse_deadline_key(Bytes::copy_from_slice(key)).map_err(text)?;
    check_time(deadline)?;
    check_id(id)?;
    expect_canonical(key == deadline_key(deadline, id, name.as_bytes()) && value.len() == 8)
}

fn check_meta(key: &[u8], value: &[u8]) -> Checked {
    let number = || -> Result<u64, String> {
        expect_canonical(value.len() == 8)?;
        parse_number(value).map_err(text)
    };
    if counts_range().contains(key) {
        let id = parse_counts_key(key).map_err(text)?;
        let meta = parse_counts(value).map_err(text)?;
        check_id(id)?;
        check_id(meta.history)?;
        check_revision(meta.compacted_revision.max(meta.revision))?;
        return expect_canonical(key == counts_key(id) && value == counts_value(&meta));
    }
    if dropped_range().contains(key) {
        let revision = parse_dropped_key(key).map_err(text)?;
        let (changes, name) = parse_dropped(value).map_err(text)?;
        check_revision(revision)?;
        return expect_canonical(
            key == dropped_key(revision) && value == dropped_value(changes, &name),
        );
    }
    match key {
        META_GAPS => Gaps::parse(value).map(drop).map_err(text),
        META_FORMAT => expect_canonical(number()? == encoding::FORMAT),
        META_REVISION | META_PURGED => check_revision(Revision::new(number()?)),
        META_NAMESPACE => match number()? {
            0 => Ok(()),
            id => check_id(id),
        },
        _ => Err("unknown row".into()),
    }
}

//! Checks that the rows of a backup belong together, in one pass in the order of the tables.
//!
//! The origin of the file is unknown, so nothing that a later write depends on is trusted: every row must be valid for
//! a store, no number may exceed the counters, and the counters must match the rows. Memory holds a few numbers for
//! each namespace.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::read::BackupRow;
use super::row::check_row;
use crate::difference::Difference;
use crate::encoding;
use crate::encoding::{CatalogueRow, HistoryId, NamespaceId, NamespaceMeta};
use crate::engine::Table;
use crate::{Counts, Revision};

/// More revisions than a restore skips.
const MIN_REMAINING_REVISIONS: u64 = 1 << 41;

type Checked = Result<(), String>;

/// The rows recorded so far.
#[derive(Default)]
pub(super) struct Check {
    live: HashMap<NamespaceId, Live>,
    swept: HashSet<NamespaceId>,
    /// For each history with changes to sweep, the revision below which they are swept.
    swept_below: HashMap<HistoryId, Revision>,
    dropped: HashMap<Revision, (Bytes, u64)>,
    histories: HashMap<HistoryId, History>,
    /// The difference between keys with a deadline and the rows of deadlines.
    deadlines: Difference,
    /// The difference between entries with a separated value and the rows of values.
    values: Difference,
    newest: Revision,
    newest_id: NamespaceId,
    revision: Revision,
    namespace: NamespaceId,
    format: bool,
}

#[derive(Default)]
struct Live {
    found: Counts,
    newest: Revision,
    has_counts: bool,
}

#[derive(Default)]
struct History {
    changes: u64,
    oldest: Option<Revision>,
    newest: Revision,
    /// The expected number of changes and the compacted revision, where both are known.
    expected: Option<(u64, Revision)>,
}

impl Check {
    /// Records a row, or returns what is wrong with it.
    pub(super) fn record(&mut self, row: &BackupRow) -> Checked {
        let (key, value) = (&row.key[..], &row.value);
        check_row(row.table, key, value)?;
        let text = |error: crate::Error| error.message().to_owned();
        match row.table {
            Table::Catalogue if key < encoding::FIRST_NAME => {
                let (id, swept) = encoding::parse_swept(key, value).map_err(text)?;
                self.swept.insert(id);
                let below = self.swept_below.entry(swept.history).or_default();
                *below = (*below).max(swept.below);
                self.record_numbers(id.max(swept.history), Revision::ZERO);
                Ok(())
            }
            Table::Catalogue => {
                let row = encoding::parse_catalogue(value).map_err(text)?;
                self.record_name(key, &row)
            }
            Table::Data => self.record_data(row).map_err(text)?,
            Table::History => {
                let (id, revision) = encoding::parse_history_key(key).map_err(text)?;
                let first = encoding::first_revision(key, value).map_err(text)?;
                let history = self.histories.entry(id).or_default();
                if first < history.newest {
                    return Err(format!("the history {id} is not in the order of revisions"));
                }
                history.changes += encoding::change_count(key, value).map_err(text)?;
                history.oldest.get_or_insert(first);
                history.newest = revision;
                self.record_numbers(id, revision);
                Ok(())
            }
            Table::Deadlines => {
                let revision = encoding::parse_number(value).map_err(text)?;
                let id = encoding::parse_id(&key[8..]).map_err(text)?;
                match self.live.contains_key(&id) {
                    true => self.deadlines.subtract((key, revision)),
                    false if self.swept.contains(&id) => {}
                    false => return Err(no_namespace(id)),
                }
                Ok(())
            }
            Table::Meta => self.record_meta(key, value),
        }
    }

    fn record_numbers(&mut self, id: NamespaceId, revision: Revision) {
        self.newest = self.newest.max(revision);
        self.newest_id = self.newest_id.max(id);
    }

    fn record_name(&mut self, name: &[u8], row: &CatalogueRow) -> Checked {
        match row {
            CatalogueRow::Live(row) => {
                self.record_numbers(row.id, Revision::ZERO);
                match self.live.insert(row.id, Live::default()) {
                    Some(_) => Err("duplicate namespace id".into()),
                    None => Ok(()),
                }
            }
            CatalogueRow::Dropped(row) => {
                self.record_numbers(row.history, row.revision);
                let name = Bytes::copy_from_slice(name);
                self.dropped.insert(row.revision, (name, row.changes));
                self.expect_history(row.history, row.changes, row.compacted_revision)
            }
        }
    }

    fn expect_history(
        &mut self,
        id: HistoryId,
        changes: u64,
        compacted_revision: Revision,
    ) -> Checked {
        let history = self.histories.entry(id).or_default();
        match history.expected.replace((changes, compacted_revision)) {
            Some(_) => Err(format!("the history {id} belongs to two namespaces")),
            None => Ok(()),
        }
    }

    fn record_data(&mut self, row: &BackupRow) -> crate::Result<Checked> {
        let key = &row.key;
        let id = encoding::parse_id(key)?;
        let name = &key[size_of::<NamespaceId>()..];
        let missing = row.value_bytes - row.value.len();
        if let Some(owner) = encoding::value_owner(id) {
            let mut separated = encoding::parse_value_row(&row.value)?;
            separated.bytes += missing as u64;
            return Ok(self.record_value(owner, name, separated));
        }
        let stored = encoding::parse_stored(row.value.clone())?;
        let entry = &stored.entry;
        self.record_numbers(id, entry.revision);
        let Some(live) = self.live.get_mut(&id) else {
            return Ok(self.check_swept(id));
        };
        live.found.add(name.len() + stored.value_bytes() + missing);
        live.newest = live.newest.max(entry.revision);
        if let Some(deadline) = entry.deadline {
            let row = [&deadline.as_millis().to_be_bytes()[..], key].concat();
            self.deadlines.add((&row[..], entry.revision.get()));
        }
        if let Some(separated) = stored.separated {
            self.values.add((id, name, separated));
        }
        Ok(Ok(()))
    }

    /// Records the row of a separated value.
    fn record_value(
        &mut self,
        id: NamespaceId,
        name: &[u8],
        separated: crate::SeparatedValue,
    ) -> Checked {
        self.record_numbers(id, separated.revision);
        if !self.live.contains_key(&id) {
            return self.check_swept(id);
        }
        self.values.subtract((id, name, separated));
        Ok(())
    }

    /// Checks that a namespace was dropped and is still swept.
    fn check_swept(&self, id: NamespaceId) -> Checked {
        match self.swept.contains(&id) {
            true => Ok(()),
            false => Err(no_namespace(id)),
        }
    }

    fn record_meta(&mut self, key: &[u8], value: &[u8]) -> Checked {
        let text = |error: crate::Error| error.message().to_owned();
        if encoding::counts_range().contains(key) {
            let id = encoding::parse_counts_key(key).map_err(text)?;
            return self.record_counts(id, &encoding::parse_counts(value).map_err(text)?);
        }
        if encoding::dropped_range().contains(key) {
            let revision = encoding::parse_dropped_key(key).map_err(text)?;
            let (changes, name) = encoding::parse_dropped(value).map_err(text)?;
            let matches = |(of, expected): (Bytes, u64)| of == name.as_str() && expected == changes;
            return match self.dropped.remove(&revision).is_some_and(matches) {
                true => Ok(()),
                false => Err("no such namespace was dropped at this revision".into()),
            };
        }
        if key == encoding::META_GAPS {
            let gaps = encoding::Gaps::parse(value).map_err(text)?;
            self.record_numbers(0, gaps.newest());
            return Ok(());
        }
        let number = encoding::parse_number(value).map_err(text)?;
        match key {
            encoding::META_REVISION => self.revision = Revision::new(number),
            encoding::META_PURGED => self.record_numbers(0, Revision::new(number)),
            encoding::META_NAMESPACE => self.namespace = number,
            _ => self.format = true,
        }
        Ok(())
    }

    fn record_counts(&mut self, id: NamespaceId, meta: &NamespaceMeta) -> Checked {
        self.record_numbers(
            id.max(meta.history),
            meta.revision.max(meta.compacted_revision),
        );
        let live = self.live.get_mut(&id).ok_or_else(|| no_namespace(id))?;
        live.has_counts = true;
        let (found, expected) = (live.found, meta.counts);
        if (found.keys, found.bytes) != (expected.keys, expected.bytes) {
            return Err(format!(
                "the namespace with the id {id} has {} keys of {} bytes, but its counts say {} of {}",
                found.keys, found.bytes, expected.keys, expected.bytes
            ));
        }
        if live.newest > meta.revision {
            return Err(format!(
                "a value of the namespace with the id {id} is newer than the namespace"
            ));
        }
        self.expect_history(meta.history, expected.history, meta.compacted_revision)
    }

    /// Returns what is wrong with the rows as a whole, after the last of them.
    pub(super) fn end(&self, is_empty: bool) -> Checked {
        if let Some((id, _)) = self.live.iter().find(|(_, live)| !live.has_counts) {
            return Err(format!("the namespace with the id {id} has no counts"));
        }
        if let Some(revision) = self.dropped.keys().next() {
            return Err(format!(
                "the namespace dropped at revision {revision} is not in the list of dropped namespaces"
            ));
        }
        if !self.deadlines.is_none() {
            return Err("keys and deadlines do not agree".into());
        }
        if !self.values.is_none() {
            return Err("entries and their values do not agree".into());
        }
        self.histories
            .iter()
            .try_for_each(|(id, history)| self.check_history(*id, history))?;
        if self.newest > self.revision || self.newest_id > self.namespace {
            return Err("it has revisions or ids higher than the newest".into());
        }
        if !self.format && !is_empty {
            return Err("it does not name its format".into());
        }
        match self.revision.get() < Revision::MAX.get() - MIN_REMAINING_REVISIONS {
            true => Ok(()),
            false => Err(format!(
                "revision {} is too high: too few revisions are left",
                self.revision
            )),
        }
    }

    fn check_history(&self, id: HistoryId, history: &History) -> Checked {
        let changes = history.changes;
        let Some((expected, compacted_revision)) = history.expected else {
            let below = self.swept_below.get(&id).copied().unwrap_or_default();
            return match history.newest < below {
                true => Ok(()),
                false => Err(format!("unknown history id {id}")),
            };
        };
        if changes != expected {
            return Err(format!(
                "the history {id} has {changes} changes, but its namespace counts {expected}"
            ));
        }
        match history
            .oldest
            .is_some_and(|oldest| oldest < compacted_revision)
        {
            true => Err(format!(
                "the history {id} has changes older than its compacted revision"
            )),
            false => Ok(()),
        }
    }
}

fn no_namespace(id: NamespaceId) -> String {
    format!("unknown namespace id {id}")
}

#[cfg(test)]
mod tests {
    use super::super::format::{self, BackupHeader};
    use super::super::row::MAX_HISTORY_BYTES;
    use super::super::{BackupError, verify_backup};
    use super::*;
    use crate::Timestamp;

    /// A length that is too large is refused before any of the value is read or memory is allocated.
    #[test]
    fn a_value_above_the_limit_is_refused_by_its_length() {
        let header = BackupHeader {
            rows_format: encoding::FORMAT,
            created: Timestamp::from_millis(1),
            revision: Revision::new(1),
            expected_rows: 1,
            version: "1.2.3".into(),
        };
        let key = encoding::data_key(1, b"k");
        for (table, bytes) in [
            (Table::Data, (1 << 30) + 1_025),
            (Table::Data, u32::MAX as usize),
            (Table::Catalogue, 1_025),
            (Table::History, MAX_HISTORY_BYTES + 1),
            (Table::Deadlines, 9),
            (Table::Meta, 5_000),
        ] {
            let mut block = Vec::new();
            format::put_row_head(&mut block, table, &key, bytes);
            block.resize(format::BLOCK_BYTES, 0);
            let packed = zstd::bulk::compress(&block, 1).unwrap();
            let mut file = header.encode();
            format::put_block(&mut file, format::ROWS, &packed, block.len());
            let error = verify_backup(&file[..], &mut |_| ()).unwrap_err();
            assert!(matches!(error, BackupError::Damaged(..)), "{error}");
            let text = format!("the value is too long: {bytes} bytes; the limit is");
            assert!(error.to_string().contains(&text), "{error}");
        }
    }
}

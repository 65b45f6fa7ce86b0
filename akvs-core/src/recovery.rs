//! The state of an engine when it is opened, the next revision after a restore or a loss of data, and the repair of a
//! database whose engine lost commits, once the operator has accepted that.
//!
//! A repair reads every row once. It recovers nothing; it makes the remaining rows consistent again. Invariants: no
//! revision is assigned twice; every change here is one synced commit, or none.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;

use super::encoding;
use super::encoding::{CatalogueRow, Gaps, HistoryId, NamespaceId, NamespaceMeta, Swept};
use super::engine::{Batch, Durability, Engine, KeyRange, PageLimit, Table, successor};
use crate::types::counters::Counters;
use crate::{Code, Counts, Entry, Error, Result, Revision, Timestamp};

/// Far more numbers than lost commits may have used, and little compared to the numbers that exist.
const COUNTER_GAP: u64 = 1 << 32;
/// The maximum multiple of `COUNTER_GAP` that is skipped at random where the clock does not decide.
const MAX_RANDOM_GAPS: u64 = 1 << 8;
/// The revisions per millisecond since 1970: more than a store assigns in one, so that a revision derived from the
/// clock is higher than all before it. They last until the year 2248.
const REVISIONS_PER_MS: u64 = 1 << 10;
/// The year 2020. A clock before it was never set.
const MIN_CLOCK: Timestamp = Timestamp::from_millis(1_577_836_800_000);
const PAGE_ROWS: usize = 1_000;

/// The state of an engine when it is opened.
pub(crate) struct OpenState {
    pub(crate) counters: Counters,
    pub(crate) purged: Revision,
    pub(crate) has_format: bool,
    pub(crate) gaps: Gaps,
}

impl OpenState {
    /// Fails with `storage` where the rows have a format that this release does not read.
    pub(crate) fn read(engine: &dyn Engine) -> Result<OpenState> {
        let number = |key| -> Result<Option<u64>> {
            let value = engine.get(Table::Meta, key)?;
            value
                .map(|value| encoding::parse_number(&value))
                .transpose()
        };
        let format = number(encoding::META_FORMAT)?;
        if let Some(found) = format.filter(|found| *found != encoding::FORMAT) {
            let text = format!("the data {}", encoding::other_rows_format(found));
            return Err(Error::new(Code::Storage, text).with("format", found));
        }
        let revision = number(encoding::META_REVISION)?.unwrap_or_default();
        let purged = number(encoding::META_PURGED)?.unwrap_or_default();
        Ok(OpenState {
            counters: Counters {
                revision: Revision::new(revision),
                namespace: number(encoding::META_NAMESPACE)?.unwrap_or_default(),
            },
            purged: Revision::new(purged),
            has_format: format.is_some(),
            gaps: gaps(engine)?,
        })
    }
}

fn gaps(engine: &dyn Engine) -> Result<Gaps> {
    let row = engine.get(Table::Meta, encoding::META_GAPS)?;
    row.map_or(Ok(Gaps::default()), |row| Gaps::parse(&row))
}

/// Returns the revision to continue after, where those after `found` may have been assigned: derived from the clock, or
/// far beyond `found` where the clock is behind or unknown.
pub(crate) fn revision_after_gap(found: Revision, now: Option<Timestamp>) -> Result<Revision> {
    let now = now.filter(|now| *now >= MIN_CLOCK);
    let by_clock = now.map_or(0, |now| now.as_millis().saturating_mul(REVISIONS_PER_MS));
    let next = match by_clock.saturating_sub(1) {
        next if next > found.get() && next < Revision::MAX.get() => next,
        _ => {
            let chance = RandomState::new().hash_one(found.get()) % (COUNTER_GAP * MAX_RANDOM_GAPS);
            found
                .get()
                .saturating_add(COUNTER_GAP)
                .saturating_add(chance)
        }
    };
    match next < Revision::MAX.get() {
        true => Ok(Revision::new(next)),
        false => Err(exhausted()),
    }
}

/// Returns the error that no revisions are left.
pub(crate) fn exhausted() -> Error {
    let text = format!(
        "the revisions are exhausted: the last one is {}; export the data and import it into a new store",
        Revision::MAX
    );
    Error::new(Code::Storage, text)
}

/// Records that the store continues after `next`, because revisions between it and `last` may have been assigned and
/// are lost.
pub(crate) fn record_gap(engine: &dyn Engine, last: Revision, next: Revision) -> Result<Gaps> {
    let mut gaps = gaps(engine)?;
    gaps.add(last, next);
    let mut batch = Batch::default();
    let number = encoding::number_value;
    batch.put(Table::Meta, encoding::META_FORMAT, number(encoding::FORMAT));
    batch.put(Table::Meta, encoding::META_GAPS, gaps.encode());
    batch.put(Table::Meta, encoding::META_REVISION, number(next.get()));
    engine.admit(&batch)?;
    engine.commit(batch, Durability::Synced)?;
    Ok(gaps)
}

/// Counts all namespaces again, marks rows without a namespace to be swept, and returns the next counters. Histories
/// may miss changes anywhere, so each namespace starts a new one, and dropped namespaces are purged.
pub(crate) fn rebuild_counters(
    engine: &dyn Engine,
    counters: Counters,
    now: Option<Timestamp>,
) -> Result<Counters> {
    let found = Rows::read(engine, counters)?;
    let mut next = Counters {
        revision: revision_after_gap(found.revision, now)?,
        namespace: found.namespace + COUNTER_GAP,
    };
    let mut fresh = || {
        next.namespace += 1;
        next.namespace
    };
    let mut batch = Batch::default();
    for id in &found.live {
        let meta = NamespaceMeta {
            counts: found.data.get(id).copied().unwrap_or_default(),
            history: fresh(),
            compacted_revision: next.revision,
            revision: next.revision,
        };
        let key = encoding::counts_key(*id);
        batch.put(Table::Meta, key, encoding::counts_value(&meta));
    }
    for name in &found.dropped {
        batch.remove(Table::Catalogue, name.clone());
    }
    purge_dropped(engine, &found, &mut batch)?;
    repair_deadlines(engine, &mut batch)?;
    let ids: HashSet<NamespaceId> = found.data.keys().chain(&found.histories).copied().collect();
    for id in ids {
        let is_live = found.live.contains(&id);
        if is_live && !found.histories.contains(&id) || found.swept.contains(&id) {
            continue;
        }
        let all = Swept {
            history: id,
            below: Revision::new(u64::MAX),
        };
        // The data of an existing namespace stays, even if a history with the same number is swept.
        let key = encoding::swept_key(if is_live { fresh() } else { id });
        batch.put(Table::Catalogue, key, encoding::swept_value(all));
    }
    let number = encoding::number_value;
    let revision = next.revision.get();
    batch.put(Table::Meta, encoding::META_FORMAT, number(encoding::FORMAT));
    batch.put(Table::Meta, encoding::META_REVISION, number(revision));
    batch.put(Table::Meta, encoding::META_PURGED, number(revision));
    batch.put(
        Table::Meta,
        encoding::META_NAMESPACE,
        number(next.namespace),
    );
    engine.admit(&batch)?;
    engine.commit(batch, Durability::Synced)?;
    Ok(next)
}

/// Removes the rows of dropped and unknown namespaces.
fn purge_dropped(engine: &dyn Engine, found: &Rows, batch: &mut Batch) -> Result<()> {
    each_row(engine, Table::Meta, |key, _| {
        let is_lost = encoding::counts_range().contains(key)
            && !found.live.contains(&encoding::parse_counts_key(key)?);
        if is_lost || encoding::dropped_range().contains(key) {
            batch.remove(Table::Meta, Bytes::copy_from_slice(key));
        }
        Ok(())
    })
}

/// Makes the rows of deadlines match the entries.
fn repair_deadlines(engine: &dyn Engine, batch: &mut Batch) -> Result<()> {
    let mut repairs = HashMap::new();
    each_row(engine, Table::Deadlines, |key, value| {
        let (deadline, id, name) = encoding::parse_deadline_key(Bytes::copy_from_slice(key))?;
        let row = engine.get(Table::Data, &encoding::data_key(id, name.as_bytes()))?;
        let stored = row.map(encoding::parse_stored).transpose()?;
        let matches = |entry: Entry| {
            entry.deadline == Some(deadline)
                && value == encoding::number_value(entry.revision.get())
        };
        if !stored.is_some_and(|stored| matches(stored.entry)) {
            repairs.insert(Bytes::copy_from_slice(key), None);
        }
        Ok(())
    })?;
    each_row(engine, Table::Data, |key, value| {
        let id = encoding::parse_id(key)?;
        if encoding::value_owner(id).is_some() {
            return Ok(());
        }
        let entry = encoding::parse_stored(value)?.entry;
        let Some(deadline) = entry.deadline else {
            return Ok(());
        };
        let row = encoding::deadline_key(deadline, id, &key[size_of::<NamespaceId>()..]);
        let value = encoding::number_value(entry.revision.get());
        if engine.get(Table::Deadlines, &row)?.as_ref() != Some(&value) {
            repairs.insert(row, Some(value));
        }
        Ok(())
    })?;
    for (row, value) in repairs {
        match value {
            Some(value) => batch.put(Table::Deadlines, row, value),
            None => batch.remove(Table::Deadlines, row),
        }
    }
    Ok(())
}

/// The namespaces and counters according to the rows.
struct Rows {
    revision: Revision,
    namespace: NamespaceId,
    /// The counts of each namespace's data.
    data: HashMap<NamespaceId, Counts>,
    histories: HashSet<HistoryId>,
    live: HashSet<NamespaceId>,
    dropped: Vec<Bytes>,
    swept: HashSet<NamespaceId>,
}

impl Rows {
    fn read(engine: &dyn Engine, counters: Counters) -> Result<Rows> {
        let mut found = Rows {
            revision: counters.revision,
            namespace: counters.namespace,
            data: HashMap::new(),
            histories: HashSet::new(),
            live: HashSet::new(),
            dropped: Vec::new(),
            swept: HashSet::new(),
        };
        each_row(engine, Table::Data, |key, value| {
            let id = encoding::parse_id(key)?;
            if let Some(id) = encoding::value_owner(id) {
                found.record(id, encoding::parse_value_row(&value)?.revision);
                // Where nothing else of it exists, it is swept.
                found.data.entry(id).or_default();
                return Ok(());
            }
            let stored = encoding::parse_stored(value)?;
            found.record(id, stored.entry.revision);
            let bytes = key.len() - size_of::<NamespaceId>() + stored.value_bytes();
            found.data.entry(id).or_default().add(bytes);
            Ok(())
        })?;
        each_row(engine, Table::History, |key, _| {
            let (history, revision) = encoding::parse_history_key(key)?;
            found.record(history, revision);
            found.histories.insert(history);
            Ok(())
        })?;
        each_row(engine, Table::Catalogue, |key, value| {
            if key < encoding::FIRST_NAME {
                let (id, swept) = encoding::parse_swept(key, &value)?;
                found.record(id.max(swept.history), Revision::ZERO);
                found.swept.insert(id);
                return Ok(());
            }
            match encoding::parse_catalogue(&value)? {
                CatalogueRow::Live(row) => {
                    found.record(row.id, Revision::ZERO);
                    found.live.insert(row.id);
                }
                CatalogueRow::Dropped(row) => {
                    found.record(row.history, row.revision);
                    found.dropped.push(Bytes::copy_from_slice(key));
                }
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn record(&mut self, id: NamespaceId, revision: Revision) {
        self.revision = self.revision.max(revision);
        self.namespace = self.namespace.max(id);
    }
}

fn each_row(
    engine: &dyn Engine,
    table: Table,
    mut visit: impl FnMut(&[u8], Bytes) -> Result<()>,
) -> Result<()> {
    let mut range = KeyRange {
        start: Bytes::new(),
        end: None,
    };
    loop {
        let page = engine.page(table, &range, PageLimit::rows(PAGE_ROWS))?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        range.start = successor(last);
        for (key, value) in page {
            visit(&key, value)?;
        }
    }
}

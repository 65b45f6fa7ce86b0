//! The expected state according to the catalogue and the counters.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::each_row;
use crate::encoding;
use crate::encoding::{CatalogueRow, HistoryId, NamespaceId, NamespaceMeta};
use crate::engine::{Snapshot, Table};
use crate::{Counts, Report, Revision};

/// The state that is known before data and histories are read.
#[derive(Default)]
pub(super) struct ExpectedState {
    pub(super) revision: Revision,
    namespace: NamespaceId,
    live: HashMap<NamespaceId, Live>,
    swept: HashSet<NamespaceId>,
    pub(super) histories: HashMap<HistoryId, History>,
}

/// An existing namespace.
#[derive(Default)]
struct Live {
    meta: Option<NamespaceMeta>,
    found: Counts,
}

/// A history that is kept or swept.
#[derive(Default)]
pub(super) struct History {
    /// Whether it is the history of a namespace, existing or dropped.
    pub(super) is_kept: bool,
    pub(super) compacted_revision: Revision,
    /// Older changes are swept.
    pub(super) swept_below: Revision,
    /// The number of changes that its namespace counts, if it is kept.
    pub(super) expected_changes: Option<u64>,
    pub(super) changes: u64,
    /// The revision of the row before.
    pub(super) newest: Revision,
}

/// The owner of an id.
pub(super) enum Owner {
    Live(NamespaceMeta),
    /// Its rows will be swept.
    Swept,
    Unknown,
}

impl ExpectedState {
    pub(super) fn read(snapshot: &dyn Snapshot, report: &mut Report<'_>) -> ExpectedState {
        let mut state = ExpectedState::default();
        state.read_numbers(snapshot, report);
        let mut dropped = HashMap::new();
        each_row(snapshot, Table::Catalogue, report, |key, value, report| {
            if let Err(how) = state.record_name(key, &value, &mut dropped) {
                report.row(Table::Catalogue, key, how);
            }
        });
        each_row(snapshot, Table::Meta, report, |key, value, report| {
            if let Err(how) = state.record_meta(key, &value, &mut dropped) {
                report.row(Table::Meta, key, how);
            }
        });
        for revision in dropped.keys() {
            let number = revision.get();
            report.rows(format!(
                "the namespace dropped at revision {number} is not in the list of dropped namespaces"
            ));
        }
        for (id, live) in &state.live {
            if live.meta.is_none() {
                report.rows(format!("the namespace with the id {id} has no counts"));
            }
        }
        state
    }

    fn read_numbers(&mut self, snapshot: &dyn Snapshot, report: &mut Report<'_>) {
        let mut number = |key: &[u8]| {
            let value = snapshot.get(Table::Meta, key);
            let read = value.and_then(|value| {
                value
                    .map(|value| encoding::parse_number(&value))
                    .transpose()
            });
            read.unwrap_or_else(|error| {
                report.row(Table::Meta, key, error.message());
                None
            })
        };
        self.revision = Revision::new(number(encoding::META_REVISION).unwrap_or_default());
        self.namespace = number(encoding::META_NAMESPACE).unwrap_or_default();
        if number(encoding::META_FORMAT).is_some_and(|found| found != encoding::FORMAT) {
            report.row(Table::Meta, encoding::META_FORMAT, "unknown format");
        }
    }

    fn record_name(
        &mut self,
        key: &[u8],
        value: &[u8],
        dropped: &mut HashMap<Revision, Bytes>,
    ) -> Result<(), String> {
        let text = |error: crate::Error| error.message().to_owned();
        if key < encoding::FIRST_NAME {
            let (id, swept) = encoding::parse_swept(key, value).map_err(text)?;
            self.swept.insert(id);
            let history = self.histories.entry(swept.history).or_default();
            history.swept_below = history.swept_below.max(swept.below);
            return self.check_id(id.max(swept.history));
        }
        encoding::parse_name(key).map_err(text)?;
        match encoding::parse_catalogue(value).map_err(text)? {
            CatalogueRow::Live(row) => {
                if self.live.insert(row.id, Live::default()).is_some() {
                    return Err("duplicate namespace id".into());
                }
                self.check_id(row.id)
            }
            CatalogueRow::Dropped(row) => {
                dropped.insert(row.revision, Bytes::copy_from_slice(key));
                let history = self.histories.entry(row.history).or_default();
                (history.is_kept, history.compacted_revision) = (true, row.compacted_revision);
                history.expected_changes = Some(row.changes);
                self.check_id(row.history)
            }
        }
    }

    fn check_id(&self, id: NamespaceId) -> Result<(), String> {
        match id > self.namespace {
            true => Err(format!("its id {id} is higher than the newest id")),
            false => Ok(()),
        }
    }

    fn record_meta(
        &mut self,
        key: &[u8],
        value: &[u8],
        dropped: &mut HashMap<Revision, Bytes>,
    ) -> Result<(), String> {
        let text = |error: crate::Error| error.message().to_owned();
        if encoding::counts_range().contains(key) {
            let id = encoding::parse_counts_key(key).map_err(text)?;
            let meta = encoding::parse_counts(value).map_err(text)?;
            return self.record_counts(id, meta);
        }
        if encoding::dropped_range().contains(key) {
            let revision = encoding::parse_dropped_key(key).map_err(text)?;
            return match dropped.remove(&revision) {
                Some(name) if value.get(8..) == Some(&name[..]) => Ok(()),
                _ => Err("no namespace was dropped at this revision".into()),
            };
        }
        if key == encoding::META_GAPS {
            let gaps = encoding::Gaps::parse(value).map_err(text)?;
            return match gaps.newest() > self.revision {
                true => Err("it names a revision higher than the newest".into()),
                false => Ok(()),
            };
        }
        let numbers = [
            encoding::META_FORMAT,
            encoding::META_REVISION,
            encoding::META_NAMESPACE,
            encoding::META_PURGED,
        ];
        match numbers.contains(&key) {
            true => Ok(()),
            false => Err("unknown row".into()),
        }
    }

    fn record_counts(&mut self, id: NamespaceId, meta: NamespaceMeta) -> Result<(), String> {
        let Some(live) = self.live.get_mut(&id) else {
            return Err(format!("unknown namespace id {id}"));
        };
        live.meta = Some(meta);
        let history = self.histories.entry(meta.history).or_default();
        (history.is_kept, history.compacted_revision) = (true, meta.compacted_revision);
        history.expected_changes = Some(meta.counts.history);
        self.check_id(meta.history)?;
        match meta.revision.max(meta.compacted_revision) > self.revision {
            true => Err("its revision is higher than the newest revision".into()),
            false => Ok(()),
        }
    }

    /// Returns the owner of an id.
    pub(super) fn owner(&self, id: NamespaceId) -> Owner {
        match self.live.get(&id) {
            Some(live) => Owner::Live(live.meta.unwrap_or_default()),
            None if self.swept.contains(&id) => Owner::Swept,
            None => Owner::Unknown,
        }
    }

    /// Records the counts of a namespace's data.
    pub(super) fn add(&mut self, id: Option<NamespaceId>, counts: Counts) {
        if let Some(live) = id.and_then(|id| self.live.get_mut(&id)) {
            live.found = counts;
        }
    }

    /// Returns the approximate number of rows that follow.
    pub(super) fn expected_rows(&self) -> u64 {
        let metas = self.live.values().filter_map(|live| live.meta);
        let counts = metas.map(|meta| meta.counts.keys + meta.counts.history);
        counts.sum::<u64>() + 2 * self.live.len() as u64
    }

    /// Reports counts that differ from the data.
    pub(super) fn compare_counts(&self, report: &mut Report<'_>) {
        for (id, live) in &self.live {
            let Some(meta) = live.meta else { continue };
            let (found, expected) = (live.found, meta.counts);
            if (found.keys, found.bytes) != (expected.keys, expected.bytes) {
                report.rows(format!(
                    "the namespace with the id {id} has {} keys of {} bytes, but its counts say {} of {}",
                    found.keys, found.bytes, expected.keys, expected.bytes
                ));
            }
        }
    }
}

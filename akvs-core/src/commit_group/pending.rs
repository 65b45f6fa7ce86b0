//! The namespaces of a group: each is evaluated (`evaluation`), and its changes are encoded as rows.

use std::sync::Arc;

use bytes::Bytes;

use super::context::Shared;
use crate::database::store_state::{NamespaceState, StoreState};
use crate::encoding;
use crate::encoding::{HistoryBlock, Live, NamespaceId, NamespaceMeta};
use crate::engine::{Batch, Table};
use crate::evaluation::{PendingEntry, PendingNamespace};
use crate::{Entry, Key, Namespace, Revision, SeparatedValue, StoredEntry, Timestamp};

/// A namespace as it will be after the commit.
pub(super) struct Pending {
    pub(super) namespace: PendingNamespace,
    pub(super) rows: NamespaceRows,
}

/// What the rows of a namespace have in addition to what is evaluated.
pub(super) struct NamespaceRows {
    pub(super) state: Arc<StoreState>,
    /// None where it was not opened by name; it can then not be dropped.
    pub(super) name: Option<Namespace>,
    pub(super) id: Option<NamespaceId>,
    /// The counters after the commit, other than the counts.
    pub(super) meta: NamespaceMeta,
    pub(super) committed: NamespaceMeta,
    /// The first row of the history, if known.
    pub(super) history_start: Option<Bytes>,
    /// The newest changes of its history.
    pub(super) history_block: HistoryBlock,
    /// Its row of the catalogue, if that is written.
    pub(super) catalogue_row: Option<Live>,
    /// The revision of the drop, if it is dropped.
    pub(super) dropped: Option<Revision>,
}

/// A changed entry, as readers will see it.
pub(super) type CommittedEntry = (NamespaceId, Key, Option<Entry>);

impl Pending {
    pub(super) fn new(
        state: &Arc<StoreState>,
        name: Option<Namespace>,
        current: NamespaceState,
    ) -> Pending {
        let id = state.id();
        Pending {
            namespace: PendingNamespace::new(id.is_some(), current.settings, current.meta.counts),
            rows: NamespaceRows {
                state: Arc::clone(state),
                name,
                id,
                committed: current.meta,
                meta: current.meta,
                history_start: current.history_start,
                history_block: HistoryBlock::default(),
                catalogue_row: None,
                dropped: None,
            },
        }
    }

    /// Returns the counters after the commit.
    pub(super) fn meta(&self) -> NamespaceMeta {
        NamespaceMeta {
            counts: self.namespace.counts(),
            ..self.rows.meta
        }
    }

    /// Returns the state after the commit.
    pub(super) fn into_state(self) -> NamespaceState {
        NamespaceState {
            meta: self.meta(),
            settings: self.namespace.settings(),
            history_start: self.rows.history_start,
        }
    }

    /// Writes the rows of the namespace, except for changes of its history that are written already, and adds the
    /// changed entries. Returns the earliest deadline of these.
    pub(super) fn write(
        &mut self,
        shared: &mut Shared<'_>,
        committed: &mut Vec<CommittedEntry>,
    ) -> Option<Timestamp> {
        let id = self.rows.id?;
        let earliest = self.write_entries(&mut shared.batch, id, committed);
        if let (Some(row), Some(name)) = (self.rows.catalogue_row, &self.rows.name) {
            shared.batch.put(
                Table::Catalogue,
                Bytes::copy_from_slice(name.as_str().as_bytes()),
                encoding::catalogue_value(&encoding::CatalogueRow::Live(row)),
            );
        }
        let meta = self.meta();
        if self.rows.dropped.is_some() {
            self.rows.write_drop(&mut shared.batch, id, &meta);
        } else if meta != self.rows.committed {
            shared.batch.put(
                Table::Meta,
                encoding::counts_key(id),
                encoding::counts_value(&meta),
            );
        }
        earliest
    }

    /// Writes the rows of the changed entries and of the newest changes.
    fn write_entries(
        &mut self,
        batch: &mut Batch,
        id: NamespaceId,
        committed: &mut Vec<CommittedEntry>,
    ) -> Option<Timestamp> {
        let entries = self.namespace.entries();
        let mut rows = Vec::with_capacity(entries.len());
        let mut earliest: Option<Timestamp> = None;
        for (key, slot) in entries.take() {
            let is_changed = slot.changed;
            if is_changed {
                let stored = slot.entry.as_ref();
                let deadline = stored.and_then(|stored| stored.entry.deadline);
                earliest = earliest.into_iter().chain(deadline).min();
                let entry = write_entry(slot, batch, id, &key);
                committed.push((id, key, entry));
            }
            // The last row that an entry writes is that of its data.
            rows.push(batch.len().checked_sub(1).filter(|_| is_changed));
        }
        let history = self.rows.meta.history;
        self.rows.history_block.write_after(batch, history, &rows);
        earliest
    }
}

/// Writes the rows of an entry, and returns the entry for the cache.
fn write_entry(slot: PendingEntry, batch: &mut Batch, id: NamespaceId, key: &Key) -> Option<Entry> {
    let stored = slot.entry.as_ref();
    let deadline = stored.and_then(|stored| stored.entry.deadline);
    if let Some(old) = slot
        .committed_deadline
        .filter(|_| slot.committed_deadline != deadline)
    {
        batch.remove(
            Table::Deadlines,
            encoding::deadline_key(old, id, key.as_bytes()),
        );
    }
    let is_separated = stored.is_some_and(|stored| {
        stored.separated.is_some() || stored.entry.value.len() >= encoding::MIN_SEPARATED_BYTES
    });
    if slot.committed_separated && !is_separated {
        batch.remove(Table::Data, encoding::value_key(id, key.as_bytes()));
    }
    let row_key = encoding::data_key(id, key.as_bytes());
    let Some(stored) = slot.entry else {
        batch.remove(Table::Data, row_key);
        return None;
    };
    if let Some(deadline) = deadline {
        let row = encoding::deadline_key(deadline, id, key.as_bytes());
        let revision = stored.entry.revision.get();
        batch.put(Table::Deadlines, row, encoding::number_value(revision));
    }
    if is_separated {
        return write_separated(
            stored,
            batch,
            row_key,
            encoding::value_key(id, key.as_bytes()),
        );
    }
    let (row, entry) = encoding::data_value(&stored.entry);
    batch.put(Table::Data, row_key, row);
    Some(entry)
}

/// Writes an entry and, if it has none yet, the row of its separated value. Returns the entry if its value is loaded.
fn write_separated(
    stored: StoredEntry,
    batch: &mut Batch,
    row_key: Bytes,
    value_key: Bytes,
) -> Option<Entry> {
    let StoredEntry {
        mut entry,
        separated,
    } = stored;
    let separated = separated.unwrap_or_else(|| {
        let separated = SeparatedValue {
            revision: entry.revision,
            bytes: entry.value.len() as u64,
        };
        let row = encoding::value_row(separated.revision, &entry.value);
        entry.value = row.slice(row.len() - entry.value.len()..);
        batch.put(Table::Data, value_key, row);
        separated
    });
    batch.put(
        Table::Data,
        row_key,
        encoding::separated_data_value(&entry, separated),
    );
    entry.representation = entry.representation.detached();
    (entry.value.len() as u64 == separated.bytes).then_some(entry)
}

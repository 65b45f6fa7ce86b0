//! The pending state of a group: of namespaces and entries, as they will be after the commit.
//!
//! It encodes entries as rows. It evaluates nothing.

use std::sync::Arc;

use bytes::Bytes;
use foldhash::HashMap;

use crate::database::store_state::{NamespaceState, StoreState};
use crate::encoding;
use crate::encoding::{HistoryBlock, Live, NamespaceId, NamespaceMeta, SeparatedValue, Stored};
use crate::engine::{Batch, Table};
use crate::{Counts, Entry, Key, Namespace, Result, Revision, Timestamp};

/// A namespace as it will be after the commit.
pub(super) struct Pending {
    pub(super) state: Arc<StoreState>,
    /// None where it was not opened by name; it can then not be dropped.
    pub(super) name: Option<Namespace>,
    pub(super) id: Option<NamespaceId>,
    pub(super) updated: NamespaceState,
    pub(super) committed: NamespaceMeta,
    pub(super) entries: PendingEntries,
    /// The newest changes of its history.
    pub(super) history_block: HistoryBlock,
    /// Its row of the catalogue, if that is written.
    pub(super) catalogue_row: Option<Live>,
    /// The revision of the drop, if it is dropped.
    pub(super) dropped: Option<Revision>,
}

impl Pending {
    /// Returns the counts after these changes, each of an entry by its place.
    pub(super) fn counts_with<'a>(
        &self,
        changes: impl Iterator<Item = (usize, Option<&'a Stored>)>,
    ) -> Counts {
        let mut counts = self.updated.meta.counts;
        for (place, entry) in changes {
            let (key, before) = self.entries.get(place);
            let size = |entry: &Stored| key.as_bytes().len() + entry.value_bytes();
            if let Some(before) = &before.entry {
                counts.remove(size(before));
            }
            if let Some(entry) = entry {
                counts.add(size(entry));
            }
        }
        counts
    }

    /// Writes the rows of the changed entries and of the newest changes, and returns the entries that readers will see.
    pub(super) fn write_entries(
        &mut self,
        batch: &mut Batch,
        id: NamespaceId,
    ) -> Vec<(Key, Option<Entry>)> {
        let mut written = Vec::new();
        let mut rows = Vec::with_capacity(self.entries.len());
        for (key, slot) in self.entries.take() {
            let is_changed = slot.changed;
            if is_changed {
                let entry = slot.write(batch, id, &key);
                written.push((key, entry));
            }
            // The last row that an entry writes is that of its data.
            rows.push(batch.len().checked_sub(1).filter(|_| is_changed));
        }
        let history = self.updated.meta.history;
        self.history_block.write_after(batch, history, &rows);
        written
    }
}

/// The entries of a namespace that a group has read or changed. Each has a place, so that a key is looked up once for an
/// operation.
#[derive(Default)]
pub(super) struct PendingEntries {
    entries: Vec<(Key, PendingEntry)>,
    places: HashMap<Key, usize>,
}

impl PendingEntries {
    /// Returns the place of a key; a new entry is read by `read`.
    pub(super) fn place(
        &mut self,
        key: &Key,
        read: impl FnOnce() -> Result<PendingEntry>,
    ) -> Result<usize> {
        if let Some(place) = self.places.get(key) {
            return Ok(*place);
        }
        let (entry, place) = (read()?, self.entries.len());
        self.entries.push((key.clone(), entry));
        self.places.insert(key.clone(), place);
        Ok(place)
    }

    /// Returns a key and its entry.
    pub(super) fn get(&self, place: usize) -> (&Key, &PendingEntry) {
        let (key, entry) = &self.entries[place];
        (key, entry)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> &mut PendingEntry {
        &mut self.entries[place].1
    }

    pub(super) fn clear(&mut self) {
        *self = PendingEntries::default();
    }

    /// Returns the number of entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes out the entries, in the order of their places.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Key, PendingEntry)> + use<> {
        std::mem::take(self).entries.into_iter()
    }
}

/// An entry as it will be after the commit.
pub(super) struct PendingEntry {
    pub(super) committed_deadline: Option<Timestamp>,
    /// Whether the committed entry has a separated value.
    pub(super) committed_separated: bool,
    /// The pending entry. A separated value keeps its row, and may be loaded as well.
    pub(super) entry: Option<Stored>,
    pub(super) changed: bool,
}

impl PendingEntry {
    /// Returns a committed entry, or a missing one.
    pub(super) fn committed(entry: Option<Stored>) -> PendingEntry {
        let stored = entry.as_ref();
        PendingEntry {
            committed_deadline: stored.and_then(|stored| stored.entry.deadline),
            committed_separated: stored.is_some_and(|stored| stored.separated.is_some()),
            entry,
            changed: false,
        }
    }

    /// Forgets the value, where that can be read again.
    pub(super) fn unload(&mut self) {
        if let Some(stored) = &mut self.entry
            && stored.separated.is_some()
        {
            stored.entry.value = Bytes::new();
        }
    }

    /// Writes the rows of the entry, and returns the entry for the cache.
    pub(super) fn write(self, batch: &mut Batch, id: NamespaceId, key: &Key) -> Option<Entry> {
        let stored = self.entry.as_ref();
        let deadline = stored.and_then(|stored| stored.entry.deadline);
        if let Some(old) = self
            .committed_deadline
            .filter(|_| self.committed_deadline != deadline)
        {
            batch.remove(
                Table::Deadlines,
                encoding::deadline_key(old, id, key.as_bytes()),
            );
        }
        let is_separated = stored.is_some_and(|stored| {
            stored.separated.is_some() || stored.entry.value.len() >= encoding::MIN_SEPARATED_BYTES
        });
        if self.committed_separated && !is_separated {
            batch.remove(Table::Data, encoding::value_key(id, key.as_bytes()));
        }
        let row_key = encoding::data_key(id, key.as_bytes());
        let Some(stored) = self.entry else {
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
}

/// Writes an entry and, if it has none yet, the row of its separated value. Returns the entry if its value is loaded.
fn write_separated(
    stored: Stored,
    batch: &mut Batch,
    row_key: Bytes,
    value_key: Bytes,
) -> Option<Entry> {
    let Stored {
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

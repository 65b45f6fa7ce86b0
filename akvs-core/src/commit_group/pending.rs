//! The pending state of a group: of namespaces and entries, as they will be after the commit.
//!
//! It encodes entries as rows. It evaluates nothing.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::database::store_state::{NamespaceState, StoreState};
use crate::encoding;
use crate::encoding::{Live, NamespaceId, NamespaceMeta, SeparatedValue, Stored};
use crate::engine::{Batch, Table};
use crate::{Counts, Entry, Key, Namespace, Revision, Timestamp};

/// A namespace as it will be after the commit.
pub(super) struct Pending {
    pub(super) state: Arc<StoreState>,
    /// None where it was not opened by name; it can then not be dropped.
    pub(super) name: Option<Namespace>,
    pub(super) id: Option<NamespaceId>,
    pub(super) updated: NamespaceState,
    pub(super) committed: NamespaceMeta,
    pub(super) entries: HashMap<Key, PendingEntry>,
    /// Its row of the catalogue, if that is written.
    pub(super) catalogue_row: Option<Live>,
    /// The revision of the drop, if it is dropped.
    pub(super) dropped: Option<Revision>,
}

impl Pending {
    /// Returns the counts after these changes.
    pub(super) fn counts_with<'a>(
        &self,
        changes: impl Iterator<Item = (&'a Key, Option<&'a Stored>)>,
    ) -> Counts {
        let mut counts = self.updated.meta.counts;
        for (key, entry) in changes {
            let size = |entry: &Stored| key.as_bytes().len() + entry.value_bytes();
            let before = self.entries.get(key);
            if let Some(before) = before.and_then(|pending| pending.entry.as_ref()) {
                counts.remove(size(before));
            }
            if let Some(entry) = entry {
                counts.add(size(entry));
            }
        }
        counts
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
    /// Returns an entry that does not exist and is not committed either.
    pub(super) fn absent() -> PendingEntry {
        PendingEntry::committed(None)
    }

    /// Returns a committed entry.
    pub(super) fn committed(entry: Option<Stored>) -> PendingEntry {
        let stored = entry.as_ref();
        PendingEntry {
            committed_deadline: stored.and_then(|stored| stored.entry.deadline),
            committed_separated: stored.is_some_and(|stored| stored.separated.is_some()),
            entry,
            changed: false,
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

//! What a group holds until it is committed: the state that its namespaces will be in, entry by entry.
//!
//! It knows which rows an entry becomes. It judges nothing, and decides nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::engine::rows::{self, Live, NamespaceId, Tally};
use crate::engine::{Batch, Table};
use crate::store::{Known, StoreState};
use crate::{Counts, Entry, Key, Namespace, Revision, Timestamp};

/// A namespace as it will be once the group is committed.
pub(super) struct Pending {
    pub(super) state: Arc<StoreState>,
    /// None where it was not opened by name, and so cannot be dropped.
    pub(super) name: Option<Namespace>,
    pub(super) id: Option<NamespaceId>,
    pub(super) known: Known,
    pub(super) committed: Tally,
    pub(super) entries: HashMap<Key, PendingEntry>,
    /// Its row of the catalogue, where it is to be written.
    pub(super) written: Option<Live>,
    /// The revision at which it is dropped, if it is.
    pub(super) dropped: Option<Revision>,
}

impl Pending {
    /// What it holds once these are there instead of what there is.
    pub(super) fn counts_with<'a>(
        &self,
        changes: impl Iterator<Item = (&'a Key, Option<&'a Entry>)>,
    ) -> Counts {
        let mut counts = self.known.tally.counts;
        for (key, entry) in changes {
            let size = |entry: &Entry| key.as_bytes().len() + entry.value.len();
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

pub(super) struct PendingEntry {
    pub(super) committed_deadline: Option<Timestamp>,
    pub(super) entry: Option<Entry>,
    pub(super) changed: bool,
}

impl PendingEntry {
    /// Nothing, which was never stored either.
    pub(super) fn absent() -> PendingEntry {
        PendingEntry {
            committed_deadline: None,
            entry: None,
            changed: false,
        }
    }

    /// Writes the rows of the entry, and gives it back as it is to be cached.
    pub(super) fn write(self, batch: &mut Batch, id: NamespaceId, key: &Key) -> Option<Entry> {
        let deadline = self.entry.as_ref().and_then(|entry| entry.deadline);
        if let Some(old) = self
            .committed_deadline
            .filter(|_| self.committed_deadline != deadline)
        {
            batch.remove(
                Table::Deadlines,
                rows::deadline_key(old, id, key.as_bytes()),
            );
        }
        let Some(entry) = self.entry else {
            batch.remove(Table::Data, rows::data_key(id, key.as_bytes()));
            return None;
        };
        if let Some(deadline) = deadline {
            let row = rows::deadline_key(deadline, id, key.as_bytes());
            batch.put(
                Table::Deadlines,
                row,
                rows::number_value(entry.revision.get()),
            );
        }
        let (row, stored) = rows::data_value(&entry);
        batch.put(Table::Data, rows::data_key(id, key.as_bytes()), row);
        Some(stored)
    }
}

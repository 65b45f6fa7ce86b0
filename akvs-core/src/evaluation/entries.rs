//! The entries of a namespace that were read or changed.

use bytes::Bytes;
use foldhash::HashMap;

use crate::{Counts, Key, Result, StoredEntry, Timestamp};

/// The entries of a namespace that were read or changed. Each has a place, so that a key is looked up once for an
/// operation.
#[derive(Default)]
pub(crate) struct PendingEntries {
    entries: Vec<(Key, PendingEntry)>,
    places: HashMap<Key, usize>,
}

impl PendingEntries {
    /// Returns the place of a key; a new entry is read by `read`.
    pub(super) fn place(
        &mut self,
        key: &Key,
        read: impl FnOnce() -> Result<Option<StoredEntry>>,
    ) -> Result<usize> {
        if let Some(place) = self.places.get(key) {
            return Ok(*place);
        }
        let (entry, place) = (PendingEntry::committed(read()?), self.entries.len());
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
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes out the entries, in the order of their places.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (Key, PendingEntry)> + use<> {
        std::mem::take(self).entries.into_iter()
    }

    /// Returns these counts after changes, each of an entry by its place.
    pub(super) fn counts_after<'a>(
        &self,
        mut counts: Counts,
        changes: impl Iterator<Item = (usize, Option<&'a StoredEntry>)>,
    ) -> Counts {
        for (place, entry) in changes {
            let (key, before) = self.get(place);
            let size = |entry: &StoredEntry| key.as_bytes().len() + entry.value_bytes();
            if let Some(before) = &before.entry {
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
pub(crate) struct PendingEntry {
    pub(crate) committed_deadline: Option<Timestamp>,
    /// Whether the value of the committed entry is stored apart.
    pub(crate) committed_separated: bool,
    /// The pending entry. A value that is stored apart may be loaded as well.
    pub(crate) entry: Option<StoredEntry>,
    pub(crate) changed: bool,
}

impl PendingEntry {
    /// Returns a committed entry, or a missing one.
    fn committed(entry: Option<StoredEntry>) -> PendingEntry {
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
}

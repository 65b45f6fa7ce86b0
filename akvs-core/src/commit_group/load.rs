//! The committed state that a group reads before it evaluates an operation: of namespaces, and of entries.

use std::sync::Arc;

use super::CommitGroup;
use super::pending::{Pending, PendingEntries, PendingEntry};
use crate::database::store_state::{NamespaceState, StoreState};
use crate::database::{Database, Writer};
use crate::encoding;
use crate::encoding::{HistoryBlock, NamespaceId, Stored};
use crate::store::Store;
use crate::{Code, Error, Key, Namespace, Result};

impl CommitGroup<'_> {
    /// Returns the index of the namespace's pending state.
    pub(super) fn pending(&mut self, store: &Store) -> Result<usize> {
        let was_dropped = || Error::new(Code::Unavailable, "the namespace was dropped");
        let state = store.state();
        let address = Arc::as_ptr(state) as usize;
        if let Some(at) = self.index.get(&address) {
            return if self.stores[*at].dropped.is_some() {
                Err(was_dropped())
            } else {
                Ok(*at)
            };
        }
        if state.is_dropped() {
            return Err(was_dropped());
        }
        if self.names.contains(store.name()) {
            return Err(opened_twice());
        }
        // No state is added before this has succeeded.
        let current = self.namespace_state(state)?;
        self.names.insert(store.name().clone());
        Ok(self.push(state, Some(store.name().clone()), current))
    }

    /// Returns the state of a namespace: from memory, or from the engine, where it may be newer than what was read when
    /// the store was opened.
    fn namespace_state(&self, state: &Arc<StoreState>) -> Result<NamespaceState> {
        match state.id() {
            Some(id) if !self.writer.is_loaded(id, state) => Ok(NamespaceState {
                meta: self.database.meta(id)?,
                history_start: None,
                ..state.namespace_state()
            }),
            _ => Ok(state.namespace_state()),
        }
    }

    pub(super) fn push(
        &mut self,
        state: &Arc<StoreState>,
        name: Option<Namespace>,
        current: NamespaceState,
    ) -> usize {
        let address = Arc::as_ptr(state) as usize;
        self.stores.push(Pending {
            state: Arc::clone(state),
            name,
            id: state.id(),
            committed: current.meta,
            updated: current,
            entries: PendingEntries::default(),
            history_block: HistoryBlock::default(),
            catalogue_row: None,
            dropped: None,
        });
        self.index.insert(address, self.stores.len() - 1);
        self.stores.len() - 1
    }

    /// Loads the committed entry of a key, if any, with its value if `wants_value` is set. Returns its place in the
    /// namespace's pending entries.
    pub(super) fn load(&mut self, at: usize, key: &Key, wants_value: bool) -> Result<usize> {
        let database = self.database;
        let pending = &mut self.stores[at];
        let id = pending.id;
        let place = pending.entries.place(key, || {
            let committed = match id {
                Some(id) => committed_entry(database, id, key.as_bytes())?,
                None => None,
            };
            Ok(PendingEntry::committed(committed))
        })?;
        let slot = pending.entries.get_mut(place);
        if let (Some(id), Some(stored)) = (id, &mut slot.entry)
            && wants_value
            && stored.entry.value.len() != stored.value_bytes()
        {
            stored.entry.value = database.value(id, key.as_bytes(), stored.clone())?;
        }
        Ok(place)
    }
}

/// Returns the committed entry; without its value where that is separated and not in the cache.
fn committed_entry(database: &Database, id: NamespaceId, key: &[u8]) -> Result<Option<Stored>> {
    let cached = database.cached(id, key);
    if let Some(entry) = &cached
        && entry.value.len() < encoding::MIN_SEPARATED_BYTES
    {
        let entry = entry.clone();
        return Ok(Some(Stored {
            entry,
            separated: None,
        }));
    }
    let mut stored = database.stored(id, key)?;
    if let (Some(stored), Some(cached)) = (&mut stored, cached)
        && stored.separated.is_some()
        && stored.entry.revision == cached.revision
    {
        stored.entry.value = cached.value;
    }
    Ok(stored)
}

impl Writer {
    fn is_loaded(&self, id: NamespaceId, state: &Arc<StoreState>) -> bool {
        let loaded = self.loaded.get(&id);
        loaded.is_some_and(|loaded| loaded.as_ptr() == Arc::as_ptr(state))
    }

    /// Remembers the states that are in memory, and forgets those without an open store.
    pub(super) fn note_loaded(&mut self, pending: &Pending) {
        let Some(id) = pending.id else { return };
        if pending.dropped.is_some() {
            self.loaded.remove(&id);
            return;
        }
        if self.loaded.len() == self.loaded.capacity() {
            self.loaded.retain(|_, state| state.strong_count() > 0);
        }
        self.loaded.insert(id, Arc::downgrade(&pending.state));
    }
}

pub(super) fn opened_twice() -> Error {
    Error::new(Code::Unavailable, "the namespace was opened twice")
}

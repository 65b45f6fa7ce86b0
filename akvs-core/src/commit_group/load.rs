//! The namespaces of a group, whose committed state is read before a change to them is evaluated.

use std::sync::Arc;

use super::CommitGroup;
use super::context::GroupContext;
use super::pending::Pending;
use crate::database::Writer;
use crate::database::store_state::{NamespaceState, StoreState};
use crate::encoding::NamespaceId;
use crate::evaluation::PendingNamespace;
use crate::store::Store;
use crate::{Code, Error, Namespace, Result};

impl CommitGroup<'_> {
    /// Returns the index of the namespace's pending state.
    pub(super) fn pending(&mut self, store: &Store) -> Result<usize> {
        let was_dropped = || Error::new(Code::Unavailable, "the namespace was dropped");
        let state = store.state();
        let address = Arc::as_ptr(state) as usize;
        if let Some(at) = self.index.get(&address) {
            return if self.stores[*at].namespace.is_dropped() {
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
            Some(id) if !self.shared.writer.is_loaded(id, state) => Ok(NamespaceState {
                meta: self.shared.database.meta(id)?,
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
        self.stores.push(Pending::new(state, name, current));
        self.index.insert(address, self.stores.len() - 1);
        self.stores.len() - 1
    }

    /// Evaluates changes to a namespace, by its index.
    pub(super) fn evaluate<T>(
        &mut self,
        at: usize,
        run: impl FnOnce(&mut PendingNamespace, &mut GroupContext<'_, '_>) -> Result<T>,
    ) -> Result<T> {
        let Pending { namespace, rows } = &mut self.stores[at];
        let before = namespace.produced_bytes();
        let mut context = GroupContext {
            shared: &mut self.shared,
            rows,
        };
        let result = run(namespace, &mut context);
        self.shared.produced_bytes += namespace.produced_bytes() - before;
        result
    }
}

impl Writer {
    fn is_loaded(&self, id: NamespaceId, state: &Arc<StoreState>) -> bool {
        let loaded = self.loaded.get(&id);
        loaded.is_some_and(|loaded| loaded.as_ptr() == Arc::as_ptr(state))
    }

    /// Remembers the states that are in memory, and forgets those without an open store.
    pub(super) fn note_loaded(&mut self, pending: &Pending) {
        let Some(id) = pending.rows.id else { return };
        if pending.namespace.is_dropped() {
            self.loaded.remove(&id);
            return;
        }
        if self.loaded.len() == self.loaded.capacity() {
            self.loaded.retain(|_, state| state.strong_count() > 0);
        }
        self.loaded.insert(id, Arc::downgrade(&pending.rows.state));
    }
}

pub(super) fn opened_twice() -> Error {
    Error::new(Code::Unavailable, "the namespace was opened twice")
}

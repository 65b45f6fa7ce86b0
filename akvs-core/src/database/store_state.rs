//! The state of a namespace that its open stores and the committer share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::Settings;
use crate::encoding::{NamespaceId, NamespaceMeta};

/// The state of a namespace while a store of it is open.
pub(crate) struct StoreState {
    /// `UNCREATED` until the first change is committed, `DROPPED` after a drop.
    id: AtomicU64,
    state: Mutex<NamespaceState>,
}

/// The state of a namespace, without its rows.
#[derive(Clone, Default)]
pub(crate) struct NamespaceState {
    pub(crate) meta: NamespaceMeta,
    pub(crate) settings: Settings,
    /// The first row of the history, if known.
    pub(crate) history_start: Option<Bytes>,
}

impl NamespaceState {
    pub(crate) fn new(meta: NamespaceMeta, settings: Settings) -> NamespaceState {
        NamespaceState {
            meta,
            settings,
            history_start: None,
        }
    }
}

impl StoreState {
    pub(crate) const UNCREATED: NamespaceId = 0;
    pub(crate) const DROPPED: NamespaceId = NamespaceId::MAX;

    pub(crate) fn new(id: NamespaceId, state: NamespaceState) -> StoreState {
        StoreState {
            id: AtomicU64::new(id),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn id(&self) -> Option<NamespaceId> {
        match self.id.load(Ordering::Acquire) {
            StoreState::UNCREATED | StoreState::DROPPED => None,
            id => Some(id),
        }
    }

    pub(crate) fn is_dropped(&self) -> bool {
        self.id.load(Ordering::Acquire) == StoreState::DROPPED
    }

    pub(crate) fn namespace_state(&self) -> NamespaceState {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clone()
    }

    /// Takes over the committed state of a group.
    pub(crate) fn commit(&self, id: NamespaceId, state: NamespaceState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.id.store(id, Ordering::Release);
    }
}

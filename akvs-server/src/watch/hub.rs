//! The change buffers of all watched namespaces, and how the committer publishes to them.
//!
//! A namespace is watched by name and need not exist; its changes are identified by its history. Invariant: the
//! committer publishes every commit after it adopted a buffer, and the buffer's watchers find earlier ones in the
//! history.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use akvs_core::{Code, CommitSummary, Database, Error, Event, HistoryId, Namespace, Result};

use super::change_buffer::ChangeBuffer;
use crate::resources::Resources;

/// The number of buffers from which those without watchers are removed.
const SWEEP_AT: usize = 64;

/// The change buffers of all watched namespaces.
#[derive(Default)]
pub(crate) struct WatchHub {
    state: Mutex<HubState>,
    /// Whether there is a buffer that the committer has not adopted.
    fresh: AtomicBool,
    held: Arc<AtomicUsize>,
}

#[derive(Default)]
struct HubState {
    by_name: HashMap<Namespace, Weak<ChangeBuffer>>,
    fresh: Vec<Weak<ChangeBuffer>>,
    sweep_at: usize,
    closed: bool,
}

impl WatchHub {
    /// Returns the buffer of a namespace; fails with `closing` after the hub was closed.
    pub(super) fn buffer(
        &self,
        resources: &Resources,
        name: &Namespace,
    ) -> Result<Arc<ChangeBuffer>> {
        let mut state = self.state();
        if state.closed {
            return Err(
                Error::new(Code::Closing, "the server is stopping").with("retry_after_s", 1)
            );
        }
        if let Some(buffer) = state.by_name.get(name).and_then(Weak::upgrade) {
            return Ok(buffer);
        }
        if state.by_name.len() >= state.sweep_at.max(SWEEP_AT) {
            state.by_name.retain(|_, buffer| buffer.strong_count() > 0);
            state.sweep_at = 2 * state.by_name.len();
        }
        let buffer = Arc::new(ChangeBuffer::new(
            name.clone(),
            Arc::clone(&resources.snapshots),
            resources.reads.clone(),
            Arc::clone(&self.held),
        ));
        state.by_name.insert(name.clone(), Arc::downgrade(&buffer));
        state.fresh.push(Arc::downgrade(&buffer));
        self.fresh.store(true, Ordering::Release);
        Ok(buffer)
    }

    /// Ends all buffers, and rejects new ones.
    pub(crate) fn close(&self) {
        let hub = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.by_name)
        };
        for buffer in hub.values().filter_map(Weak::upgrade) {
            buffer.end();
        }
    }

    /// Returns whether there are watches of a namespace.
    pub(crate) fn is_watched(&self, name: &Namespace) -> bool {
        let state = self.state();
        let buffer = state.by_name.get(name);
        buffer.is_some_and(|buffer| buffer.strong_count() > 0)
    }

    /// Forgets a buffer: the next watch of its namespace gets another one.
    pub(crate) fn forget(&self, buffer: &Arc<ChangeBuffer>) {
        let mut state = self.state();
        let current = state.by_name.get(buffer.name()).and_then(Weak::upgrade);
        if current.is_some_and(|current| Arc::ptr_eq(&current, buffer)) {
            state.by_name.remove(buffer.name());
        }
    }

    /// Takes the new buffers that were started, with their namespaces.
    pub(crate) fn take_started(&self) -> Vec<(Namespace, Weak<ChangeBuffer>)> {
        let mut started = Vec::new();
        self.state().fresh.retain(|buffer| {
            let Some(live) = buffer.upgrade() else {
                return false;
            };
            let is_started = live.is_started();
            if is_started {
                started.push((live.name().clone(), Weak::clone(buffer)));
            }
            !is_started
        });
        started
    }

    fn take_fresh(&self) -> Vec<Weak<ChangeBuffer>> {
        if !self.fresh.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut self.state().fresh)
    }

    fn state(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The buffers that the committer publishes to.
pub(crate) struct Publisher {
    hub: Arc<WatchHub>,
    by_history: HashMap<HistoryId, Weak<ChangeBuffer>>,
    /// Buffers of namespaces that have no history yet.
    uncreated: HashMap<Namespace, Weak<ChangeBuffer>>,
    sweep_at: usize,
}

impl Publisher {
    /// Creates a publisher without buffers.
    pub(crate) fn new(hub: Arc<WatchHub>) -> Publisher {
        Publisher {
            hub,
            by_history: HashMap::new(),
            uncreated: HashMap::new(),
            sweep_at: 0,
        }
    }

    /// Adopts new buffers; returns whether there are any buffers, so that the commit must record its changes. Must be
    /// called before and after each commit: the watchers of a buffer find what was committed in between in the history.
    pub(crate) fn adopt_buffers(&mut self, database: &Database) -> bool {
        for buffer in self.hub.take_fresh() {
            let Some(live) = buffer.upgrade() else {
                continue;
            };
            match database.history_id(live.name()) {
                Ok(Some(history)) => drop(self.by_history.insert(history, buffer)),
                Ok(None) => drop(self.uncreated.insert(live.name().clone(), buffer)),
                Err(error) => {
                    log::error!("cannot watch namespace {}: {error}", live.name());
                    live.end();
                    continue;
                }
            }
            live.start(database.revision());
        }
        let len = self.by_history.len() + self.uncreated.len();
        if len >= self.sweep_at.max(SWEEP_AT) {
            self.by_history
                .retain(|_, buffer| buffer.strong_count() > 0);
            self.uncreated.retain(|_, buffer| buffer.strong_count() > 0);
            self.sweep_at = 2 * (self.by_history.len() + self.uncreated.len());
        }
        len > 0
    }

    /// Publishes a commit to the watchers.
    pub(crate) fn publish(&mut self, committed: CommitSummary) {
        for (name, history) in committed.created {
            if let Some(buffer) = self.uncreated.remove(&name) {
                self.by_history.insert(history, buffer);
            }
        }
        for (buffer, events) in self.by_buffer(committed.events) {
            buffer.publish(events);
        }
        for history in committed.purged {
            // The name starts again with another history.
            if let Some(buffer) = self.by_history.remove(&history)
                && let Some(live) = buffer.upgrade()
            {
                self.uncreated.insert(live.name().clone(), buffer);
            }
        }
    }

    fn by_buffer(&self, events: Vec<(HistoryId, Event)>) -> Vec<(Arc<ChangeBuffer>, Vec<Event>)> {
        let mut indexes = HashMap::new();
        let mut found: Vec<(Arc<ChangeBuffer>, Vec<Event>)> = Vec::new();
        for (history, event) in events {
            let index = *indexes.entry(history).or_insert_with(|| {
                let buffer = self.by_history.get(&history)?.upgrade()?;
                found.push((buffer, Vec::new()));
                Some(found.len() - 1)
            });
            if let Some(index) = index {
                found[index].1.push(event);
            }
        }
        found
    }
}

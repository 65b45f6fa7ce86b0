//! A cache of pages of the stored history, so that each is read once for all watches of a namespace.
//!
//! A burst of changes pushes many watchers out of the ring at the same time. The page that one of them reads serves all
//! others: those that need it while it is read wait for it, and the newest pages are kept.
//!
//! Invariant: a page has all changes of all keys after its first revision and up to its last. It has the newest
//! revision of the state that it was read from, so that a watcher knows whether more follow.

use std::collections::VecDeque;
use std::sync::Arc;

use akvs_core::{Event, EventKind, Namespace, NamespaceSnapshot, Result, Revision};
use tokio::sync::OnceCell;

use super::catch_up::PAGE_LIMIT;
use super::shared_event::{Filter, MAX_INLINE_VALUE_BYTES, SharedEvent};
use crate::resources::Snapshots;

/// The maximum number of pages that are kept or being read, and their bytes.
const MAX_PAGES: usize = 64;
const MAX_BYTES: usize = 2 << 20;
/// A page ends when the values that were loaded for it have this number of bytes.
const VALUE_BYTES: usize = 256 << 10;

/// The changes after one revision and up to another.
pub(super) struct HistoryPage {
    after: Revision,
    pub(super) until: Revision,
    /// The newest revision when the page was read.
    pub(super) newest: Revision,
    changes: Vec<Arc<SharedEvent>>,
    /// Whether it has the values that the history does not store.
    has_values: bool,
    bytes: usize,
}

impl HistoryPage {
    /// Reads the changes after a revision; with their values if `values` is set.
    pub(super) fn read(
        snapshots: &dyn Snapshots,
        name: &Namespace,
        after: Revision,
        values: bool,
    ) -> Result<HistoryPage> {
        let snapshot = snapshots.namespace_snapshot(name)?;
        let mut changes = snapshot.changes(after, PAGE_LIMIT, false)?;
        if values && let Some(count) = load_values(&snapshot, &mut changes.events)? {
            changes.events.truncate(count);
            let last = changes.events.last().map(|event| event.revision);
            changes.until = last.unwrap_or(changes.until);
        }
        let bytes = changes.events.iter().map(Event::bytes).sum();
        let shared = changes.events.into_iter().map(SharedEvent::new);
        Ok(HistoryPage {
            after,
            has_values: values,
            until: changes.until,
            newest: snapshot.revision(),
            changes: shared.map(Arc::new).collect(),
            bytes,
        })
    }

    /// Returns its changes after a revision.
    pub(super) fn after(&self, revision: Revision) -> &[Arc<SharedEvent>] {
        let first = self
            .changes
            .partition_point(|change| change.event().revision <= revision);
        &self.changes[first..]
    }

    /// Returns the last revision before the first matching change without a value; none if there is no such change.
    pub(super) fn before_value(&self, position: Revision, filter: &Filter) -> Option<Revision> {
        let changes = self.after(position);
        let lacks =
            |change: &Arc<SharedEvent>| change.lacks_value() && filter.matches(change.event());
        let first = changes.iter().find(|change| lacks(change))?;
        let first = first.event().revision;
        let before = changes.iter().map(|change| change.event().revision);
        let before = before.take_while(|revision| *revision < first).last();
        Some(before.unwrap_or(position))
    }

    /// Returns whether it has all changes up to the newest revision of its state.
    pub(super) fn is_end(&self) -> bool {
        self.until >= self.newest
    }
}

/// Loads values until they reach the size of a page; returns the number of changes of the page, unless it has all.
fn load_values(snapshot: &NamespaceSnapshot, events: &mut [Event]) -> Result<Option<usize>> {
    let (mut bytes, count) = (0, events.len());
    for (index, event) in events.iter_mut().enumerate() {
        if let EventKind::Set { size, .. } = event.kind
            && size <= MAX_INLINE_VALUE_BYTES as u64
            && bytes < VALUE_BYTES
            && !event.has_value()
        {
            snapshot.complete(event)?;
            bytes += event.bytes();
        }
        // A page has whole revisions.
        if bytes >= VALUE_BYTES && event.is_last && index + 1 < count {
            return Ok(Some(index + 1));
        }
    }
    Ok(None)
}

/// A page that is cached or being read.
pub(super) struct PageSlot {
    after: Revision,
    has_values: bool,
    pub(super) page: OnceCell<Arc<HistoryPage>>,
}

/// The cached pages of a namespace.
#[derive(Default)]
pub(super) struct HistoryCache {
    slots: VecDeque<Arc<PageSlot>>,
    bytes: usize,
}

impl HistoryCache {
    /// Returns the slot of the page after a revision, with values if `values` is set. The page may not have been read yet.
    pub(super) fn slot(&mut self, after: Revision, values: bool) -> Arc<PageSlot> {
        let covers = |slot: &&Arc<PageSlot>| {
            let is_there = match slot.page.get() {
                Some(page) => page.after <= after && after < page.until,
                None => slot.after == after,
            };
            is_there && (slot.has_values || !values)
        };
        if let Some(slot) = self.slots.iter().rev().find(covers) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(PageSlot {
            after,
            has_values: values,
            page: OnceCell::new(),
        });
        self.slots.push_back(Arc::clone(&slot));
        if self.slots.len() > MAX_PAGES {
            self.slots.pop_front();
        }
        slot
    }

    /// Returns the page after a revision, if it is cached.
    pub(super) fn get(&self, after: Revision) -> Option<Arc<HistoryPage>> {
        let pages = self.slots.iter().rev().filter_map(|slot| slot.page.get());
        let mut covering = pages.filter(|page| page.after <= after && after < page.until);
        covering.next().cloned()
    }

    /// Adds a page that was read.
    pub(super) fn insert(&mut self, page: Arc<HistoryPage>) {
        self.slots.push_back(Arc::new(PageSlot {
            after: page.after,
            has_values: page.has_values,
            page: OnceCell::new_with(Some(page)),
        }));
    }

    /// Removes the oldest pages beyond the limits, or all if memory is short; returns the bytes of the pages before and
    /// after.
    pub(super) fn trim(&mut self, is_short: bool) -> (usize, usize) {
        let before = self.bytes;
        let bytes = |slot: &Arc<PageSlot>| slot.page.get().map_or(0, |page| page.bytes);
        if is_short {
            self.slots.retain(|slot| !slot.page.initialized());
        }
        self.bytes = self.slots.iter().map(bytes).sum();
        while self.bytes > MAX_BYTES || self.slots.len() > MAX_PAGES {
            let Some(oldest) = self.slots.pop_front() else {
                break;
            };
            self.bytes -= bytes(&oldest);
        }
        (before, self.bytes)
    }

    /// Returns the bytes of the pages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

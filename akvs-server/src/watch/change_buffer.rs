//! The newest changes of a watched namespace, and the watchers that wait for more.
//!
//! The committer publishes its commits here. It wakes each thread once, for all watchers of the thread; the thread then
//! finds the watchers of a change ([`Subscribers`]). Nothing is queued for a watcher: each has a position up to which
//! it has received everything, and reads on from there, in the buffer or, if it fell behind, in the stored history. So a
//! slow watcher costs no more than a fast one.
//!
//! Invariant: the ring has every change after its compacted revision, in order and in whole revisions.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use akvs_core::engine::PageLimit;
use akvs_core::{Event, Namespace, Result, Revision};

use super::history::{HistoryCache, HistoryPage};
use super::shared_event::{Filter, MAX_INLINE_VALUE_BYTES, SharedEvent, remove_long_value};
use super::subscribers::Subscribers;
use crate::completion::Mailbox;
use crate::resources::Snapshots;
use crate::thread_pool::ThreadPool;

/// The maximum size of a ring, in bytes; smaller while all rings together exceed their limit.
const RING_BYTES: usize = 256 << 10;
const ALL_RINGS_BYTES: usize = 64 << 20;
const SMALL_RING_BYTES: usize = 4 << 10;

/// The newest changes of a watched namespace.
pub(crate) struct ChangeBuffer {
    name: Namespace,
    snapshots: Arc<dyn Snapshots>,
    reads: ThreadPool,
    ring: Mutex<Ring>,
    histories: Mutex<HistoryCache>,
    subscribers: Mutex<Vec<Arc<Subscribers>>>,
    /// Bytes of all rings and pages of history.
    held: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Ring {
    /// The ring has all changes after this revision; none before the committer's first publication.
    compacted_revision: Option<Revision>,
    /// Everything up to this revision was published.
    tip: Revision,
    changes: VecDeque<Arc<SharedEvent>>,
    bytes: usize,
    ended: bool,
    is_reset: bool,
}

/// The changes after a revision, and the revision up to which they are complete.
pub(super) enum Since {
    /// All changes.
    Changes(Vec<Arc<SharedEvent>>, Revision),
    /// The ring no longer has all changes.
    Trimmed(Revision),
    /// Nothing more will be published.
    Ended(Revision),
}

/// The result of a watcher's read.
pub(super) enum ReadResult {
    /// The next changes that match the filter, complete up to a revision; whether more follow.
    Changes {
        changes: Vec<Arc<SharedEvent>>,
        until: Revision,
        more: bool,
    },
    /// The ring no longer has all changes.
    Trimmed,
    /// Nothing more will be published.
    Ended,
    /// Changes were missed that cannot be published.
    Reset,
}

impl ChangeBuffer {
    pub(super) fn new(
        name: Namespace,
        snapshots: Arc<dyn Snapshots>,
        reads: ThreadPool,
        held: Arc<AtomicUsize>,
    ) -> ChangeBuffer {
        ChangeBuffer {
            name,
            snapshots,
            reads,
            ring: Mutex::default(),
            histories: Mutex::default(),
            subscribers: Mutex::default(),
            held,
        }
    }

    pub(crate) fn name(&self) -> &Namespace {
        &self.name
    }

    /// Starts to hold changes after this revision, and lets all watchers look for earlier ones in the history.
    pub(crate) fn start(&self, revision: Revision) {
        let mut ring = self.ring();
        if ring.compacted_revision.is_none() {
            ring.compacted_revision = Some(revision);
            ring.tip = revision;
        }
        drop(ring);
        self.notify();
    }

    /// Returns whether it holds changes from some revision on.
    pub(crate) fn is_started(&self) -> bool {
        self.ring().compacted_revision.is_some()
    }

    /// Ends all watches with a reset, because changes were missed that cannot be published.
    pub(crate) fn reset(&self, newest: Revision) {
        let mut ring = self.ring();
        (ring.is_reset, ring.tip) = (true, newest);
        drop(ring);
        self.notify();
    }

    /// Adds committed changes and notifies the watchers.
    pub(crate) fn publish(&self, events: Vec<Event>) {
        let Some(last) = events.last() else { return };
        let mut ring = self.ring();
        ring.tip = last.revision;
        let before = ring.bytes;
        for mut event in events {
            remove_long_value(&mut event, MAX_INLINE_VALUE_BYTES);
            ring.bytes += event.bytes();
            ring.changes.push_back(Arc::new(SharedEvent::new(event)));
        }
        let held = self.held.fetch_add(ring.bytes - before, Ordering::Relaxed);
        let limit = if held > ALL_RINGS_BYTES {
            SMALL_RING_BYTES
        } else {
            RING_BYTES
        };
        let before = ring.bytes;
        ring.trim(limit);
        self.held.fetch_sub(before - ring.bytes, Ordering::Relaxed);
        drop(ring);
        self.notify();
    }

    /// Notes that there are no other changes up to this revision.
    pub(crate) fn advance(&self, until: Revision) {
        let mut ring = self.ring();
        if until > ring.tip {
            ring.tip = until;
            drop(ring);
            self.notify();
        }
    }

    /// Ends all watches.
    pub(super) fn end(&self) {
        self.ring().ended = true;
        self.notify();
    }

    /// Returns the changes after a revision that match the filter, about as many as the limit allows.
    pub(super) fn read(&self, after: Revision, filter: &Filter, limit: PageLimit) -> ReadResult {
        let ring = self.ring();
        if ring.ended {
            return ReadResult::Ended;
        }
        if ring.is_reset {
            return ReadResult::Reset;
        }
        if ring
            .compacted_revision
            .is_none_or(|compacted_revision| after < compacted_revision)
        {
            return ReadResult::Trimmed;
        }
        let (mut changes, mut bytes) = (Vec::new(), 0);
        let mut until = after;
        for change in ring.after(after) {
            let event = change.event();
            let is_full = changes.len() >= limit.rows || bytes >= limit.bytes;
            if is_full && event.revision > until {
                return ReadResult::Changes {
                    changes,
                    until,
                    more: true,
                };
            }
            if filter.matches(event) {
                bytes += event.bytes();
                changes.push(Arc::clone(change));
            }
            until = event.revision;
        }
        ReadResult::Changes {
            changes,
            until: after.max(ring.tip),
            more: false,
        }
    }

    /// Returns all changes after a revision.
    pub(super) fn since(&self, after: Revision) -> Since {
        let ring = self.ring();
        if ring.ended || ring.is_reset {
            return Since::Ended(ring.tip);
        }
        if ring
            .compacted_revision
            .is_none_or(|compacted_revision| after < compacted_revision)
        {
            return Since::Trimmed(ring.tip);
        }
        let changes = ring.after(after).map(Arc::clone).collect();
        Since::Changes(changes, ring.tip)
    }

    /// Returns the revision up to which everything was published.
    pub(crate) fn tip(&self) -> Revision {
        self.ring().tip
    }

    /// Runs work on a thread that may wait for a disk.
    pub(super) fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        self.reads.spawn(work)
    }

    /// Returns a page of the stored history after a revision, read on this thread unless it is cached.
    pub(super) fn read_history(&self, after: Revision) -> Result<Arc<HistoryPage>> {
        let cached = self.histories().get(after);
        if let Some(page) = cached {
            return Ok(page);
        }
        let page = Arc::new(HistoryPage::read(
            &*self.snapshots,
            &self.name,
            after,
            false,
        )?);
        self.histories().insert(Arc::clone(&page));
        self.trim_histories();
        Ok(page)
    }

    /// Returns a page of the stored history after a revision, with values if `values` is set, read on a thread that may
    /// wait for a disk.
    pub(super) async fn history(
        self: Arc<ChangeBuffer>,
        after: Revision,
        values: bool,
    ) -> Result<Arc<HistoryPage>> {
        let slot = self.histories().slot(after, values);
        let read = || async {
            let (snapshots, name) = (Arc::clone(&self.snapshots), self.name.clone());
            let page = self
                .reads
                .run(move || HistoryPage::read(&*snapshots, &name, after, values));
            page.await.map(Arc::new)
        };
        let page = slot.page.get_or_try_init(read).await?;
        self.trim_histories();
        Ok(Arc::clone(page))
    }

    fn trim_histories(&self) {
        let is_short = self.held.load(Ordering::Relaxed) > ALL_RINGS_BYTES;
        let mut histories = self.histories();
        let (before, after) = histories.trim(is_short);
        self.held.fetch_add(after, Ordering::Relaxed);
        self.held.fetch_sub(before, Ordering::Relaxed);
    }

    fn histories(&self) -> MutexGuard<'_, HistoryCache> {
        self.histories
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the ring has everything after a revision.
    pub(super) fn reaches(&self, after: Revision) -> bool {
        self.ring()
            .compacted_revision
            .is_some_and(|compacted_revision| after >= compacted_revision)
    }

    /// Returns the subscribers of the thread that has this mailbox.
    pub(super) fn thread_subscribers(
        self: &Arc<ChangeBuffer>,
        mailbox: &Weak<Mailbox>,
    ) -> Arc<Subscribers> {
        let mut all = self.subscribers();
        // There are at most as many entries as threads.
        if let Some(existing) = all
            .iter()
            .find(|existing| existing.belongs_to(mailbox) && !existing.has_ended())
        {
            return Arc::clone(existing);
        }
        // Subscribers of ended threads are not needed.
        all.retain(|existing| !existing.has_ended());
        let tip = self.ring().tip;
        let new = Arc::new(Subscribers::new(Arc::downgrade(self), mailbox.clone(), tip));
        all.push(Arc::clone(&new));
        new
    }

    /// Notifies every thread that has watchers.
    fn notify(&self) {
        let subscribers = self.subscribers().clone();
        subscribers.iter().for_each(Subscribers::notify);
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<Arc<Subscribers>>> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ChangeBuffer {
    fn drop(&mut self) {
        let bytes = self.ring().bytes + self.histories().bytes();
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Ring {
    fn after(&self, revision: Revision) -> impl Iterator<Item = &Arc<SharedEvent>> {
        let first = self
            .changes
            .partition_point(|change| change.event().revision <= revision);
        self.changes.range(first..)
    }

    /// Removes the oldest revisions until at most this number of bytes is left.
    fn trim(&mut self, bytes: usize) {
        while let Some(oldest) = self.changes.front() {
            let revision = oldest.event().revision;
            if self.bytes <= bytes && self.compacted_revision < Some(revision) {
                return;
            }
            self.bytes -= oldest.event().bytes();
            self.changes.pop_front();
            self.compacted_revision = Some(revision);
        }
    }
}

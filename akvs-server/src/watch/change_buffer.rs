//! The newest changes of one watched namespace, and who waits for them.
//!
//! The committer publishes here what it has committed. It wakes each thread once, however many watchers the thread
//! has; the thread then finds out by itself whom a change concerns ([`Subscribers`]). Nothing is queued for a watcher:
//! each knows up to which revision it has seen everything, and reads on from there, here or, if it fell behind, in
//! the stored history. So a watcher costs the same however slow it is.
//!
//! Invariant: every change after the ring's floor is in the ring, in order, whole revisions only.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use akvs_core::engine::PageLimit;
use akvs_core::{Database, Event, Namespace, Result, Revision};

use super::history::{HistoryCache, HistoryPage};
use super::shared_event::{Filter, MAX_INLINE_VALUE_BYTES, SharedEvent, remove_long_value};
use super::subscribers::Subscribers;
use crate::completion::Mailbox;
use crate::thread_pool::ThreadPool;

/// The most that one ring holds, in bytes; less once all rings together hold a lot.
const RING_BYTES: usize = 256 << 10;
const ALL_RINGS_BYTES: usize = 64 << 20;
const SMALL_RING_BYTES: usize = 4 << 10;

/// The newest changes of one watched namespace.
pub(super) struct ChangeBuffer {
    name: Namespace,
    database: Database,
    reads: ThreadPool,
    ring: Mutex<Ring>,
    histories: Mutex<HistoryCache>,
    subscribers: Mutex<Vec<Arc<Subscribers>>>,
    /// What all rings and pages of history hold, in bytes.
    held: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Ring {
    /// All changes after this revision are here; none until the committer has begun to publish.
    compacted_revision: Option<Revision>,
    /// Up to this revision everything was published.
    tip: Revision,
    changes: VecDeque<Arc<SharedEvent>>,
    bytes: usize,
    ended: bool,
}

/// What has changed after a revision, and up to which.
pub(super) enum Since {
    /// These.
    Changes(Vec<Arc<SharedEvent>>, Revision),
    /// The ring does not reach back so far.
    Behind(Revision),
    /// Nothing will ever be published any more.
    Ended(Revision),
}

/// What a watcher finds.
pub(super) enum ReadResult {
    /// The next changes that it wants, up to a revision; whether there is more behind it.
    Changes {
        changes: Vec<Arc<SharedEvent>>,
        until: Revision,
        more: bool,
    },
    /// The ring does not reach back so far.
    Behind,
    /// Nothing will ever be published any more.
    Ended,
}

impl ChangeBuffer {
    pub(super) fn new(
        name: Namespace,
        database: Database,
        reads: ThreadPool,
        held: Arc<AtomicUsize>,
    ) -> ChangeBuffer {
        ChangeBuffer {
            name,
            database,
            reads,
            ring: Mutex::default(),
            histories: Mutex::default(),
            subscribers: Mutex::default(),
            held,
        }
    }

    pub(super) fn name(&self) -> &Namespace {
        &self.name
    }

    /// Begins to hold what is committed after this revision, and lets all look at what was before.
    pub(super) fn start(&self, revision: Revision) {
        let mut ring = self.ring();
        if ring.compacted_revision.is_none() {
            ring.compacted_revision = Some(revision);
            ring.tip = revision;
        }
        drop(ring);
        self.notify();
    }

    /// Takes over what was committed, and calls those who wait.
    pub(super) fn publish(&self, events: Vec<Event>) {
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

    /// Lets all who wait know that nothing more will come.
    pub(super) fn end(&self) {
        self.ring().ended = true;
        self.notify();
    }

    /// The changes after a revision that a watcher wants, about as many as the limit allows.
    pub(super) fn read(&self, after: Revision, filter: &Filter, limit: PageLimit) -> ReadResult {
        let ring = self.ring();
        if ring.ended {
            return ReadResult::Ended;
        }
        if ring
            .compacted_revision
            .is_none_or(|compacted_revision| after < compacted_revision)
        {
            return ReadResult::Behind;
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
            if filter.wants(event) {
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

    /// All changes after a revision.
    pub(super) fn since(&self, after: Revision) -> Since {
        let ring = self.ring();
        if ring.ended {
            return Since::Ended(ring.tip);
        }
        if ring
            .compacted_revision
            .is_none_or(|compacted_revision| after < compacted_revision)
        {
            return Since::Behind(ring.tip);
        }
        let changes = ring.after(after).map(Arc::clone).collect();
        Since::Changes(changes, ring.tip)
    }

    /// Up to this revision everything was published.
    pub(super) fn tip(&self) -> Revision {
        self.ring().tip
    }

    /// Does work on a thread that may wait for a disk.
    pub(super) fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        self.reads.spawn(work)
    }

    /// A page of the stored history with what follows a revision, read here if nobody has it.
    pub(super) fn read_history(&self, after: Revision) -> Result<Arc<HistoryPage>> {
        let known = self.histories().get(after);
        if let Some(page) = known {
            return Ok(page);
        }
        let page = Arc::new(HistoryPage::read(&self.database, &self.name, after, false)?);
        self.histories().insert(Arc::clone(&page));
        self.trim_histories();
        Ok(page)
    }

    /// The same, with values if they are wanted, read on a thread that may wait for a disk.
    pub(super) async fn history(
        self: Arc<ChangeBuffer>,
        after: Revision,
        values: bool,
    ) -> Result<Arc<HistoryPage>> {
        let slot = self.histories().slot(after, values);
        let read = || async {
            let (database, name) = (self.database.clone(), self.name.clone());
            let page = self
                .reads
                .run(move || HistoryPage::read(&database, &name, after, values));
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

    /// Whether everything after a revision can be read here.
    pub(super) fn reaches(&self, after: Revision) -> bool {
        self.ring()
            .compacted_revision
            .is_some_and(|compacted_revision| after >= compacted_revision)
    }

    /// The audience of this thread.
    pub(super) fn thread_subscribers(
        self: &Arc<ChangeBuffer>,
        mailbox: &Weak<Mailbox>,
    ) -> Arc<Subscribers> {
        let mut all = self.subscribers();
        // There are no more than threads.
        if let Some(known) = all
            .iter()
            .find(|known| known.belongs_to(mailbox) && !known.has_ended())
        {
            return Arc::clone(known);
        }
        // Those of threads that have ended are of no more use.
        all.retain(|known| !known.has_ended());
        let tip = self.ring().tip;
        let new = Arc::new(Subscribers::new(Arc::downgrade(self), mailbox.clone(), tip));
        all.push(Arc::clone(&new));
        new
    }

    /// Lets every thread that has watchers look here.
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

    /// Lets the oldest revisions go until no more than so many bytes are left.
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

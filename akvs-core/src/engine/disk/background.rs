//! The engine's own threads: one writes memtables to files, one compacts the files.
//!
//! fjall would do both on its workers. There many commits fill the workers' queue, which the workers themselves wait
//! for, so that nothing is flushed any more; a full disk blocks all writes until the next start; and a compaction
//! delays the stop. Therefore fjall is configured never to flush or compact. A memtable is sealed only under the flush
//! lock of its table, and written to a file before the lock is released: when fjall's worker gets the lock, to delete
//! obsolete journals, nothing is left to flush. `backlog` bounds what waits.

mod compact;
mod flush;
mod replaced;

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::replaced::ReplacedList;
use super::backlog::Backlog;
use super::compaction::{self, Interrupt};
use super::failure::{damaged, translate};
use super::{FjallStore, Table};
use crate::engine::KeyRange;
use crate::{Error, Result};

/// How long a thread waits before it tries again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// The space that must be free after a memtable is written to a file.
const FLUSH_RESERVE_BYTES: u64 = 4 << 20;
/// How many times reclaiming is tried, and the number of files in the first level at which it yields to other
/// compactions.
const RECLAIM_TRIES: u32 = 5;
const RECLAIM_RUNS: usize = 12;

/// The threads; they end when this is dropped.
pub(super) struct Background {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) struct Shared {
    pub(super) store: FjallStore,
    pub(super) backlog: Backlog,
    pub(super) interrupt: Arc<Interrupt>,
    work: Mutex<Work>,
    wake: Condvar,
    stop: Condvar,
    /// Held while files of a table are written, by either thread, in this order.
    flushing: Mutex<()>,
    compacting: Mutex<()>,
    /// Whether a thread of the engine holds the flush lock of a table, so that fjall's worker does not flush it.
    holds_flush_lock: [AtomicBool; Table::ALL.len()],
    replaced: Mutex<Vec<ReplacedList>>,
    failure: OnceLock<Error>,
}

/// The requested work.
#[derive(Default)]
struct Work {
    flush: [bool; Table::ALL.len()],
    checkpoint: bool,
    compact: [bool; Table::ALL.len()],
    discard: Vec<Discard>,
    reclaim: Reclaim,
    stopping: bool,
}

/// The state of reclaiming the space of removed rows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reclaim {
    #[default]
    Unwanted,
    /// The number of tries that are left.
    Wanted(u32),
    Done,
}

/// A range whose files are discarded.
struct Discard {
    table: Table,
    range: KeyRange,
    is_done: bool,
}

impl Background {
    /// Starts the threads.
    pub(super) fn start(
        store: FjallStore,
        interrupt: Arc<Interrupt>,
        memtable_bytes: u64,
    ) -> std::io::Result<Background> {
        let backlog = Backlog::new(Arc::clone(&interrupt.space), memtable_bytes);
        let work = Work {
            // Work that an earlier process may have left.
            compact: [true; Table::ALL.len()],
            ..Work::default()
        };
        let shared = Arc::new(Shared {
            store,
            backlog,
            interrupt,
            work: Mutex::new(work),
            wake: Condvar::new(),
            stop: Condvar::new(),
            flushing: Mutex::default(),
            compacting: Mutex::default(),
            holds_flush_lock: Default::default(),
            replaced: Mutex::default(),
            failure: OnceLock::new(),
        });
        let mut background = Background {
            shared,
            threads: Vec::new(),
        };
        background.spawn("akvs-flush", Shared::run_flushes)?;
        background.spawn(compaction::THREAD, Shared::run_compactions)?;
        Ok(background)
    }

    fn spawn(&mut self, name: &str, run: fn(&Shared) -> fjall::Result<()>) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.into());
        self.threads
            .push(thread.spawn(move || shared.run_thread(run))?);
        Ok(())
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.shared.work().stopping = true;
        self.shared
            .interrupt
            .is_raised
            .store(true, Ordering::Relaxed);
        self.shared.wake.notify_all();
        self.shared.stop.notify_all();
        for thread in self.threads.drain(..) {
            // Its panics were caught.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Runs a thread, and records its failure.
    fn run_thread(&self, run: fn(&Shared) -> fjall::Result<()>) {
        let error = match catch_unwind(AssertUnwindSafe(|| run(self))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => translate(error),
            Err(_) => damaged(None),
        };
        let _ = self.failure.set(error);
        self.backlog.changed();
    }

    /// Returns the failure that ended the background work, if any.
    pub(super) fn failure(&self) -> Result<()> {
        self.failure
            .get()
            .map_or(Ok(()), |error| Err(error.clone()))
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests work, unless it is requested already.
    fn request(&self, what: impl FnOnce(&mut Work) -> &mut bool) {
        if !std::mem::replace(what(&mut self.work()), true) {
            self.wake.notify_all();
        }
    }

    /// Requests that a memtable is written to a file.
    pub(super) fn flush(&self, table: Table) {
        self.request(|work| &mut work.flush[table as usize]);
    }

    /// Requests that all memtables are written to files, so that their journals are deleted.
    pub(super) fn checkpoint(&self) {
        self.request(|work| &mut work.checkpoint);
    }

    /// Requests that all memtables are written to files, whatever the size of the journals.
    pub(super) fn flush_all_tables(&self) {
        Table::ALL.into_iter().for_each(|table| self.flush(table));
        self.checkpoint();
    }

    /// Wakes the threads, so that they measure the free space periodically.
    pub(super) fn wake(&self) {
        drop(self.work());
        self.wake.notify_all();
    }

    /// Discards the files that contain only rows of this range. Returns false while it is in progress; call it again
    /// then.
    pub(super) fn discard(&self, table: Table, range: &KeyRange) -> bool {
        if self.failure.get().is_some() {
            return true;
        }
        let mut work = self.work();
        let matches = |requested: &Discard| requested.table == table && requested.range == *range;
        if let Some(at) = work.discard.iter().position(matches) {
            return work.discard[at].is_done && {
                work.discard.remove(at);
                true
            };
        }
        work.discard.push(Discard {
            table,
            range: range.clone(),
            is_done: false,
        });
        drop(work);
        self.wake.notify_all();
        false
    }

    /// Reclaims the space of removed rows. Returns false while it is in progress; call it again then.
    pub(super) fn reclaim(&self) -> bool {
        let mut work = self.work();
        if work.reclaim == Reclaim::Done || self.failure.get().is_some() {
            work.reclaim = Reclaim::Unwanted;
            return true;
        }
        if work.reclaim == Reclaim::Unwanted {
            work.reclaim = Reclaim::Wanted(RECLAIM_TRIES);
            drop(work);
            self.wake.notify_all();
        }
        false
    }

    /// Waits for work.
    fn wait(&self, work: MutexGuard<'_, Work>, pause: Option<Duration>) {
        match pause {
            Some(pause) => drop(self.wake.wait_timeout(work, pause)),
            None => drop(self.wake.wait(work)),
        }
    }

    /// Waits for this time, and returns whether the thread must end.
    fn pause(&self, pause: Duration) -> bool {
        let is_on = |work: &mut Work| !work.stopping;
        let waited = self.stop.wait_timeout_while(self.work(), pause, is_on);
        let (work, _) = waited.unwrap_or_else(PoisonError::into_inner);
        work.stopping
    }

    fn watermark(&self) -> fjall::SeqNo {
        let supervisor = &self.store.database.supervisor;
        supervisor.snapshot_tracker.get_seqno_safe_to_gc()
    }
}

fn acquire(lock: &Mutex<()>) -> MutexGuard<'_, ()> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kind(error: &fjall::LsmError) -> Option<ErrorKind> {
    if let fjall::LsmError::Io(error) = error {
        Some(error.kind())
    } else {
        None
    }
}

fn is_full(error: &fjall::LsmError) -> bool {
    matches!(
        kind(error),
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    )
}

fn is_interrupted(error: &fjall::LsmError) -> bool {
    kind(error) == Some(ErrorKind::Interrupted)
}

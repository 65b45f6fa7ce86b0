//! The engine's own threads: one writes memtables to files, one compacts the files.
//!
//! fjall would do both on its workers. There a flood of commits fills the workers' queue, which they themselves wait on,
//! so that nothing is written to files any more; a full disk ends all writes until the next start; and a compaction holds
//! up the stop. So fjall is told that a memtable is never full and a file never to be joined. A memtable is sealed only
//! under the lock of its table's flushes, and written to a file before that is given up: by the time fjall's worker gets
//! the lock, to delete the journals that are of no more use, there is nothing left to flush. What waits is bounded by `room`.

mod compact;
mod flush;
mod replaced;

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::replaced::Replaced;
use super::backlog::Backlog;
use super::compaction::{self, Interrupt};
use super::failure::{damaged, translate};
use super::{FjallStore, Table};
use crate::engine::KeyRange;
use crate::{Error, Result};

/// How often to look again where something else must happen first.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// So much must be left once a memtable is written to a file.
const FLUSH_RESERVE_BYTES: u64 = 4 << 20;
/// How often giving space back is tried, and with how many files in the first level it makes way for others.
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
    /// FlushLockGuard while files of a table are written, by either thread, in this order.
    flushing: Mutex<()>,
    compacting: Mutex<()>,
    /// Whether a thread of the engine has the lock of a table's flushes, so that fjall's worker does not flush it.
    holds_flush_lock: [AtomicBool; Table::ALL.len()],
    replaced: Mutex<Vec<Replaced>>,
    failure: OnceLock<Error>,
}

/// What is to be done.
#[derive(Default)]
struct Work {
    flush: [bool; Table::ALL.len()],
    checkpoint: bool,
    compact: [bool; Table::ALL.len()],
    discard: Vec<Discard>,
    reclaim: Reclaim,
    stopping: bool,
}

/// Giving back the space of removed rows.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reclaim {
    #[default]
    Unwanted,
    /// How often it is still to be tried.
    Wanted(u32),
    Done,
}

/// A range whose files are to be given up.
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
            // Whatever a process before this one has left to do.
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
            // A panic of it was caught.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Runs a thread, and keeps what it failed by.
    fn run_thread(&self, run: fn(&Shared) -> fjall::Result<()>) {
        let error = match catch_unwind(AssertUnwindSafe(|| run(self))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => translate(error),
            Err(_) => damaged(None),
        };
        let _ = self.failure.set(error);
        self.backlog.changed();
    }

    /// Why nothing is done in the background any more, if that is so.
    pub(super) fn failure(&self) -> Result<()> {
        self.failure
            .get()
            .map_or(Ok(()), |error| Err(error.clone()))
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for something, unless it was requested for already.
    fn request(&self, what: impl FnOnce(&mut Work) -> &mut bool) {
        if !std::mem::replace(what(&mut self.work()), true) {
            self.wake.notify_all();
        }
    }

    /// Has a memtable written to a file.
    pub(super) fn flush(&self, table: Table) {
        self.request(|work| &mut work.flush[table as usize]);
    }

    /// Has all memtables written to files, so that the journals before them are deleted.
    pub(super) fn checkpoint(&self) {
        self.request(|work| &mut work.checkpoint);
    }

    /// Has all memtables written to files, whatever the journals have.
    pub(super) fn flush_all_tables(&self) {
        Table::ALL.into_iter().for_each(|table| self.flush(table));
        self.checkpoint();
    }

    /// Has the free space looked at from time to time.
    pub(super) fn wake(&self) {
        drop(self.work());
        self.wake.notify_all();
    }

    /// Gives up the files that hold nothing but rows of this range: to be requested again as long as it says that it is not done.
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

    /// Gives back the space of removed rows: to be requested again as long as it says that it is not done.
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

    /// Waits for something to do.
    fn wait(&self, work: MutexGuard<'_, Work>, pause: Option<Duration>) {
        match pause {
            Some(pause) => drop(self.wake.wait_timeout(work, pause)),
            None => drop(self.wake.wait(work)),
        }
    }

    /// Waits so long; whether the thread has to end.
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

//! The engine's own threads: one writes memtables to files and prepares segments of the log, one compacts the files.
//!
//! Compactions run at a lower priority than commits. An error of either thread, other than a lack of space, ends all
//! commits; a lack of space is tried again each second. `backlog` bounds what waits.

mod compact;
mod flush;
mod replaced;

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use std::sync::atomic::{AtomicBool, Ordering};

use self::replaced::ReplacedList;
use super::Table;
use super::failure::{closed, damaged, translate};
use super::shared::Core;
use crate::engine::KeyRange;
use crate::{Error, Result};

/// How long a thread waits before it tries again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long the memory of a memtable is kept at most once no reader uses it.
const FREE_INTERVAL: Duration = Duration::from_millis(100);
/// The space that must be free after a memtable is written to a file.
const FLUSH_RESERVE_BYTES: u64 = 4 << 20;
/// How many times reclaiming is tried, and the number of files in the first level at which it yields to other
/// compactions.
const RECLAIM_TRIES: u32 = 5;
const RECLAIM_RUNS: usize = 12;
/// The priority of compactions: commits and requests come first, but next to busy processes of the usual priority they
/// must still keep up. Commits wait for flushes, so these have the usual one.
const COMPACTION_NICE: i32 = 4;

/// The threads; they end when this is dropped.
pub(super) struct Background {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The requested work, and what it works on.
pub(super) struct Shared {
    core: Arc<Core>,
    work: Mutex<Work>,
    wake: Condvar,
    stop: Condvar,
    /// Held while files of a table are written, by either thread, in this order.
    flushing: Mutex<()>,
    compacting: Mutex<()>,
    replaced: Mutex<Vec<ReplacedList>>,
    /// Whether versions of the trees may be left that become obsolete once a later number is visible.
    is_unreleased: AtomicBool,
    failure: OnceLock<Error>,
}

/// The requested work.
#[derive(Default)]
struct Work {
    /// Whether a memtable was sealed or a segment was requested.
    flush: bool,
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
    state: DiscardState,
}

/// How far the discarding of files is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DiscardState {
    /// The log may still have rows up to this sequence number, which a start would write again.
    Logged(lsm_tree::SeqNo),
    /// They are being written to files, after which they are removed from the log.
    Flushing(lsm_tree::SeqNo),
    Ready,
    Done,
}

impl Background {
    /// Starts the threads.
    pub(super) fn start(core: Arc<Core>) -> std::io::Result<Background> {
        let work = Work {
            // Work that an earlier process may have left.
            compact: [true; Table::ALL.len()],
            flush: true,
            ..Work::default()
        };
        let shared = Arc::new(Shared {
            core,
            work: Mutex::new(work),
            wake: Condvar::new(),
            stop: Condvar::new(),
            flushing: Mutex::default(),
            compacting: Mutex::default(),
            replaced: Mutex::default(),
            is_unreleased: AtomicBool::new(false),
            failure: OnceLock::new(),
        });
        let background = Background {
            shared,
            threads: Mutex::default(),
        };
        background.spawn("akvs-flush", Shared::run_flushes)?;
        background.spawn("akvs-compact", |shared| {
            // On Linux it is the priority of this thread. Without it commits are slower at full load.
            let _ = rustix::process::nice(COMPACTION_NICE);
            shared.run_compactions()
        })?;
        Ok(background)
    }

    fn spawn(&self, name: &str, run: fn(&Shared) -> lsm_tree::Result<()>) -> std::io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name(name.into());
        let thread = thread.spawn(move || shared.run_thread(run))?;
        self.threads().push(thread);
        Ok(())
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the threads, refuses all later commits, and removes the segments of the log that have none.
    pub(super) fn stop(&self) {
        let _ = self.shared.failure.set(closed());
        self.shared.work().stopping = true;
        let raised = &self.shared.core.interrupt.is_raised;
        raised.store(true, Ordering::Relaxed);
        self.shared.wake.notify_all();
        self.shared.stop.notify_all();
        for thread in self.threads().drain(..) {
            // Its panics were caught.
            let _ = thread.join();
        }
        self.shared.core.remove_unused_segments();
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Runs a thread, and records its failure.
    fn run_thread(&self, run: fn(&Shared) -> lsm_tree::Result<()>) {
        let error = match catch_unwind(AssertUnwindSafe(|| run(self))) {
            Ok(Ok(())) => return,
            Ok(Err(error)) => translate(error),
            Err(_) => damaged(None),
        };
        let _ = self.failure.set(error);
        self.core.backlog.changed();
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

    /// Requests that sealed memtables are written to files and requested segments are prepared.
    pub(super) fn flush(&self) {
        self.request(|work| &mut work.flush);
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
        let matches = |requested: &Discard| requested.table == table && requested.range == *range;
        let mut work = self.work();
        let Some(at) = work.discard.iter().position(matches) else {
            work.discard.push(Discard {
                table,
                range: range.clone(),
                state: DiscardState::Logged(self.core.newest_logged()),
            });
            return false;
        };
        let (newest, is_flushing) = match work.discard[at].state {
            DiscardState::Done => {
                work.discard.remove(at);
                return true;
            }
            DiscardState::Ready => return false,
            DiscardState::Logged(newest) => (newest, false),
            DiscardState::Flushing(newest) => (newest, true),
        };
        if self.core.files.begins_after() >= newest {
            work.discard[at].state = DiscardState::Ready;
            self.wake.notify_all();
        } else if self.core.is_disk_full() {
            // The rows are removed one by one: nothing must be written to files for that.
            work.discard.remove(at);
            return true;
        } else if !is_flushing {
            if self.core.empty_log() {
                work.discard[at].state = DiscardState::Flushing(newest);
            }
            work.flush = true;
            self.wake.notify_all();
        }
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
}

fn acquire(lock: &Mutex<()>) -> MutexGuard<'_, ()> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kind(error: &lsm_tree::Error) -> Option<ErrorKind> {
    if let lsm_tree::Error::Io(error) = error {
        Some(error.kind())
    } else {
        None
    }
}

fn is_full(error: &lsm_tree::Error) -> bool {
    matches!(
        kind(error),
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
    )
}

fn is_interrupted(error: &lsm_tree::Error) -> bool {
    kind(error) == Some(ErrorKind::Interrupted)
}

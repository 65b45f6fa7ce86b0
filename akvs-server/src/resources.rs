//! State that watches share with the executor of a namespace's changes: the snapshots, the clock, the counters and the
//! threads for work that may block; and, with it, the state that the committer and its maintenance share.
//!
//! It holds no queue and nothing of a commit: those belong to the committer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use akvs_core::engine::Durability;
use akvs_core::{Database, Namespace, NamespaceSnapshot, Result};

use crate::metrics::CommitterMetrics;
use crate::thread_pool::ThreadPool;
use crate::{Clock, CommitterOptions};

/// The maximum number of threads that read single entries and pages of history: as many reads as a disk does well at
/// the same time.
const READ_THREADS: usize = 16;
/// The maximum number of threads for work that takes long, such as lists and exports.
const LONG_THREADS: usize = 8;

/// The snapshots that watches read from. The calls may wait.
pub(crate) trait Snapshots: Send + Sync {
    /// Returns a namespace as it is now.
    fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot>;
}

impl Snapshots for Database {
    fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        Database::namespace_snapshot(self, name)
    }
}

/// State that the watches of an executor share.
pub(crate) struct Resources {
    pub(crate) snapshots: Arc<dyn Snapshots>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: CommitterMetrics,
    /// Threads for reads that may wait for a disk, but not for long.
    pub(crate) reads: ThreadPool,
    /// Threads for work that takes long.
    pub(crate) long: ThreadPool,
}

impl Resources {
    /// Starts the first thread of each kind; fails with `storage` if the system refuses one.
    pub(crate) fn start(snapshots: Arc<dyn Snapshots>, clock: Arc<dyn Clock>) -> Result<Resources> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Resources {
            snapshots,
            clock,
            metrics: CommitterMetrics::default(),
            reads: ThreadPool::start("akvs-reads", READ_THREADS)?,
            long: ThreadPool::start("akvs-long", cores.clamp(2, LONG_THREADS))?,
        })
    }
}

/// State that the committer and its maintenance share.
pub(crate) struct CommitterResources {
    pub(crate) database: Database,
    pub(crate) options: CommitterOptions,
    pub(crate) common: Resources,
    /// Whether reads of the engine are expected not to wait for a disk.
    resident: AtomicBool,
}

impl CommitterResources {
    /// Starts the threads for reads; fails with `storage` if the system refuses one.
    pub(crate) fn start(
        database: Database,
        options: CommitterOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<CommitterResources> {
        Ok(CommitterResources {
            common: Resources::start(Arc::new(database.clone()), clock)?,
            database,
            options,
            resident: AtomicBool::new(true),
        })
    }

    /// Returns whether reads of the engine are expected not to wait for a disk.
    pub(crate) fn is_resident(&self) -> bool {
        self.resident.load(Ordering::Relaxed)
    }

    pub(crate) fn set_resident(&self, is_resident: bool) {
        self.resident.store(is_resident, Ordering::Relaxed);
    }

    /// Runs a commit or a sync, and records how long it took if its changes are on disk afterwards.
    pub(crate) fn time_sync<T>(&self, durability: Durability, sync: impl FnOnce() -> T) -> T {
        let clock = &self.common.clock;
        let start = clock.elapsed();
        let result = sync();
        if durability == Durability::Synced && self.database.capabilities().durable {
            let took = clock.elapsed().saturating_sub(start);
            self.common.metrics.record_sync(took);
        }
        result
    }
}

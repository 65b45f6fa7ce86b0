//! State that the committer, maintenance and the watchers share: the database, the clock, the options, the counters
//! and the threads for work that may block.
//!
//! It holds no queue and nothing of a commit: those belong to the committer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use akvs_core::engine::Durability;
use akvs_core::{Database, Result};

use crate::metrics::CommitterMetrics;
use crate::thread_pool::ThreadPool;
use crate::{Clock, CommitterOptions};

/// The maximum number of threads that read single entries and pages of history: as many reads as a disk does well at
/// the same time.
const READ_THREADS: usize = 16;
/// The maximum number of threads for work that takes long, such as lists and exports.
const LONG_THREADS: usize = 8;

/// State that the committer, maintenance and the watchers share.
pub(crate) struct Resources {
    pub(crate) database: Database,
    pub(crate) options: CommitterOptions,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: CommitterMetrics,
    /// Threads for reads that may wait for a disk, but not for long.
    pub(crate) reads: ThreadPool,
    /// Threads for work that takes long.
    pub(crate) long: ThreadPool,
    /// Whether reads of the engine are expected not to wait for a disk.
    resident: AtomicBool,
}

impl Resources {
    /// Starts the first thread of each kind; fails with `storage` if the system refuses one.
    pub(crate) fn start(
        database: Database,
        options: CommitterOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Resources> {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Ok(Resources {
            database,
            options,
            clock,
            metrics: CommitterMetrics::default(),
            reads: ThreadPool::start("akvs-reads", READ_THREADS)?,
            long: ThreadPool::start("akvs-long", cores.clamp(2, LONG_THREADS))?,
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
        let start = self.clock.elapsed();
        let result = sync();
        if durability == Durability::Synced && self.database.capabilities().durable {
            let took = self.clock.elapsed().saturating_sub(start);
            self.metrics.record_sync(took);
        }
        result
    }
}

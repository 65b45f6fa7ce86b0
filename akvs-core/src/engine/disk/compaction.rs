//! The compaction strategies of tables, and the interruption of a compaction.
//!
//! The filter that each compaction calls for each row keeps every row; it interrupts a compaction at the stop, where the
//! disk is nearly full, and where reclaiming delays other compactions. After the last row it syncs the folder of value
//! files, before the table's list names the new ones.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use lsm_tree::compaction::filter::{Context, ItemAccessor};
use lsm_tree::compaction::{CompactionFilter, Factory, Leveled, Verdict};

use super::durable::Durable;
use super::free_space::FreeSpace;

/// The number of rows between two checks of the free space.
const ROWS_PER_SPACE_CHECK: u32 = 4_096;
/// A compaction is interrupted below this free space, so that commits still have some.
const RESERVED_BYTES: u64 = 16 << 20;

/// Returns the usual strategy.
pub(super) fn default_strategy() -> Arc<Leveled> {
    Arc::new(Leveled::default())
}

/// Returns the strategy that also compacts a single file in the first level.
pub(super) fn eager_strategy() -> Arc<Leveled> {
    Arc::new(Leveled::default().with_l0_threshold(1))
}

/// Interrupts compactions.
pub(super) struct Interrupt {
    /// All of them, because the engine is being closed.
    pub(super) is_raised: AtomicBool,
    /// Those that only reclaim space, because others are more urgent.
    pub(super) ends_reclaim: AtomicBool,
    is_reclaim: AtomicBool,
    pub(super) space: Arc<FreeSpace>,
    pub(super) durable: Durable,
    /// The error of syncing the folder of values, if it failed.
    unsynced: Mutex<Option<io::Error>>,
}

impl Interrupt {
    pub(super) fn new(space: FreeSpace) -> Interrupt {
        Interrupt {
            is_raised: AtomicBool::new(false),
            ends_reclaim: AtomicBool::new(false),
            is_reclaim: AtomicBool::new(false),
            space: Arc::new(space),
            durable: Durable::default(),
            unsynced: Mutex::default(),
        }
    }

    /// Returns whether the last compaction synced what it wrote.
    pub(super) fn take_sync_result(&self) -> io::Result<()> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        unsynced.take().map_or(Ok(()), Err)
    }

    /// Records that a compaction begins, and whether it only reclaims space.
    pub(super) fn begin(&self, is_reclaim: bool) {
        self.ends_reclaim.store(false, Ordering::Relaxed);
        self.is_reclaim.store(is_reclaim, Ordering::Relaxed);
    }

    fn is_due(&self) -> bool {
        self.is_raised.load(Ordering::Relaxed)
            || self.ends_reclaim.load(Ordering::Relaxed) && self.is_reclaim.load(Ordering::Relaxed)
    }
}

/// Creates the filter of each compaction of a table.
pub(super) struct Filters {
    pub(super) interrupt: Arc<Interrupt>,
    /// The folder of its value files, if it has any.
    pub(super) values: Option<PathBuf>,
}

impl Factory for Filters {
    fn name(&self) -> &str {
        "akvs"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        Box::new(Filter {
            interrupt: Arc::clone(&self.interrupt),
            values: self.values.clone(),
            rows: 0,
        })
    }
}

struct Filter {
    interrupt: Arc<Interrupt>,
    values: Option<PathBuf>,
    rows: u32,
}

impl CompactionFilter for Filter {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> lsm_tree::Result<Verdict> {
        let interrupt = &self.interrupt;
        if interrupt.is_due() {
            return Err(interrupted(std::io::ErrorKind::Interrupted));
        }
        // A value in a file of its own may be long.
        let checks_space = item.is_indirection() || self.rows.is_multiple_of(ROWS_PER_SPACE_CHECK);
        self.rows = self.rows.wrapping_add(1);
        if checks_space && interrupt.space.query() < RESERVED_BYTES {
            return Err(interrupted(std::io::ErrorKind::StorageFull));
        }
        Ok(Verdict::Keep)
    }

    fn finish(self: Box<Self>) {
        let interrupt = self.interrupt;
        let Some(values) = self.values else { return };
        if let Err(error) = interrupt.durable.values(&values) {
            let unsynced = interrupt.unsynced.lock();
            *unsynced.unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

fn interrupted(kind: std::io::ErrorKind) -> lsm_tree::Error {
    std::io::Error::new(kind, "the compaction was interrupted").into()
}

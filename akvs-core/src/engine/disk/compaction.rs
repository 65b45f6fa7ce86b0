//! How tables are compacted, by whom, and how a compaction is ended early.
//!
//! fjall compacts on its own workers, where an error, a full disk for one, ends all writes until the next start, and
//! nothing ends one that is under way. So the strategy that fjall keeps for a table never joins files, and the engine's
//! own thread (`background`) compacts by another one. The filter that each compaction asks for each row keeps every row;
//! it is there to end a compaction on the engine's thread: at the stop, where the disk runs out, and where one that only
//! gives space back is in the way of others. At the end of the rows it makes durable which files of values there are, before
//! the table's list names the new ones.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fjall::compaction::Leveled;
use fjall::compaction::filter::{
    CompactionFilter, CompactionFilterResult, Context, Factory, ItemAccessor, Verdict,
};

use super::durable::Durable;
use super::free_space::FreeSpace;

/// The name of the thread that compacts, by which the filter knows it.
pub(super) const THREAD: &str = "akvs-compact";
/// So many rows are joined between two looks at the disk.
const ROWS_PER_SPACE_CHECK: u32 = 4_096;
/// A compaction ends where less is free, so that commits still have some.
const RESERVED_BYTES: u64 = 16 << 20;

/// The strategy that fjall's workers go by: files are moved between levels, but none are joined.
pub(super) fn fjall_strategy() -> Arc<Leveled> {
    let strategy = Leveled::default().with_l0_threshold(u8::MAX);
    Arc::new(strategy.with_table_target_size(1 << 50))
}

/// The strategy that the engine goes by.
pub(super) fn default_strategy() -> Arc<Leveled> {
    Arc::new(Leveled::default())
}

/// The same, where every file in the first level is too much.
pub(super) fn eager_strategy() -> Arc<Leveled> {
    Arc::new(Leveled::default().with_l0_threshold(1))
}

/// Ends compactions.
pub(super) struct Interrupt {
    /// All of them, because the engine is closed.
    pub(super) is_raised: AtomicBool,
    /// One that only gives space back, because others have become more urgent.
    pub(super) ends_reclaim: AtomicBool,
    is_reclaim: AtomicBool,
    pub(super) space: Arc<FreeSpace>,
    pub(super) durable: Durable,
    /// Why the folder of values was not synced, if it was not.
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

    /// Whether the compaction that has ended made durable what it wrote.
    pub(super) fn take_sync_result(&self) -> io::Result<()> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        unsynced.take().map_or(Ok(()), Err)
    }

    /// Notes that a compaction begins, and whether it only gives space back.
    pub(super) fn begin(&self, is_reclaim: bool) {
        self.ends_reclaim.store(false, Ordering::Relaxed);
        self.is_reclaim.store(is_reclaim, Ordering::Relaxed);
    }

    fn is_due(&self) -> bool {
        self.is_raised.load(Ordering::Relaxed)
            || self.ends_reclaim.load(Ordering::Relaxed) && self.is_reclaim.load(Ordering::Relaxed)
    }
}

/// Makes the filter of each compaction of a table.
pub(super) struct Filters {
    pub(super) interrupt: Arc<Interrupt>,
    /// The folder of its files of values, if it has them.
    pub(super) values: Option<PathBuf>,
}

impl Factory for Filters {
    fn name(&self) -> &str {
        "akvs"
    }

    fn make_filter(&self, _: &Context) -> Box<dyn CompactionFilter> {
        let is_ours = std::thread::current().name() == Some(THREAD);
        Box::new(Filter {
            interrupt: is_ours.then(|| Arc::clone(&self.interrupt)),
            values: self.values.clone(),
            rows: 0,
        })
    }
}

struct Filter {
    /// None on a worker of fjall, which must not fail.
    interrupt: Option<Arc<Interrupt>>,
    values: Option<PathBuf>,
    rows: u32,
}

impl CompactionFilter for Filter {
    fn filter_item(&mut self, item: ItemAccessor<'_>, _: &Context) -> CompactionFilterResult {
        let Some(interrupt) = &self.interrupt else {
            return Ok(Verdict::Keep);
        };
        if interrupt.is_due() {
            return Err(interrupted(std::io::ErrorKind::Interrupted));
        }
        // A value of its own file may be long.
        let checks_space = item.is_indirection() || self.rows.is_multiple_of(ROWS_PER_SPACE_CHECK);
        self.rows = self.rows.wrapping_add(1);
        if checks_space && interrupt.space.query() < RESERVED_BYTES {
            return Err(interrupted(std::io::ErrorKind::StorageFull));
        }
        Ok(Verdict::Keep)
    }

    fn finish(self: Box<Self>) {
        let (Some(interrupt), Some(values)) = (self.interrupt, self.values) else {
            return;
        };
        if let Err(error) = interrupt.durable.values(&values) {
            let unsynced = interrupt.unsynced.lock();
            *unsynced.unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    }
}

fn interrupted(kind: std::io::ErrorKind) -> fjall::LsmError {
    std::io::Error::new(kind, "the compaction was ended").into()
}

//! The bounds of what waits to be written to files: memtables, journals, and files to compact. A commit beyond one of
//! them waits for the background work, up to a timeout.
//!
//! The sizes are updated as commits and files are written, so that a commit only loads them; if they exceed a bound,
//! the tables are measured.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use fjall::AbstractTree;

use super::FjallStore;
use super::free_space::FreeSpace;
use crate::engine::Table;

/// Beyond this size of the journals all memtables are written to files, so that journals can be deleted. A new journal
/// has 64 MiB, mostly not allocated on disk.
pub(super) const CHECKPOINT_BYTES: u64 = 72 << 20;
/// The maximum bytes of the journals, except for the commit that exceeds it.
const MAX_JOURNAL_BYTES: u64 = 192 << 20;
/// The maximum bytes of all memtables, in memtables of one table.
const MAX_MEMTABLES: u64 = 6;
/// Below the 30 at which fjall blocks within a commit.
const MAX_UNCOMPACTED_RUNS: usize = 26;
/// The bytes written between two measurements of the journals.
const MEASURE_INTERVAL_BYTES: u64 = 4 << 20;
/// How long a commit waits before it measures again.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The data that waits to be written to files, and its bounds.
pub(super) struct Backlog {
    space: Arc<FreeSpace>,
    memtable_bytes: u64,
    tables: [Waiting; Table::ALL.len()],
    journal_bytes: AtomicU64,
    /// The bytes written since the journals were measured.
    unmeasured_bytes: AtomicU64,
    /// Whether memtables cannot be written to files because the disk is full.
    pub(super) is_disk_full: AtomicBool,
    is_idle: AtomicBool,
    lock: Mutex<()>,
    change: Condvar,
}

#[derive(Default)]
struct Waiting {
    active_bytes: AtomicU64,
    sealed_bytes: AtomicU64,
    runs: AtomicUsize,
}

impl Backlog {
    pub(super) fn new(space: Arc<FreeSpace>, memtable_bytes: u64) -> Backlog {
        Backlog {
            space,
            memtable_bytes,
            tables: Default::default(),
            journal_bytes: AtomicU64::new(0),
            unmeasured_bytes: AtomicU64::new(0),
            is_disk_full: AtomicBool::new(false),
            is_idle: AtomicBool::new(true),
            lock: Mutex::default(),
            change: Condvar::new(),
        }
    }

    pub(super) fn space(&self) -> &FreeSpace {
        &self.space
    }

    fn waiting(&self, table: Table) -> &Waiting {
        &self.tables[table as usize]
    }

    /// Records the size of a table's memtable after a commit, and returns whether it is full.
    pub(super) fn committed(&self, table: Table, bytes: u64) -> bool {
        let active = &self.waiting(table).active_bytes;
        active.store(bytes, Ordering::Relaxed);
        bytes > self.memtable_bytes
    }

    /// Records the bytes written to the journal, and returns whether it must be measured.
    pub(super) fn wrote(&self, bytes: u64) -> bool {
        self.space.wrote(bytes);
        let unmeasured = self.unmeasured_bytes.load(Ordering::Relaxed) + bytes;
        let is_due = unmeasured >= MEASURE_INTERVAL_BYTES.min(self.memtable_bytes);
        let left = if is_due { 0 } else { unmeasured };
        self.unmeasured_bytes.store(left, Ordering::Relaxed);
        is_due
    }

    /// Records the size of the journals, and returns whether they need a checkpoint.
    pub(super) fn measured(&self, journal_bytes: u64) -> bool {
        self.journal_bytes.store(journal_bytes, Ordering::Relaxed);
        journal_bytes > CHECKPOINT_BYTES
    }

    pub(super) fn sealing(&self, table: Table, bytes: u64) {
        let sealed = &self.waiting(table).sealed_bytes;
        sealed.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn sealed(&self, table: Table, active_bytes: u64) {
        let active = &self.waiting(table).active_bytes;
        active.store(active_bytes, Ordering::Relaxed);
    }

    pub(super) fn flushed(&self, table: Table, runs: usize) {
        let sealed = &self.waiting(table).sealed_bytes;
        sealed.store(0, Ordering::Relaxed);
        self.compacted(table, runs);
    }

    pub(super) fn compacted(&self, table: Table, runs: usize) {
        self.waiting(table).runs.store(runs, Ordering::Relaxed);
        self.changed();
    }

    /// Wakes the waiting commits.
    pub(super) fn changed(&self) {
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.change.notify_all();
    }

    pub(super) fn runs(&self, table: Table) -> usize {
        self.waiting(table).runs.load(Ordering::Relaxed)
    }

    /// Returns whether the free space was used since the last call; if not, the threads are idle until
    /// [`Backlog::take_idle`].
    pub(super) fn was_used(&self) -> bool {
        let was_used = self.space.mark_stale();
        self.is_idle.store(!was_used, Ordering::Relaxed);
        was_used
    }

    /// Returns whether the threads were idle, and marks them as active.
    pub(super) fn take_idle(&self) -> bool {
        self.is_idle.load(Ordering::Relaxed) && self.is_idle.swap(false, Ordering::Relaxed)
    }

    /// Returns the bytes of all memtables.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |waiting: &Waiting| {
            waiting.active_bytes.load(Ordering::Relaxed)
                + waiting.sealed_bytes.load(Ordering::Relaxed)
        };
        self.tables.iter().map(bytes).sum()
    }

    /// Returns whether a commit may start.
    pub(super) fn has_room(&self) -> bool {
        let runs = |waiting: &Waiting| waiting.runs.load(Ordering::Relaxed);
        self.bytes() <= MAX_MEMTABLES * self.memtable_bytes
            && self
                .tables
                .iter()
                .all(|table| runs(table) <= MAX_UNCOMPACTED_RUNS)
            && self.journal_bytes.load(Ordering::Relaxed) <= MAX_JOURNAL_BYTES
    }

    /// Measures the tables and the journals, and returns whether a commit may start.
    pub(super) fn refresh(&self, store: &FjallStore) -> fjall::Result<bool> {
        for table in Table::ALL {
            let (tree, waiting) = (&store.keyspace(table).tree, self.waiting(table));
            let active = tree.active_memtable().size();
            waiting.active_bytes.store(active, Ordering::Relaxed);
            let runs = tree.l0_run_count();
            waiting.runs.store(runs, Ordering::Relaxed);
        }
        let journal = store.database.journal_disk_space()?;
        self.journal_bytes.store(journal, Ordering::Relaxed);
        Ok(self.has_room())
    }

    /// Returns the table with the largest memtable.
    pub(super) fn fullest(&self) -> Table {
        let bytes = |table: &Table| self.waiting(*table).active_bytes.load(Ordering::Relaxed);
        Table::ALL
            .into_iter()
            .max_by_key(bytes)
            .unwrap_or(Table::Data)
    }

    /// Waits for a change, for a short time.
    pub(super) fn wait(&self) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.change.wait_timeout(lock, POLL_INTERVAL);
    }

    /// Returns how many times to wait within this time.
    pub(super) fn attempts(timeout: Duration) -> u128 {
        timeout.as_millis() / POLL_INTERVAL.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memtables_journals_and_files_are_bounded() {
        let space = FreeSpace::new(std::path::Path::new("/"), 0);
        let backlog = Backlog::new(Arc::new(space), 100);
        assert!(backlog.has_room());
        assert!(!backlog.committed(Table::Data, 100) && backlog.committed(Table::Data, 101));
        backlog.sealing(Table::History, 499);
        assert!(backlog.has_room());
        backlog.sealing(Table::History, 500);
        assert!(!backlog.has_room(), "101 and 500 bytes");
        backlog.flushed(Table::History, MAX_UNCOMPACTED_RUNS);
        assert!(backlog.has_room());
        backlog.compacted(Table::Meta, MAX_UNCOMPACTED_RUNS + 1);
        assert!(!backlog.has_room());
        backlog.compacted(Table::Meta, 0);
        assert!(!backlog.measured(CHECKPOINT_BYTES) && backlog.measured(CHECKPOINT_BYTES + 1));
        assert!(backlog.has_room());
        backlog.measured(MAX_JOURNAL_BYTES + 1);
        assert!(!backlog.has_room());
    }
}

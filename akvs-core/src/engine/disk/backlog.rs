//! The bounds of what waits to be written to files: memtables, and files to compact. A commit beyond one of them waits
//! for the background work, up to a timeout.
//!
//! The sizes are updated as commits and files are written, so that a commit only loads them.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::free_space::FreeSpace;
use crate::engine::Table;

/// The maximum bytes of all memtables, in memtables of one table.
const MAX_MEMTABLES: u64 = 6;
/// How many times as large as usual a memtable may become while another one of its table waits.
const MAX_GROWTH: u64 = 2;
/// Beyond this reads become slow, because they look into each of them.
const MAX_UNCOMPACTED_RUNS: usize = 26;
/// How long a commit waits before it looks again.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The data that waits to be written to files, and its bounds.
pub(super) struct Backlog {
    space: Arc<FreeSpace>,
    memtable_bytes: u64,
    tables: [Waiting; Table::ALL.len()],
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

    /// Records the size of a table's memtable after a commit, and returns whether it must be sealed. While another one of
    /// the table waits it may grow further: one file with more rows costs less than two.
    pub(super) fn committed(&self, table: Table, bytes: u64) -> bool {
        let waiting = self.waiting(table);
        waiting.active_bytes.store(bytes, Ordering::Relaxed);
        let is_alone = waiting.sealed_bytes.load(Ordering::Relaxed) == 0;
        let limit = if is_alone { 1 } else { MAX_GROWTH };
        bytes > limit * self.memtable_bytes
    }

    /// Records that a memtable of this size was sealed, and the next one is empty.
    pub(super) fn sealed(&self, table: Table, bytes: u64) {
        let waiting = self.waiting(table);
        waiting.sealed_bytes.fetch_add(bytes, Ordering::Relaxed);
        waiting.active_bytes.store(0, Ordering::Relaxed);
    }

    /// Records that a sealed memtable of this size was written to files.
    pub(super) fn flushed(&self, table: Table, bytes: u64, runs: usize) {
        let sealed = &self.waiting(table).sealed_bytes;
        sealed.fetch_sub(bytes, Ordering::Relaxed);
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
        self.has_memory()
            && self
                .tables
                .iter()
                .all(|table| runs(table) <= MAX_UNCOMPACTED_RUNS)
    }

    /// Returns whether the memtables are below their bound.
    pub(super) fn has_memory(&self) -> bool {
        self.bytes() <= MAX_MEMTABLES * self.memtable_bytes
    }

    /// Returns the table with the largest memtable.
    pub(super) fn fullest(&self) -> Table {
        let bytes = |table: &Table| self.waiting(*table).active_bytes.load(Ordering::Relaxed);
        Table::ALL
            .into_iter()
            .max_by_key(bytes)
            .unwrap_or(Table::Data)
    }

    /// Returns whether no sealed memtable waits.
    pub(super) fn is_flushed(&self) -> bool {
        let sealed = |waiting: &Waiting| waiting.sealed_bytes.load(Ordering::Relaxed);
        self.tables.iter().all(|table| sealed(table) == 0)
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
    fn memtables_and_files_are_bounded() {
        let space = FreeSpace::new(std::path::Path::new("/"), 0);
        let backlog = Backlog::new(Arc::new(space), 100);
        assert!(backlog.has_room());
        assert!(!backlog.committed(Table::Data, 100) && backlog.committed(Table::Data, 101));
        backlog.sealed(Table::History, 499);
        assert!(backlog.has_room());
        assert!(!backlog.committed(Table::History, 200) && backlog.committed(Table::History, 201));
        backlog.committed(Table::History, 0);
        backlog.sealed(Table::History, 1);
        assert!(!backlog.has_room(), "101 and 500 bytes");
        backlog.flushed(Table::History, 1, 0);
        assert!(backlog.has_room() && !backlog.is_flushed());
        backlog.flushed(Table::History, 499, MAX_UNCOMPACTED_RUNS);
        assert!(backlog.has_room() && backlog.is_flushed());
        backlog.compacted(Table::Meta, MAX_UNCOMPACTED_RUNS + 1);
        assert!(!backlog.has_room());
        backlog.compacted(Table::Meta, 0);
        assert!(backlog.has_room());
    }
}

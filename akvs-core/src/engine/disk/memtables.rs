//! The memtables: those that commits are inserted into, and the sealed ones that wait to be written to files.
//!
//! A memtable is freed with hundreds of thousands of small allocations. So a reference to each is kept here until the
//! tree has none, and dropped by the thread that writes files: no commit and no read waits for it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsm_tree::{Memtable, SeqNo};

use super::Table;

/// A memtable that waits to be written to a file.
#[derive(Clone)]
pub(super) struct SealedMemtable {
    pub(super) table: Table,
    pub(super) memtable: Arc<Memtable>,
    /// The sequence number of its oldest row.
    first: SeqNo,
    /// The newest commit when it was sealed.
    pub(super) commit: u64,
}

/// The sealed memtables, and the oldest rows of the others.
#[derive(Default)]
pub(super) struct Memtables {
    /// The sequence number of the oldest row in the memtable of each table; 0 where it has none.
    first: [AtomicU64; Table::ALL.len()],
    sealed: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    waiting: VecDeque<SealedMemtable>,
    written: Vec<Arc<Memtable>>,
}

impl Memtables {
    /// Records that a row was inserted.
    pub(super) fn inserted(&self, table: Table, sequence: SeqNo) {
        let first = &self.first[table as usize];
        if first.load(Ordering::Relaxed) == 0 {
            first.store(sequence, Ordering::Release);
        }
    }

    /// Returns the sequence number of the oldest row of a table's memtable; 0 where it has none.
    pub(super) fn first(&self, table: Table) -> SeqNo {
        self.first[table as usize].load(Ordering::Acquire)
    }

    /// Records a sealed memtable, which is empty from now on.
    pub(super) fn seal(&self, table: Table, memtable: Arc<Memtable>, commit: u64) {
        let mut lists = self.lists();
        let first = self.first[table as usize].swap(0, Ordering::AcqRel);
        lists.waiting.push_back(SealedMemtable {
            table,
            memtable,
            first,
            commit,
        });
    }

    /// Returns the memtable that was sealed first.
    pub(super) fn next(&self) -> Option<SealedMemtable> {
        self.lists().waiting.front().cloned()
    }

    /// Returns whether a memtable of this table waits.
    pub(super) fn waits(&self, table: Table) -> bool {
        let lists = self.lists();
        lists.waiting.iter().any(|sealed| sealed.table == table)
    }

    /// Records that the memtable that was sealed first is in files.
    pub(super) fn written(&self) {
        let mut lists = self.lists();
        if let Some(sealed) = lists.waiting.pop_front() {
            lists.written.push(sealed.memtable);
        }
    }

    /// Frees the memtables that no tree uses any more, and returns whether others are left.
    pub(super) fn free(&self) -> bool {
        let mut lists = self.lists();
        let unused = |memtable: &mut Arc<Memtable>| Arc::strong_count(memtable) == 1;
        let freed: Vec<_> = lists.written.extract_if(.., unused).collect();
        let are_left = !lists.written.is_empty();
        drop(lists);
        drop(freed);
        are_left
    }

    /// Returns the sequence number of the oldest row that is in no file, given the number below which all rows were
    /// inserted.
    pub(super) fn oldest_row(&self, visible: SeqNo) -> SeqNo {
        let lists = self.lists();
        let active = Table::ALL.map(|table| self.first(table));
        let sealed = lists.waiting.iter().map(|sealed| sealed.first);
        let rows = active.into_iter().chain(sealed).filter(|first| *first != 0);
        rows.chain([visible]).min().unwrap_or_default()
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_row_is_in_a_sealed_or_an_active_memtable() {
        let memtables = Memtables::default();
        assert_eq!(memtables.oldest_row(9), 9);
        memtables.inserted(Table::Data, 5);
        memtables.inserted(Table::Data, 6);
        memtables.inserted(Table::Meta, 6);
        assert_eq!(memtables.oldest_row(9), 5);
        memtables.seal(Table::Data, Arc::new(Memtable::new(1)), 2);
        memtables.inserted(Table::Data, 7);
        assert_eq!(memtables.oldest_row(9), 5);
        assert!(memtables.waits(Table::Data) && !memtables.waits(Table::Meta));
        memtables.written();
        assert_eq!(memtables.oldest_row(9), 6);
        memtables.seal(Table::Meta, Arc::new(Memtable::new(2)), 3);
        memtables.written();
        assert_eq!(memtables.oldest_row(9), 7);
        assert_eq!(memtables.oldest_row(4), 4, "rows may be inserted now");
    }

    #[test]
    fn a_memtable_is_freed_once_no_tree_uses_it() {
        let memtables = Memtables::default();
        let memtable = Arc::new(Memtable::new(1));
        memtables.seal(Table::Data, Arc::clone(&memtable), 1);
        assert!(!memtables.free(), "it is not written yet");
        memtables.written();
        assert!(memtables.free(), "the tree uses it");
        let weak = Arc::downgrade(&memtable);
        drop(memtable);
        assert!(!memtables.free());
        assert!(weak.upgrade().is_none());
    }
}

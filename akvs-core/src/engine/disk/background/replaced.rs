//! The replaced lists of files, and the deletion of their files.
//!
//! lsm-tree deletes a file with the last list that names it, and drops its lists under the lock that every commit and
//! every read of the table needs: many large files, as after a drop, would block them for as long as the file system
//! takes. So a second reference to each list is kept here from before it is replaced until lsm-tree has none.

use std::any::Any;
use std::sync::PoisonError;

use lsm_tree::AbstractTree;

use super::{Shared, Table};

/// A list of files that was or will be replaced.
pub(super) struct ReplacedList {
    table: Table,
    number: u64,
    /// The reference that keeps the list.
    _list: Box<dyn Any + Send>,
}

impl Shared {
    /// Keeps a table's current list, which may be replaced next, and returns its number.
    pub(super) fn keep_list(&self, table: Table) -> u64 {
        let list = self.core.trees.tree(table).current_version();
        let number = list.id();
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let is_kept = |kept: &ReplacedList| kept.table == table && kept.number == number;
        if !replaced.iter().any(is_kept) {
            replaced.push(ReplacedList {
                table,
                number,
                _list: Box::new(list),
            });
        }
        number
    }

    /// Drops the lists that lsm-tree has dropped, which deletes their files.
    pub(super) fn release_lists(&self) {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        if replaced.is_empty() {
            return;
        }
        // Each older list has a number of its own, or that of the list after it.
        let oldest = Table::ALL.map(|table| {
            let tree = self.core.trees.tree(table);
            let older = tree.get_version_history_lock().free_list_len();
            tree.current_version().id().saturating_sub(older as u64)
        });
        let is_over = |kept: &mut ReplacedList| kept.number < oldest[kept.table as usize];
        let over: Vec<ReplacedList> = replaced.extract_if(.., is_over).collect();
        drop(replaced);
        drop(over);
    }
}

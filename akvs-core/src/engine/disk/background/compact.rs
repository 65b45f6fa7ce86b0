//! The compaction of files, and the reclaiming of space.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fjall::AbstractTree;

use super::super::compaction;
use super::super::durable::Step as Durable;
use super::{
    Discard, FLUSH_RESERVE_BYTES, KeyRange, RECLAIM_RUNS, RETRY_INTERVAL, Reclaim, Shared, Table,
    acquire, is_full, is_interrupted,
};
use crate::engine::disk::orphan_files::OrphanFiles;

/// The bytes of obsolete values at which their files are rewritten.
const STALE_BYTES: u64 = 4 << 20;

/// A kind of compaction.
#[derive(Clone, Copy)]
enum Step {
    Default,
    /// All files of the first level.
    Eager,
    /// A whole level into another one.
    Down(u8, u8),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CompactionResult {
    Unchanged,
    Changed,
    /// It was interrupted, by a lack of space or by the stop.
    Interrupted,
}

impl Shared {
    pub(super) fn run_compactions(&self) -> fjall::Result<()> {
        let mut pause = RETRY_INTERVAL;
        loop {
            self.release_lists();
            let mut work = self.work();
            if work.stopping {
                return Ok(());
            }
            if let Some(requested) = work.discard.iter().find(|requested| !requested.is_done) {
                let (table, range) = (requested.table, requested.range.clone());
                drop(work);
                self.discard_files(table, &range)?;
                continue;
            }
            let wanted = (0..Table::ALL.len()).filter(|at| work.compact[*at]);
            let done = if let Some(at) = wanted.max_by_key(|at| self.backlog.runs(Table::ALL[*at]))
            {
                work.compact[at] = false;
                drop(work);
                let done = self.compact(Table::ALL[at], Step::Default)?;
                self.work().compact[at] |= done != CompactionResult::Unchanged;
                done
            } else if let Reclaim::Wanted(tries) = work.reclaim {
                drop(work);
                let done = self.reclaim_all()?;
                self.work().reclaim = match tries {
                    2.. if done == CompactionResult::Interrupted => Reclaim::Wanted(tries - 1),
                    _ => Reclaim::Done,
                };
                done
            } else {
                self.wait(work, None);
                continue;
            };
            if done == CompactionResult::Interrupted {
                // If the disk is full, space may become free later.
                self.pause(pause);
                pause = (2 * pause).min(60 * RETRY_INTERVAL);
            } else {
                pause = RETRY_INTERVAL;
            }
        }
    }

    /// Compacts a table once.
    fn compact(&self, table: Table, step: Step) -> fjall::Result<CompactionResult> {
        let keyspace = self.store.keyspace(table);
        let (tree, files) = (&keyspace.tree, acquire(&self.compacting));
        let before = OrphanFiles::list(keyspace.path());
        let version = self.keep_list(table);
        let is_reclaim = !matches!(step, Step::Default);
        self.interrupt.begin(is_reclaim);
        let watermark = self.watermark();
        let compacted = match step {
            Step::Default => tree.compact(compaction::default_strategy(), watermark),
            Step::Eager => tree.compact(compaction::eager_strategy(), watermark),
            Step::Down(from, to) => tree.compact(
                Arc::new(lsm_tree::compaction::PullDown(from, to)),
                watermark,
            ),
        };
        drop(files);
        self.interrupt.take_sync_result()?;
        let done = match compacted {
            Ok(()) if tree.current_version().id() == version => CompactionResult::Unchanged,
            Ok(()) => {
                self.interrupt.durable.note(Durable::Compacted(table));
                CompactionResult::Changed
            }
            Err(error) if is_full(&error) || is_interrupted(&error) => {
                self.remove_leftovers(table, before);
                CompactionResult::Interrupted
            }
            Err(error) => return Err(error.into()),
        };
        self.backlog.compacted(table, tree.l0_run_count());
        Ok(done)
    }

    /// Removes the files that an interrupted compaction left. Files that fjall's worker is writing are in no list
    /// either: after a crash it flushes the content of the journals, and at the stop the memtables that the flush
    /// thread had no space for. Where it may be writing, all files stay until the next start.
    pub(super) fn remove_leftovers(&self, table: Table, before: OrphanFiles) {
        let (_flushing, _compacting) = (acquire(&self.flushing), acquire(&self.compacting));
        let is_sealed = self.store.keyspace(table).tree.sealed_memtable_count() > 0;
        if !is_sealed || self.holds_flush_lock[table as usize].load(Ordering::Acquire) {
            before.remove_others();
        }
    }

    /// Discards the files that contain only rows of a range. Their rows do not return with the next start: fjall skips
    /// the commits in its journals up to the newest in any file, and that is in the file with the marker, which is
    /// outside the range.
    fn discard_files(&self, table: Table, range: &KeyRange) -> fjall::Result<()> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let files = acquire(&self.compacting);
        let start = Included(&range.start[..]);
        let end = range.end.as_deref().map_or(Unbounded, Excluded);
        let tree = &self.store.keyspace(table).tree;
        self.keep_list(table);
        match tree.drop_range::<&[u8], _>((start, end)) {
            Ok(()) => {}
            // Rows that are not discarded are removed one by one.
            Err(error) if is_full(&error) => {}
            Err(error) => return Err(error.into()),
        }
        drop(files);
        let matches =
            |requested: &&mut Discard| requested.table == table && requested.range == *range;
        if let Some(requested) = self.work().discard.iter_mut().find(matches) {
            requested.is_done = true;
        }
        Ok(())
    }

    /// Compacts all files of the tables that rows were removed from.
    fn reclaim_all(&self) -> fjall::Result<CompactionResult> {
        for table in [Table::Data, Table::History, Table::Deadlines] {
            let bytes = self.store.keyspace(table).tree.active_memtable().size();
            if self.backlog.space().query() > bytes + FLUSH_RESERVE_BYTES {
                // The removal of a row may be in memory only.
                self.flush_table(table)?;
            }
            if !self.reclaim_table(table)? {
                return Ok(CompactionResult::Interrupted);
            }
        }
        Ok(CompactionResult::Changed)
    }

    /// Compacts all files of a table, and returns whether it was completed.
    fn reclaim_table(&self, table: Table) -> fjall::Result<bool> {
        let tree = &self.store.keyspace(table).tree;
        let mut rewrites = true;
        loop {
            if self.must_yield() {
                return Ok(false);
            }
            let version = tree.current_version();
            let mut levels = (0_u8..7).filter(|at| {
                let level = version.level(usize::from(*at));
                level.is_some_and(|level| !level.is_empty())
            });
            let step = match (levels.next(), levels.next()) {
                (Some(0), _) => Step::Eager,
                (Some(from), Some(to)) => Step::Down(from, to),
                // A compaction detects obsolete values, and the next one removes them.
                (Some(last), None) if rewrites && tree.stale_blob_bytes() > STALE_BYTES => {
                    rewrites = false;
                    Step::Down(last, last)
                }
                _ => return Ok(true),
            };
            match self.compact(table, step)? {
                CompactionResult::Changed => {}
                CompactionResult::Unchanged => return Ok(true),
                CompactionResult::Interrupted => return Ok(false),
            }
        }
    }

    /// Returns whether more urgent compactions wait or the thread must end.
    fn must_yield(&self) -> bool {
        let runs = Table::ALL.into_iter().map(|table| self.backlog.runs(table));
        self.work().stopping || runs.max() > Some(RECLAIM_RUNS)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::engine::{Batch, Durability, Engine};
    use crate::{DiskEngine, DiskOptions};

    #[test]
    fn files_that_fjall_may_be_writing_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let engine = DiskEngine::open(&DiskOptions::new(folder.path())).unwrap();
        let mut batch = Batch::default();
        batch.put(Table::Data, &b"key"[..], &b"value"[..]);
        engine.commit(batch, Durability::Synced).unwrap();
        let shared = engine.background.shared();
        let keyspace = shared.store.keyspace(Table::Data);
        let file = |number: u64| keyspace.path().join("tables").join(number.to_string());
        let begin = |number| {
            let before = OrphanFiles::list(keyspace.path());
            fs::write(file(number), b"the beginning of a table").unwrap();
            before
        };
        // As fjall recovers it: sealed, and its own worker will flush it.
        let lock = keyspace.tree.get_flush_lock();
        assert!(keyspace.tree.rotate_memtable().is_some());
        shared.remove_leftovers(Table::Data, begin(900));
        assert!(file(900).exists(), "fjall may be writing it");
        // The engine's flush waits for space, and holds the lock against fjall's worker.
        shared.holds_flush_lock[Table::Data as usize].store(true, Ordering::Release);
        shared.remove_leftovers(Table::Data, begin(901));
        assert!(!file(901).exists());
        shared.holds_flush_lock[Table::Data as usize].store(false, Ordering::Release);
        keyspace.tree.flush(&lock, 0).unwrap();
        drop(lock);
        shared.remove_leftovers(Table::Data, begin(902));
        assert!(!file(902).exists(), "nothing is left to flush");
        drop(engine);
        let engine = DiskEngine::open(&DiskOptions::new(folder.path())).unwrap();
        let found = engine.get(Table::Data, b"key").unwrap();
        assert_eq!(found.as_deref(), Some(&b"value"[..]));
    }
}

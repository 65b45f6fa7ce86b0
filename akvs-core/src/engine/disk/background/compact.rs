//! The compaction of files, and the reclaiming of space.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use lsm_tree::AbstractTree;

use super::super::compaction;
use super::super::durable::Step as Durable;
use super::{
    Discard, DiscardState, FLUSH_RESERVE_BYTES, KeyRange, RECLAIM_RUNS, RETRY_INTERVAL, Reclaim,
    Shared, Table, acquire, is_full, is_interrupted,
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
    pub(super) fn run_compactions(&self) -> lsm_tree::Result<()> {
        let mut pause = RETRY_INTERVAL;
        loop {
            self.release_lists();
            let mut work = self.work();
            if work.stopping {
                return Ok(());
            }
            if let Some(requested) = work
                .discard
                .iter()
                .find(|requested| requested.state == DiscardState::Ready)
            {
                let (table, range) = (requested.table, requested.range.clone());
                drop(work);
                self.discard_files(table, &range)?;
                continue;
            }
            let wanted = (0..Table::ALL.len()).filter(|at| work.compact[*at]);
            let done =
                if let Some(at) = wanted.max_by_key(|at| self.core.backlog.runs(Table::ALL[*at])) {
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
    fn compact(&self, table: Table, step: Step) -> lsm_tree::Result<CompactionResult> {
        let (tree, files) = (self.core.trees.tree(table), acquire(&self.compacting));
        let before = OrphanFiles::list(self.core.trees.folder(table));
        let version = self.keep_list(table);
        let is_reclaim = !matches!(step, Step::Default);
        self.core.interrupt.begin(is_reclaim);
        let watermark = self.core.snapshots.watermark();
        let compacted = match step {
            Step::Default => tree.compact(compaction::default_strategy(), watermark),
            Step::Eager => tree.compact(compaction::eager_strategy(), watermark),
            Step::Down(from, to) => tree.compact(
                Arc::new(lsm_tree::compaction::PullDown(from, to)),
                watermark,
            ),
        };
        drop(files);
        self.core.interrupt.take_sync_result()?;
        let done = match compacted {
            Ok(()) if tree.current_version().id() == version => CompactionResult::Unchanged,
            Ok(()) => {
                self.core.interrupt.durable.note(Durable::Compacted(table));
                self.release_versions(table)?;
                CompactionResult::Changed
            }
            Err(error) if is_full(&error) || is_interrupted(&error) => {
                self.remove_leftovers(before);
                CompactionResult::Interrupted
            }
            Err(error) => return Err(error),
        };
        self.core.backlog.compacted(table, tree.l0_run_count());
        Ok(done)
    }

    /// Removes the files that an interrupted compaction left.
    fn remove_leftovers(&self, before: OrphanFiles) {
        // No other thread may write files of the table meanwhile.
        let (_flushing, _compacting) = (acquire(&self.flushing), acquire(&self.compacting));
        before.remove_others();
    }

    /// Discards the files that contain only rows of a range. The log has none of these rows, so that they do not return
    /// with the next start.
    fn discard_files(&self, table: Table, range: &KeyRange) -> lsm_tree::Result<()> {
        let files = acquire(&self.compacting);
        let tree = self.core.trees.tree(table);
        let version = tree.current_version();
        let files_keys = version.iter_tables().map(|file| &file.metadata.key_range);
        let unshared = unshared(files_keys, range);
        self.keep_list(table);
        match tree.drop_range::<Bytes, _>(unshared) {
            Ok(()) => {}
            // Rows that are not discarded are removed one by one.
            Err(error) if is_full(&error) => {}
            Err(error) => return Err(error),
        }
        drop(files);
        self.release_versions(table)?;
        let matches =
            |requested: &&mut Discard| requested.table == table && requested.range == *range;
        if let Some(requested) = self.work().discard.iter_mut().find(matches) {
            requested.state = DiscardState::Done;
        }
        Ok(())
    }

    /// Compacts all files of the tables that rows were removed from.
    fn reclaim_all(&self) -> lsm_tree::Result<CompactionResult> {
        for table in [Table::Data, Table::History, Table::Deadlines] {
            let bytes = self.core.trees.tree(table).active_memtable().size();
            if self.core.backlog.space().query() > bytes + FLUSH_RESERVE_BYTES {
                // The removal of a row may be in memory only.
                self.flush_now(table);
            }
            if !self.reclaim_table(table)? {
                return Ok(CompactionResult::Interrupted);
            }
        }
        Ok(CompactionResult::Changed)
    }

    /// Compacts all files of a table, and returns whether it was completed.
    fn reclaim_table(&self, table: Table) -> lsm_tree::Result<bool> {
        let tree = self.core.trees.tree(table);
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
        let runs = Table::ALL
            .into_iter()
            .map(|table| self.core.backlog.runs(table));
        self.work().stopping || runs.max() > Some(RECLAIM_RUNS)
    }
}

/// Returns the part of a range that no file with other rows reaches into. Only there files may be discarded: elsewhere one
/// may have nothing but the removal of rows that a file with other rows still has.
fn unshared<'a>(
    files: impl Iterator<Item = &'a lsm_tree::KeyRange>,
    range: &KeyRange,
) -> (Bound<Bytes>, Bound<Bytes>) {
    let is_before_end = |key: &[u8]| range.end.as_ref().is_none_or(|end| key < &end[..]);
    let (mut last_before, mut first_after) = (None, None);
    for keys in files {
        let (min, max) = (keys.min(), keys.max());
        if **max < range.start[..] || !is_before_end(min) {
            continue;
        }
        if **min < range.start[..] {
            last_before = last_before.max(Some(max));
        }
        if !is_before_end(max) {
            first_after = Some(first_after.map_or(min, |other: &_| min.min(other)));
        }
    }
    let start = match last_before {
        Some(key) => Bound::Excluded(Bytes::copy_from_slice(key)),
        None => Bound::Included(range.start.clone()),
    };
    let end = match first_after {
        Some(key) => Bound::Excluded(Bytes::copy_from_slice(key)),
        None => range.end.clone().map_or(Bound::Unbounded, Bound::Excluded),
    };
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the part of the range from d to m that files with these first and last keys leave.
    fn left(files: &[(&str, &str)]) -> (Bound<Bytes>, Bound<Bytes>) {
        let keys: Vec<_> = files
            .iter()
            .map(|(min, max)| lsm_tree::KeyRange::new(((*min).into(), (*max).into())))
            .collect();
        let range = KeyRange {
            start: "d".into(),
            end: Some("m".into()),
        };
        unshared(keys.iter(), &range)
    }

    #[test]
    fn files_with_other_rows_bound_what_is_discarded() {
        let key = |key: &'static str| Bytes::from(key);
        let whole = (Bound::Included(key("d")), Bound::Excluded(key("m")));
        assert_eq!(left(&[]), whole);
        assert_eq!(left(&[("a", "c"), ("d", "l"), ("m", "z")]), whole);
        let cut = (Bound::Excluded(key("f")), Bound::Excluded(key("k")));
        let files = [("a", "e"), ("b", "f"), ("e", "h"), ("k", "m"), ("l", "z")];
        assert_eq!(left(&files), cut);
        let (start, end) = left(&[("a", "z")]);
        assert_eq!(
            (start, end),
            (Bound::Excluded(key("z")), Bound::Excluded(key("a")))
        );
    }
}

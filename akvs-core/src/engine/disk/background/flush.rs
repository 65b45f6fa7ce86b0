//! The flush of memtables to files, and the segments of the log that it frees.

use std::sync::atomic::Ordering;
use std::time::Duration;

use lsm_tree::{AbstractTree, Error as LsmError, InternalValue, Memtable, SeqNo};

use super::super::durable::Step;
use super::super::log_files::{LogFiles, Wanted};
use super::super::memtables::SealedMemtable;
use super::{
    FLUSH_RESERVE_BYTES, FREE_INTERVAL, RECLAIM_RUNS, RETRY_INTERVAL, Shared, Table, acquire,
    is_full, is_interrupted,
};
use crate::engine::disk::orphan_files::OrphanFiles;

/// How long to wait before looking again whether a memtable is in files.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

impl Shared {
    pub(super) fn run_flushes(&self) -> lsm_tree::Result<()> {
        let core = &self.core;
        // Whether no segment could be prepared for lack of space.
        let mut is_blocked = false;
        let mut last_logged = 0;
        loop {
            let mut work = self.work();
            if work.stopping {
                return Ok(());
            }
            work.flush = false;
            drop(work);
            if !is_blocked && let Some(wanted) = core.files.wanted(core.backlog.space().query()) {
                is_blocked = !self.prepare(&wanted)?;
                continue;
            }
            if let Some(sealed) = core.memtables.next() {
                self.flush_memtable(&sealed)?;
                is_blocked = false;
                continue;
            }
            self.retire()?;
            let is_unreleased = self.release_unused(&mut last_logged)?;
            self.release_lists();
            let pause = if core.memtables.free() || is_unreleased {
                Some(FREE_INTERVAL)
            } else {
                // Without writes the free space is not needed.
                (core.backlog.was_used() || is_blocked).then_some(RETRY_INTERVAL)
            };
            let work = self.work();
            if !work.flush && !work.stopping {
                self.wait(work, pause);
            }
            is_blocked = false;
        }
    }

    /// Prepares a segment of the log, and returns whether it is there. It is not where the disk has too little space.
    fn prepare(&self, wanted: &Wanted) -> lsm_tree::Result<bool> {
        let (core, space) = (&self.core, self.core.backlog.space());
        let is_cancelled = || core.interrupt.is_raised.load(Ordering::Relaxed);
        let needed = LogFiles::needed_bytes(wanted);
        let made = match space.query() < needed.saturating_add(FLUSH_RESERVE_BYTES) {
            true => None,
            false => match core.files.prepare(wanted, &is_cancelled) {
                Ok(bytes) => Some(bytes),
                Err(error) => match LsmError::from(error) {
                    // The stop.
                    error if is_interrupted(&error) => return Ok(false),
                    error if is_full(&error) => None,
                    error => return Err(error),
                },
            },
        };
        if let Some(bytes) = made {
            space.wrote(bytes);
        }
        core.files
            .is_disk_full
            .store(made.is_none(), Ordering::Relaxed);
        core.backlog.changed();
        Ok(made.is_some())
    }

    /// Writes a memtable to files, as soon as there is space.
    fn flush_memtable(&self, sealed: &SealedMemtable) -> lsm_tree::Result<()> {
        let (core, table) = (&self.core, sealed.table);
        let bytes = sealed.memtable.size();
        if !self.wait_for_space(bytes) {
            return Ok(());
        }
        // No file may contain a commit that a power loss could remove from the log.
        core.sync_up_to(sealed.commit)?;
        loop {
            let files = acquire(&self.flushing);
            let before = OrphanFiles::list(core.trees.folder(table));
            match self.write_memtable(table, &sealed.memtable) {
                Ok(()) => break,
                Err(error) if is_full(&error) => {
                    let others = acquire(&self.compacting);
                    before.remove_others();
                    drop((files, others));
                    if self.wait_while_disk_full() || !self.wait_for_space(bytes) {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
        core.interrupt.durable.note(Step::Flushed(table));
        core.memtables.written();
        core.backlog.is_disk_full.store(false, Ordering::Relaxed);
        let runs = core.trees.tree(table).l0_run_count();
        core.backlog.flushed(table, bytes, runs);
        self.retire()?;
        self.release_versions(table)?;
        self.release_lists();
        core.memtables.free();
        if runs > RECLAIM_RUNS {
            core.interrupt.ends_reclaim.store(true, Ordering::Relaxed);
        }
        self.request(|work| &mut work.compact[table as usize]);
        Ok(())
    }

    /// Writes a memtable to files, and adds these to the table's list once they are durable.
    fn write_memtable(&self, table: Table, memtable: &Memtable) -> lsm_tree::Result<()> {
        let core = &self.core;
        let (tree, watermark) = (core.trees.tree(table), core.snapshots.watermark());
        let Some((tables, values)) = tree.flush_to_tables(newest(memtable, watermark))? else {
            return Ok(());
        };
        if table == Table::Data {
            let folder = core.trees.folder(table).join("blobs");
            core.interrupt.durable.values(&folder)?;
        }
        tree.register_tables(
            &tables,
            values.as_deref(),
            None,
            &[memtable.id()],
            watermark,
        )
    }

    /// Removes the segments of the log whose rows are in files.
    fn retire(&self) -> lsm_tree::Result<()> {
        match self.core.retire() {
            Ok(has_removed) => {
                if has_removed {
                    self.core.backlog.changed();
                }
                Ok(())
            }
            // It is tried again.
            Err(error) => match LsmError::from(error) {
                error if is_full(&error) => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Releases the versions that no reader needs, where no commit was made since the last call: else a commit makes the
    /// newest numbers visible, and no thread of a lower priority holds the lock that it needs. Returns whether any may be
    /// left.
    fn release_unused(&self, last_logged: &mut SeqNo) -> lsm_tree::Result<bool> {
        let newest = self.core.newest_logged();
        let is_idle = std::mem::replace(last_logged, newest) == newest;
        if !self.is_unreleased.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if is_idle {
            self.is_unreleased.store(false, Ordering::Relaxed);
            self.core.advance();
        }
        for table in Table::ALL {
            self.release(table)?;
        }
        Ok(!is_idle)
    }

    /// Releases the versions of a table that no reader needs, with their memtables and files. The newest one is needed
    /// until a number after it is visible.
    pub(super) fn release_versions(&self, table: Table) -> lsm_tree::Result<()> {
        self.is_unreleased.store(true, Ordering::Relaxed);
        self.flush();
        self.release(table)
    }

    fn release(&self, table: Table) -> lsm_tree::Result<()> {
        let (core, tree) = (&self.core, self.core.trees.tree(table));
        let watermark = core.snapshots.watermark();
        let mut versions = tree.get_version_history_lock();
        versions.maintenance(core.trees.folder(table), watermark)
    }

    /// Writes the memtable of a table to files, if there is space for it, and waits for that.
    pub(in crate::engine::disk) fn flush_now(&self, table: Table) {
        let core = &self.core;
        core.seal(&mut core.writer(), table);
        self.flush();
        while core.memtables.waits(table) && !core.is_disk_full() {
            if self.failure().is_err() || self.pause(POLL_INTERVAL) {
                return;
            }
        }
    }

    /// Waits until the disk has space for a memtable; false where the thread must end before. The rows are in the log.
    fn wait_for_space(&self, bytes: u64) -> bool {
        while self.core.backlog.space().query() < bytes + FLUSH_RESERVE_BYTES {
            if self.wait_while_disk_full() {
                return false;
            }
        }
        true
    }

    /// Records that the disk is full and waits, and returns whether the thread must end.
    fn wait_while_disk_full(&self) -> bool {
        let backlog = &self.core.backlog;
        backlog.is_disk_full.store(true, Ordering::Relaxed);
        self.release_lists();
        backlog.changed();
        self.pause(RETRY_INTERVAL)
    }
}

/// Returns the rows of a memtable that lsm-tree would flush: without those that have a newer version for every reader.
fn newest(
    memtable: &Memtable,
    watermark: SeqNo,
) -> impl Iterator<Item = Result<InternalValue, LsmError>> {
    let mut rows = memtable.iter().peekable();
    std::iter::from_fn(move || {
        let row = rows.next()?;
        let is_older = |next: &InternalValue| next.key.user_key == row.key.user_key;
        if rows
            .peek()
            .is_some_and(|next| is_older(next) && next.key.seqno < watermark)
        {
            while rows.next_if(is_older).is_some() {}
        }
        Some(Ok(row))
    })
}

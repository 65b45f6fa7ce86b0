//! Writing memtables to files.

use std::fs::File;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fjall::{AbstractTree, PersistMode};

use super::super::leftovers::FilesBefore;
use super::super::room::CHECKPOINT_BYTES;
use super::{FLUSH_RESERVE_BYTES, RECLAIM_RUNS, Shared, TICK, Table, guard, is_full};

/// How long fjall's worker is waited for to begin another journal, in ms.
const JOURNAL_WAIT_MS: u32 = 500;

impl Shared {
    pub(super) fn run_flushes(&self) -> fjall::Result<()> {
        loop {
            let mut work = self.work();
            if work.stopping {
                return Ok(());
            }
            if let Some(at) = work.flush.iter().position(|wanted| *wanted) {
                work.flush[at] = false;
                drop(work);
                self.flush_table(Table::ALL[at])?;
            } else if std::mem::take(&mut work.checkpoint) {
                drop(work);
                self.flush_all()?;
            } else {
                // While nothing is written nobody has to know how much is free.
                let pause = self.room.was_used().then_some(TICK);
                self.wait(work, pause);
            }
        }
    }

    /// Writes all memtables to files, once a new journal was begun, so that those before it are deleted.
    fn flush_all(&self) -> fjall::Result<()> {
        let database = &self.store.database;
        if database.journal_disk_space()? <= CHECKPOINT_BYTES {
            return Ok(());
        }
        // fjall begins another journal when it has something to flush, and every commit touches this table.
        let before = database.journal_count();
        self.flush_table(Table::Meta)?;
        for _ in 0..JOURNAL_WAIT_MS {
            if database.journal_count() > before {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        for table in Table::ALL {
            self.flush_table(table)?;
        }
        Ok(())
    }

    /// Writes a memtable to a file, as soon as there is space.
    pub(super) fn flush_table(&self, table: Table) -> fjall::Result<()> {
        let keyspace = self.store.keyspace(table);
        let tree = &keyspace.tree;
        if !self.wait_for_space(tree.active_memtable().size()) {
            return Ok(());
        }
        let lock = tree.get_flush_lock();
        let bytes = tree.active_memtable().size();
        self.room.sealing(table, bytes);
        keyspace.rotate_memtable()?;
        self.room.sealed(table, tree.active_memtable().size());
        // No file may have a commit that a loss of power could take from the journal: the tables would not be at the same
        // commit any more.
        self.store.database.persist(PersistMode::SyncData)?;
        while tree.sealed_memtable_count() > 0 {
            let files = guard(&self.flushing);
            let before = FilesBefore::list(keyspace.path());
            match tree.flush(&lock, self.watermark()) {
                Ok(_) => {}
                Err(error) if is_full(&error) => {
                    let others = guard(&self.compacting);
                    before.remove_others();
                    drop((files, others));
                    if self.short() || !self.wait_for_space(bytes) {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.sync_blobs(table)?;
        drop(lock);
        self.room.is_short.store(false, Ordering::Relaxed);
        let runs = tree.l0_run_count();
        self.room.flushed(table, runs);
        if runs > RECLAIM_RUNS {
            self.interrupt.ends_reclaim.store(true, Ordering::Relaxed);
        }
        self.ask(|work| &mut work.compact[table as usize]);
        Ok(())
    }

    /// Waits until the disk has space for a memtable; false where the thread has to end before: the rows are in the journal.
    fn wait_for_space(&self, bytes: u64) -> bool {
        while self.room.space().look() < bytes + FLUSH_RESERVE_BYTES {
            if self.short() {
                return false;
            }
        }
        true
    }

    /// Notes that the disk is full, and waits a moment; whether the thread has to end.
    fn short(&self) -> bool {
        self.room.is_short.store(true, Ordering::Relaxed);
        self.room.changed();
        self.pause(TICK)
    }

    /// Makes durable which files of values there are: lsm-tree syncs the files alone.
    pub(super) fn sync_blobs(&self, table: Table) -> fjall::Result<()> {
        if table == Table::Data {
            let folder = self.store.keyspace(table).path().join("blobs");
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

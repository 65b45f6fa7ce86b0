//! The flush of memtables to files.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use fjall::{AbstractTree, LsmError, PersistMode, SeqNo};
use lsm_tree::{InternalValue, Memtable};

use super::super::backlog::CHECKPOINT_BYTES;
use super::super::durable::Step;
use super::{FLUSH_RESERVE_BYTES, RECLAIM_RUNS, RETRY_INTERVAL, Shared, Table, acquire, is_full};
use crate::engine::disk::orphan_files::OrphanFiles;

/// How long to wait for fjall's worker to start another journal, in ms.
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
                // Without writes the free space is not needed.
                let pause = self.backlog.was_used().then_some(RETRY_INTERVAL);
                self.wait(work, pause);
            }
        }
    }

    /// Writes all memtables to files after a new journal was started, so that those before it are deleted.
    fn flush_all(&self) -> fjall::Result<()> {
        let database = &self.store.database;
        if database.journal_disk_space()? <= CHECKPOINT_BYTES {
            return Ok(());
        }
        // fjall starts another journal when it flushes, and every commit writes to this table.
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
        let held = FlushLockGuard::acquire(self, table);
        let memtable = tree.active_memtable();
        let bytes = memtable.size();
        self.backlog.sealing(table, bytes);
        let sealed = keyspace.rotate_memtable()?.then_some(memtable);
        self.backlog.sealed(table, tree.active_memtable().size());
        // No file may contain a commit that a power loss could remove from the journal: the tables would not be at the
        // same commit.
        let database = &self.store.database;
        let durable = &self.interrupt.durable;
        durable.journal(|| database.persist(PersistMode::SyncData))?;
        while tree.sealed_memtable_count() > 0 {
            let files = acquire(&self.flushing);
            let before = OrphanFiles::list(keyspace.path());
            match self.write_sealed(table, sealed.as_ref(), &lock) {
                Ok(()) => self.interrupt.durable.note(Step::Flushed(table)),
                Err(error) if is_full(&error) => {
                    let others = acquire(&self.compacting);
                    before.remove_others();
                    drop((files, others));
                    if self.wait_while_disk_full() || !self.wait_for_space(bytes) {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        drop((held, lock));
        self.release_lists();
        self.backlog.is_disk_full.store(false, Ordering::Relaxed);
        let runs = tree.l0_run_count();
        self.backlog.flushed(table, runs);
        if runs > RECLAIM_RUNS {
            self.interrupt.ends_reclaim.store(true, Ordering::Relaxed);
        }
        self.request(|work| &mut work.compact[table as usize]);
        Ok(())
    }

    /// Waits until the disk has space for a memtable; false where the thread must end before. The rows are in the
    /// journal.
    fn wait_for_space(&self, bytes: u64) -> bool {
        while self.backlog.space().query() < bytes + FLUSH_RESERVE_BYTES {
            if self.wait_while_disk_full() {
                return false;
            }
        }
        true
    }

    /// Records that the disk is full and waits, and returns whether the thread must end.
    fn wait_while_disk_full(&self) -> bool {
        self.backlog.is_disk_full.store(true, Ordering::Relaxed);
        self.release_lists();
        self.backlog.changed();
        self.pause(RETRY_INTERVAL)
    }

    /// Writes the sealed memtables of a table to files, and adds these to the table's list. lsm-tree writes the list
    /// before it syncs the folder of values: where only this memtable is sealed, both are done here, in the right
    /// order.
    fn write_sealed(
        &self,
        table: Table,
        sealed: Option<&Arc<Memtable>>,
        lock: &MutexGuard<'_, ()>,
    ) -> Result<(), LsmError> {
        let keyspace = self.store.keyspace(table);
        let (tree, watermark) = (&keyspace.tree, self.watermark());
        if table != Table::Data {
            return tree.flush(lock, watermark).map(drop);
        }
        let sync = || {
            self.interrupt
                .durable
                .values(&keyspace.path().join("blobs"))
        };
        let Some(sealed) = sealed.filter(|_| tree.sealed_memtable_count() == 1) else {
            tree.flush(lock, watermark)?;
            return Ok(sync()?);
        };
        if let Some((tables, values)) = tree.flush_to_tables(newest(sealed, watermark))? {
            sync()?;
            tree.register_tables(&tables, values.as_deref(), None, &[sealed.id()], watermark)?;
        }
        Ok(())
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

/// The flush lock of a table is held as long as this exists.
struct FlushLockGuard<'a> {
    shared: &'a Shared,
    table: Table,
}

impl FlushLockGuard<'_> {
    fn acquire(shared: &Shared, table: Table) -> FlushLockGuard<'_> {
        shared.holds_flush_lock[table as usize].store(true, Ordering::Release);
        FlushLockGuard { shared, table }
    }
}

impl Drop for FlushLockGuard<'_> {
    fn drop(&mut self) {
        // Files are removed because of the lock; wait until that is done.
        let _flushing = acquire(&self.shared.flushing);
        self.shared.holds_flush_lock[self.table as usize].store(false, Ordering::Release);
    }
}

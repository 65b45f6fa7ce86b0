//! The write of a batch: a commit of fjall with its markers, and its record for the background work.

use std::sync::atomic::Ordering;

use fjall::{AbstractTree, PersistMode};

use super::commit_markers::{self, CommitMarkers};
use super::failure::translate;
use super::memtable_reaper::MemtableReaper;
use super::{Batch, DiskEngine, Table};
use crate::Result;

/// The state that only one commit at a time may change.
pub(super) struct Writer {
    pub(super) markers: CommitMarkers,
    pub(super) reaper: MemtableReaper,
    /// The next commit is the first after commits were lost: it sets the markers of all tables to the same commit.
    pub(super) resets_markers: bool,
    pub(super) failed: bool,
}

impl DiskEngine {
    /// Writes a batch and its markers.
    pub(super) fn write(&self, batch: Batch, mode: PersistMode, writer: &mut Writer) -> Result<()> {
        let bytes = batch.bytes();
        let mut touched = [writer.resets_markers; Table::ALL.len()];
        let mut rows = fjall::OwnedWriteBatch::with_capacity(
            self.store.database.clone(),
            batch.len() + Table::ALL.len(),
        )
        .durability(Some(mode));
        for row in batch.into_rows() {
            touched[row.table as usize] = true;
            let keyspace = self.store.keyspace(row.table);
            match row.value {
                Some(value) => rows.insert(keyspace, row.key, value),
                None => rows.remove(keyspace, row.key),
            }
        }
        let mut markers = writer.markers.next(touched);
        if writer.resets_markers {
            markers.previous = 0;
        }
        markers.sequence = self.store.database.seqno();
        markers.synced = self.synced.load(Ordering::Acquire);
        for table in Table::ALL {
            if markers.tables[table as usize] == markers.commit {
                rows.insert(
                    self.store.keyspace(table),
                    commit_markers::KEY,
                    markers.encode(table),
                );
            }
        }
        self.in_flight.begin(self.store.database.seqno());
        rows.commit().map_err(|error| self.explain(error))?;
        self.in_flight.end();
        let background = self.background.shared();
        for table in Table::ALL {
            if markers.tables[table as usize] == markers.commit {
                let memtable = self.store.keyspace(table).tree.active_memtable();
                if background.backlog.committed(table, memtable.size()) {
                    background.flush(table);
                }
                writer.reaper.note(table, memtable);
            }
        }
        if background.backlog.wrote(bytes) {
            let journals = self.store.database.journal_disk_space();
            if background.backlog.measured(journals.map_err(translate)?) {
                background.checkpoint();
            }
        }
        if background.backlog.take_idle() {
            background.wake();
        }
        writer.markers = markers;
        writer.resets_markers = false;
        Ok(())
    }
}

//! The state that only one commit at a time may change: the end of the log, and the memtables that rows go to.
//!
//! Invariant: rows are inserted only after their record is written and, where that is wanted, synced; a memtable is
//! sealed only between commits.

use std::io;
use std::sync::Arc;

use lsm_tree::{AbstractTree, Memtable, SeqNo};

use super::log::{Appender, Head, Segment};
use super::log_files::LogFiles;
use super::memtables::Memtables;
use super::trees::{Trees, insert};
use super::{Batch, Table};

/// The part of the first segment after which the next one is prepared: a short run needs only one.
const FIRST_PART: u64 = 8;

pub(super) struct Writer {
    log: Appender,
    /// The last commit in the segment and its sequence number, if any.
    last: Option<(u64, SeqNo)>,
    /// The segments before it that are not known to be synced.
    unsynced: Vec<Arc<Segment>>,
    memtables: [Arc<Memtable>; Table::ALL.len()],
    /// The number of the newest commit.
    pub(super) commit: u64,
    /// Whether the next commit is the first after commits were lost.
    is_after_loss: bool,
    /// Whether the segment is the first after the start.
    is_first: bool,
}

impl Writer {
    pub(super) fn new(log: Appender, trees: &Trees, commit: u64, is_after_loss: bool) -> Writer {
        Writer {
            log,
            last: None,
            unsynced: Vec::new(),
            memtables: Table::ALL.map(|table| trees.tree(table).active_memtable()),
            commit,
            is_after_loss,
            is_first: true,
        }
    }

    /// Returns whether the segment has room for a record with a payload of this length.
    pub(super) fn fits(&self, payload_bytes: u64) -> bool {
        self.log.fits(payload_bytes)
    }

    /// Continues in the prepared segment, if there is one of at least this length.
    pub(super) fn next_segment(&mut self, min_bytes: u64, files: &LogFiles) -> bool {
        let path = self.log.segment().path.clone();
        let Some(segment) = files.take(min_bytes, self.last, path) else {
            return false;
        };
        self.is_first = false;
        let before = self.log.begin(segment);
        if self.last.take().is_some() {
            self.unsynced.push(before);
        }
        true
    }

    /// Returns whether no commit is in the segment.
    pub(super) fn is_segment_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Returns whether the next segment must be prepared: always, but for the first commits after a start.
    pub(super) fn needs_segment(&self) -> bool {
        !self.is_first || FIRST_PART * self.log.used() > self.log.segment().bytes
    }

    /// Writes the record of a commit. After an error nothing may be written any more.
    pub(super) fn log(&mut self, batch: &Batch, sequence: SeqNo, synced: u64) -> io::Result<u64> {
        let head = Head {
            commit: self.commit + 1,
            sequence,
            synced,
            is_after_loss: self.is_after_loss,
        };
        let written = self.log.append(head, batch.rows())?;
        self.commit += 1;
        self.is_after_loss = false;
        self.last = Some((self.commit, sequence));
        Ok(written)
    }

    /// Makes all commits durable. After an error nothing may be written any more.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        for segment in &self.unsynced {
            segment.sync()?;
        }
        self.log.segment().sync()?;
        self.unsynced.clear();
        Ok(())
    }

    /// Returns the segments that must be synced, so that all commits are durable.
    pub(super) fn unsynced(&self) -> Vec<Arc<Segment>> {
        let segments = self.unsynced.iter().chain([self.log.segment()]);
        segments.map(Arc::clone).collect()
    }

    /// Records that segments were synced after the last record was written to each but the last of them.
    pub(super) fn synced(&mut self, segments: &[Arc<Segment>]) {
        let is_synced = |segment: &Arc<Segment>| {
            let full = &segments[..segments.len().saturating_sub(1)];
            full.iter().any(|synced| synced.number == segment.number)
        };
        self.unsynced.retain(|segment| !is_synced(segment));
    }

    /// Inserts the rows of a commit into the memtables, and returns which tables it changed.
    pub(super) fn insert(
        &self,
        batch: Batch,
        sequence: SeqNo,
        memtables: &Memtables,
    ) -> [bool; Table::ALL.len()] {
        let mut changed = [false; Table::ALL.len()];
        for row in batch.into_rows() {
            let at = row.table as usize;
            changed[at] = true;
            insert(&self.memtables[at], row.key, row.value, sequence);
        }
        for table in Table::ALL {
            if changed[table as usize] {
                memtables.inserted(table, sequence);
            }
        }
        changed
    }

    /// Returns the size of a table's memtable, in bytes.
    pub(super) fn memtable_bytes(&self, table: Table) -> u64 {
        self.memtables[table as usize].size()
    }

    /// Seals a table's memtable, and returns its size, if it has any rows. It must be called between commits.
    pub(super) fn seal(
        &mut self,
        table: Table,
        trees: &Trees,
        memtables: &Memtables,
    ) -> Option<u64> {
        let tree = trees.tree(table);
        let sealed = tree.rotate_memtable()?;
        self.memtables[table as usize] = tree.active_memtable();
        let bytes = sealed.size();
        memtables.seal(table, sealed, self.commit);
        Some(bytes)
    }

    /// Continues in this segment, as if it had been prepared.
    #[cfg(test)]
    pub(super) fn continue_in(&mut self, segment: Segment) {
        self.log.begin(segment);
    }
}

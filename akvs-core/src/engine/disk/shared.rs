//! What commits and the background work share: the trees, what readers see, the log, and the end of it.
//!
//! It owns the steps that need several of these under the writer's lock. Invariant: after a failed write or sync of the
//! log nothing is written to it any more.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsm_tree::SeqNo;

use super::backlog::Backlog;
use super::compaction::Interrupt;
use super::failure::log_failed;
use super::log::min_segment_bytes;
use super::log_files::LogFiles;
use super::memtables::Memtables;
use super::snapshots::Snapshots;
use super::trees::Trees;
use super::writer::Writer;
use super::{Batch, Durability, Table};
use crate::Result;

/// The shared state of an engine.
pub(super) struct Core {
    pub(super) trees: Arc<Trees>,
    pub(super) snapshots: Arc<Snapshots>,
    pub(super) memtables: Memtables,
    pub(super) files: LogFiles,
    pub(super) backlog: Backlog,
    pub(super) interrupt: Arc<Interrupt>,
    writer: Mutex<Writer>,
    /// The newest commit that is known to be synced.
    synced: AtomicU64,
    /// The sequence number of the newest commit in the log.
    logged: AtomicU64,
    /// Whether the log failed, or is closed.
    failed: AtomicBool,
}

/// The trees with the rows of the log.
pub(super) struct Replayed {
    pub(super) trees: Arc<Trees>,
    pub(super) memtables: Memtables,
    pub(super) backlog: Backlog,
}

/// The state of the log at a start.
pub(super) struct Logged {
    /// The newest commit, which is synced, and its sequence number.
    pub(super) commit: u64,
    pub(super) sequence: SeqNo,
}

impl Core {
    pub(super) fn new(
        replayed: Replayed,
        files: LogFiles,
        interrupt: Arc<Interrupt>,
        writer: Writer,
        logged: &Logged,
    ) -> Core {
        Core {
            trees: replayed.trees,
            snapshots: Snapshots::new(logged.sequence),
            memtables: replayed.memtables,
            files,
            backlog: replayed.backlog,
            interrupt,
            writer: Mutex::new(writer),
            synced: AtomicU64::new(logged.commit),
            logged: AtomicU64::new(logged.sequence),
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the newest commit that is known to be synced.
    pub(super) fn synced(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Returns the sequence number of the newest commit in the log.
    pub(super) fn newest_logged(&self) -> SeqNo {
        self.logged.load(Ordering::Acquire)
    }

    /// Returns whether a write or a sync of the log failed, or the log is closed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Returns whether background work waits for space on the disk.
    pub(super) fn is_disk_full(&self) -> bool {
        let is_full = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        is_full(&self.backlog.is_disk_full) || is_full(&self.files.is_disk_full)
    }

    /// Writes a commit and makes it visible, and returns whether memtables must be written to files. The segment must
    /// have room for the commit.
    pub(super) fn write(
        &self,
        writer: &mut Writer,
        batch: Batch,
        durability: Durability,
    ) -> Result<bool> {
        // After a memtable may have been sealed, and before anything else.
        let sequence = self.trees.next_sequence();
        let logged = self.log(writer, &batch, sequence, durability);
        if let Err(error) = logged {
            // Only a restart shows whether the commit is in the log.
            self.failed.store(true, Ordering::Release);
            return Err(log_failed(error));
        }
        let changed = writer.insert(batch, sequence, &self.memtables);
        self.logged.store(sequence, Ordering::Release);
        self.snapshots.publish(sequence);
        let mut has_sealed = false;
        for table in Table::ALL {
            let bytes = writer.memtable_bytes(table);
            if changed[table as usize] && self.backlog.committed(table, bytes) {
                self.seal(writer, table);
                has_sealed = true;
            }
        }
        Ok(has_sealed)
    }

    fn log(
        &self,
        writer: &mut Writer,
        batch: &Batch,
        sequence: SeqNo,
        durability: Durability,
    ) -> io::Result<()> {
        writer.log(batch, sequence, self.synced())?;
        if durability == Durability::Synced {
            writer.sync()?;
            self.synced.fetch_max(writer.commit, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Makes all commits durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        let commit = self.writer().commit;
        self.sync_up_to(commit)
    }

    /// Makes the commits up to this one durable.
    pub(super) fn sync_up_to(&self, commit: u64) -> io::Result<()> {
        if self.synced() >= commit {
            return Ok(());
        }
        let writer = self.writer();
        if self.has_failed() {
            // What the log has is not known any more.
            return Err(io::Error::other("an earlier write of the log failed"));
        }
        let (newest, segments) = (writer.commit, writer.unsynced());
        drop(writer);
        let synced = self
            .interrupt
            .durable
            .log(|| segments.iter().try_for_each(|segment| segment.sync()));
        if synced.is_err() {
            self.failed.store(true, Ordering::Release);
            return synced;
        }
        self.writer().synced(&segments);
        self.synced.fetch_max(newest, Ordering::AcqRel);
        Ok(())
    }

    /// Seals the memtable of a table, if it has rows.
    pub(super) fn seal(&self, writer: &mut Writer, table: Table) {
        if let Some(bytes) = writer.seal(table, &self.trees, &self.memtables) {
            self.backlog.sealed(table, bytes);
        }
    }

    /// Seals all memtables.
    pub(super) fn seal_all(&self, writer: &mut Writer) {
        Table::ALL
            .into_iter()
            .for_each(|table| self.seal(writer, table));
    }

    /// Returns whether there is room for a record with a payload of this length, and continues in the next segment if
    /// that is needed.
    pub(super) fn make_room(&self, writer: &mut Writer, payload_bytes: u64) -> bool {
        if writer.fits(payload_bytes) {
            return true;
        }
        let is_continued = writer.next_segment(min_segment_bytes(payload_bytes), &self.files);
        if is_continued {
            self.seal_oldest(writer);
        }
        is_continued
    }

    /// Seals memtables, so that their memory or the segments that they need become free.
    pub(super) fn relieve(&self, writer: &mut Writer) {
        if !self.files.has_room() {
            self.seal_oldest(writer);
        }
        if !self.backlog.has_memory() && self.backlog.is_flushed() {
            self.seal(writer, self.backlog.fullest());
        }
    }

    /// Seals the memtables that keep a log of more than its usual length.
    fn seal_oldest(&self, writer: &mut Writer) {
        let Some(sequence) = self.files.checkpoint() else {
            return;
        };
        for table in Table::ALL {
            if (1..=sequence).contains(&self.memtables.first(table)) {
                self.seal(writer, table);
            }
        }
    }

    /// Seals all memtables and the segment, so that all commits so far can be removed from the log. Returns false where
    /// no segment is prepared; one is requested then.
    pub(super) fn empty_log(&self) -> bool {
        let mut writer = self.writer();
        let is_continued = writer.next_segment(0, &self.files);
        if is_continued {
            self.seal_all(&mut writer);
        } else {
            self.files.request(0);
        }
        is_continued
    }

    /// Makes a number visible that no commit has, so that the versions of the trees before it can be released.
    pub(super) fn advance(&self) {
        let _writer = self.writer();
        if !self.has_failed() {
            self.snapshots.publish(self.trees.next_sequence());
        }
    }

    /// Removes the segments of the log whose rows are in files, and returns whether there were any.
    pub(super) fn retire(&self) -> io::Result<bool> {
        // Read first: every row below it was inserted.
        let visible = self.snapshots.visible();
        let needed = self.memtables.oldest_row(visible);
        let space = self.backlog.space();
        let has_space = space.has(2 * space.min_free_bytes());
        self.files.retire(needed, has_space)
    }

    /// Removes segments without a commit at the stop. Their files would have no meaning for the next start. Later commits
    /// are refused: the active segment may be one of them.
    pub(super) fn remove_unused_segments(&self) {
        let writer = self.writer();
        self.failed.store(true, Ordering::Release);
        self.files.remove_unused(writer.is_segment_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::path::Path;
    use std::sync::Arc;

    use super::super::log::Segment;
    use crate::engine::{Batch, Durability, Engine, Table};
    use crate::{
        Code, Database, DiskEngine, DiskOptions, Key, Namespace, Options, Store, Timestamp,
    };

    fn set(store: &Store, value: &'static str) -> crate::Result<()> {
        let key = Key::new("key").unwrap();
        let set = store.set(&key, value, Timestamp::from_millis(1));
        set.map(drop)
    }

    /// A device that takes no byte, and a file that cannot be written.
    #[test]
    fn after_a_failed_write_of_the_log_the_outcome_is_unknown_and_nothing_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let broken: [fn(&Path) -> std::fs::File; 2] = [
            |_| OpenOptions::new().write(true).open("/dev/full").unwrap(),
            |folder| {
                let path = folder.join("akvs.format");
                OpenOptions::new().read(true).open(path).unwrap()
            },
        ];
        for (round, broken) in broken.into_iter().enumerate() {
            let engine = Arc::new(DiskEngine::open(&DiskOptions::new(folder.path())).unwrap());
            let shared: Arc<dyn Engine> = engine.clone();
            let database = Database::open(shared, Options::default()).unwrap();
            let store = Store::new(&database, Namespace::new("ns").unwrap()).unwrap();
            set(&store, "kept").unwrap();
            let mut writer = engine.core.writer();
            let segment = Segment::over(broken(folder.path()), 99, Path::new("broken"));
            writer.continue_in(segment);
            drop(writer);
            let before = database.revision();
            assert_eq!(
                set(&store, "lost").unwrap_err().code(),
                Code::OutcomeUnknown
            );
            assert_eq!(set(&store, "later").unwrap_err().code(), Code::Storage);
            assert_eq!(engine.check().unwrap_err().code(), Code::Storage);
            assert!(engine.sync().is_ok(), "what was committed is synced");
            let mut batch = Batch::default();
            batch.put(Table::Meta, &b"k"[..], &b"v"[..]);
            assert_eq!(engine.admit(&batch).unwrap_err().code(), Code::Storage);
            let failed = engine.commit(batch, Durability::Synced);
            assert_eq!(failed.unwrap_err().code(), Code::Storage);
            // Readers go on, and see nothing of it.
            assert_eq!(database.revision(), before);
            let found = store.get(&Key::new("key").unwrap(), Timestamp::from_millis(1));
            assert_eq!(found.unwrap().value, "kept", "{round}");
            drop((store, database, engine));
        }
        let engine = DiskEngine::open(&DiskOptions::new(folder.path())).unwrap();
        let database = Database::open(Arc::new(engine), Options::default()).unwrap();
        let store = Store::new(&database, Namespace::new("ns").unwrap()).unwrap();
        let found = store.get(&Key::new("key").unwrap(), Timestamp::from_millis(1));
        assert_eq!(found.unwrap().value, "kept");
        set(&store, "again").unwrap();
    }
}

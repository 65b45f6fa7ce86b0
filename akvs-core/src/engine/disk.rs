//! The durable engine: fjall, a log-structured merge tree with one journal for all tables.
//!
//! Only this file and its submodules know fjall. A synced commit is in the journal, and the journal is on disk
//! (`fdatasync`), before any reader sees it.
//!
//! fjall checks the blocks that it reads, but opens without an error where a journal or a list of files is damaged, or
//! a whole table is missing. Therefore its files must all exist (`integrity`) and its journals must be readable up to
//! the last synced commit (`journal`) before it opens. Afterwards its tables must be at the same commit
//! (`commit_markers`), and at least at the watermark of the data folder (`data_dir`). Damage of files is refused before
//! anything is changed. These losses are not detected:
//!
//! - the loss of the last commits, if the watermark was not raised after them and no later marker is left;
//! - the loss of a whole journal before the oldest that is left, where others follow it;
//! - a damaged block or value, until it is read: then the read fails with `corrupted`.
//!
//! fjall panics at some kinds of damage. Such a panic becomes the error `corrupted`, which requires a build that
//! unwinds.

mod admission;
mod background;
mod backlog;
mod commit_markers;
mod compaction;
mod create;
mod durable;
mod failure;
mod files;
mod free_space;
mod in_flight;
mod integrity;
mod journal;
mod log;
mod manifest;
mod memtable_reaper;
mod options;
mod orphan_files;
mod report;
mod snapshot;
mod store;
mod store_id;
mod verify;
mod writer;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fjall::PersistMode;

use self::background::Background;
use self::backlog::Backlog;
use self::commit_markers::CommitMarkers;
use self::failure::{guarded, low_space, no_space, translate, translate_io};
use self::in_flight::InFlightCommit;
use self::journal::Journals;
use self::memtable_reaper::MemtableReaper;
pub use self::options::{DiskOptions, folder_format};
use self::snapshot::DiskSnapshot;
use self::store::{FjallStore, interrupt};
pub(crate) use self::verify::check_folder;
use self::writer::Writer;
use super::{Batch, Capabilities, Durability, Engine, KeyRange, PageLimit, Snapshot, Table};
use crate::data_dir::DataDir;
pub use crate::data_dir::OpenError;
use crate::{Code, Error, Report, Result, Revision};

/// The maximum wait of an admitted commit; a longer delay means that the background work does not recover.
const ADMITTED_COMMIT_TIMEOUT: Duration = Duration::from_secs(600);
/// Memtables of fewer bytes take hardly any space.
const MIN_FLUSHED_BYTES: u64 = 1 << 20;
/// The key of a row that never exists.
const ABSENT_ROW: &[u8] = b"reclaimed";
/// The free space that a commit requires in addition to its own size, for the journal's blocks.
const COMMIT_RESERVE_BYTES: u64 = 1 << 20;

/// The engine that keeps its rows in a folder.
pub struct DiskEngine {
    // Dropped in this order: the folder is unlocked after the files are closed.
    background: Background,
    store: FjallStore,
    writer: Mutex<Writer>,
    /// The newest commit that is known to be synced.
    synced: AtomicU64,
    in_flight: InFlightCommit,
    lost_commits: bool,
    /// The maximum wait of a commit for earlier ones to be written to files.
    commit_timeout: Duration,
    folder: Arc<DataDir>,
}

impl DiskEngine {
    /// Opens the folder, and creates a database in it if it is empty.
    ///
    /// A folder of another program, of a newer release or in use is refused and left unchanged. So is a damaged one, as
    /// far as the damage is visible without opening its tables.
    ///
    /// ```
    /// use akvs_core::{DiskEngine, DiskOptions, OpenError};
    /// # let temporary = tempfile::tempdir()?;
    /// # let path = temporary.path();
    /// let engine = DiskEngine::open(&DiskOptions::new(path))?;
    /// assert!(matches!(DiskEngine::open(&DiskOptions::new(path)), Err(OpenError::Locked(..))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(options: &DiskOptions) -> std::result::Result<DiskEngine, OpenError> {
        let folder = DataDir::open(&options.folder, &options.allowed_files)?;
        let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
        let damaged = |how| OpenError::Damaged(options.folder.clone(), how);
        if !folder.is_established() {
            if folder.needs_store().map_err(unusable)? {
                drop(store::open(&folder.new_store(), options, None)?);
                store_id::create(&folder.new_store()).map_err(unusable)?;
            }
            folder.establish().map_err(unusable)?;
        }
        if let Some(fault) = integrity::first_fault(&folder.store()).map_err(unusable)? {
            return Err(damaged(fault));
        }
        let id = store_id::read(&folder.store()).map_err(unusable)?;
        let id = id.map_err(damaged)?;
        let refused = |lost: &Option<String>| match lost {
            Some(how) if !options.accept_lost_commits => Err(damaged(how.clone())),
            _ => Ok(()),
        };
        let synced = folder.synced_commit();
        let journals = Journals::read(&folder.store(), id).map_err(unusable)?;
        let mut lost = journals.loss(synced);
        refused(&lost)?;
        journals.cut().map_err(unusable)?;
        let interrupt = interrupt(&folder, options);
        let store = store::open(&folder.store(), options, Some(&interrupt))?;
        let read = guarded(|| store.markers(id));
        let (markers, own) = read.map_err(|error| damaged(error.message().to_owned()))?;
        lost = lost.or(markers.loss(own, synced));
        refused(&lost)?;
        let commit = own.into_iter().fold(markers.commit.max(synced), u64::max);
        let background = Background::start(store.clone(), interrupt, options.memtable_bytes);
        Ok(DiskEngine {
            background: background.map_err(unusable)?,
            store,
            writer: Mutex::new(Writer {
                markers: CommitMarkers { commit, ..markers },
                reaper: MemtableReaper::new(),
                resets_markers: lost.is_some(),
                failed: false,
            }),
            // An open syncs everything that it finds.
            synced: AtomicU64::new(commit),
            in_flight: InFlightCommit::default(),
            lost_commits: lost.is_some(),
            commit_timeout: options.commit_timeout,
            folder: Arc::new(folder),
        })
    }

    /// Lets fjall delete obsolete files, which it does when a memtable is sealed.
    fn release_files(&self) -> Result<()> {
        let mut batch = Batch::default();
        batch.remove(Table::Meta, ABSENT_ROW);
        self.admit(&batch)?;
        self.commit(batch, Durability::Buffered)?;
        self.background.shared().flush(Table::Meta);
        Ok(())
    }
}

impl Engine for DiskEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        guarded(|| {
            let value = self.store.keyspace(table).get(key).map_err(translate)?;
            Ok(value.map(Bytes::from))
        })
    }

    fn page(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        self.snapshot()?.page(table, range, limit)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        guarded(|| {
            let snapshot = DiskSnapshot::new(&self.store);
            if !self.in_flight.is_consistent_at(snapshot.sequence()) {
                // It contains a part of a commit in progress, and all of it once that has ended.
                drop(self.writer.lock());
            }
            Ok(Box::new(snapshot) as Box<dyn Snapshot>)
        })
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        let mode = match durability {
            Durability::Synced => PersistMode::SyncData,
            Durability::Buffered => PersistMode::Buffer,
        };
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.failed {
            return Err(Error::new(Code::Storage, "an earlier commit failed"));
        }
        self.background.shared().failure()?;
        self.wait_for_backlog(ADMITTED_COMMIT_TIMEOUT)?;
        // Only a restart shows whether a failed commit was applied.
        writer.failed = true;
        guarded(|| self.write(batch, mode, &mut writer))?;
        writer.failed = false;
        if durability == Durability::Synced {
            self.synced
                .fetch_max(writer.markers.commit, Ordering::AcqRel);
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let commit = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .markers
            .commit;
        guarded(|| {
            self.store
                .database
                .persist(PersistMode::SyncData)
                .map_err(|error| self.explain(error))
        })?;
        self.synced.fetch_max(commit, Ordering::AcqRel);
        Ok(())
    }

    fn check_growth(&self) -> Result<()> {
        let background = self.background.shared();
        let backlog = &background.backlog;
        let min_free_bytes = backlog.space().min_free_bytes();
        // The memtables take as much space again before their journals are deleted.
        let has_enough = || {
            backlog
                .space()
                .has(min_free_bytes.saturating_add(backlog.bytes()))
        };
        let mut attempts = Backlog::attempts(self.commit_timeout);
        while !has_enough() {
            let is_over = attempts == 0 || backlog.is_disk_full.load(Ordering::Relaxed);
            if is_over || backlog.bytes() < MIN_FLUSHED_BYTES || background.failure().is_err() {
                return Err(low_space(min_free_bytes));
            }
            attempts -= 1;
            background.flush_all_tables();
            backlog.wait();
            guarded(|| backlog.refresh(&self.store).map_err(translate))?;
        }
        Ok(())
    }

    fn admit(&self, batch: &Batch) -> Result<()> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.failed {
            return Err(Error::new(Code::Storage, "an earlier commit failed"));
        }
        drop(writer);
        let background = self.background.shared();
        background.failure()?;
        // Asked for each commit: another program may have filled the disk since the last one, and a commit that fails
        // in its middle ends all writes until a restart.
        if background.backlog.space().query() < batch.bytes() + COMMIT_RESERVE_BYTES {
            return Err(no_space());
        }
        self.wait_for_backlog(self.commit_timeout)
    }

    fn check(&self) -> Result<()> {
        self.background.shared().failure()?;
        // Writes nothing; fails if fjall has failed.
        guarded(|| {
            let persisted = self.store.database.persist(PersistMode::Buffer);
            persisted.map_err(|error| self.explain(error))
        })
    }

    fn discard(&self, table: Table, range: &KeyRange) -> Result<bool> {
        let is_done = self.background.shared().discard(table, range);
        if is_done {
            self.release_files()?;
        }
        Ok(is_done)
    }

    fn reclaim(&self) -> Result<bool> {
        let is_done = self.background.shared().reclaim();
        if is_done {
            self.release_files()?;
        }
        Ok(is_done)
    }

    fn watermark(&self) -> Result<Revision> {
        Ok(self.folder.watermark())
    }

    fn raise_watermark(&self, revision: Revision) -> Result<()> {
        let commit = self.synced.load(Ordering::Acquire);
        let raised = self.folder.raise_watermark(revision, commit);
        raised.map_err(translate_io)
    }

    fn reserve(&self, revision: Revision) -> Result<()> {
        self.folder.reserve(revision).map_err(translate_io)
    }

    fn reserved(&self) -> Result<Revision> {
        Ok(self.folder.reserved())
    }

    fn finish(&self, revision: Revision) -> Result<()> {
        let commit = self.synced.load(Ordering::Acquire);
        self.folder.finish(revision, commit).map_err(translate_io)
    }

    fn lost_commits(&self) -> bool {
        self.lost_commits
    }

    fn check_files(&self, report: &mut Report<'_>) -> Result<()> {
        self.check_live_files(report)
    }

    fn stored_bytes(&self) -> Result<u64> {
        self.store.database.disk_space().map_err(translate)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }
}

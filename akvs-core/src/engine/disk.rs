//! The durable engine: trees of the crate lsm-tree, over a write-ahead log for all tables.
//!
//! Only this file and its submodules know lsm-tree. A commit is one record of the log (`log`), which is written and, where
//! that is wanted, on disk (`fdatasync`) before its rows are inserted into the memtables of the trees. Only then any
//! reader sees it. `background` writes memtables to files, compacts the files, and removes segments of the log whose rows
//! are all in files.
//!
//! lsm-tree checks the blocks that it reads, but opens without an error where a list of files is damaged, or a whole
//! table is missing. Therefore its files must all exist (`integrity`) and the log must be readable up to the last synced
//! commit (`log`) before it opens. Afterwards no table may be ahead of the log, and the log must reach the watermark of
//! the data folder (`data_dir`). Damage of files is refused before anything is changed. These losses are not detected:
//!
//! - the loss of the last commits, if the watermark was not raised after them, no later record is left, and no table has
//!   rows of them;
//! - a damaged block or value, until it is read: then the read fails with `corrupted`.
//!
//! lsm-tree panics at some kinds of damage. Such a panic becomes the error `corrupted`, which requires a build that
//! unwinds.

mod admission;
mod background;
mod backlog;
mod compaction;
mod create;
mod durable;
mod failure;
mod files;
mod free_space;
mod integrity;
mod log;
mod log_files;
mod manifest;
mod memtables;
mod options;
mod orphan_files;
mod report;
mod shared;
mod snapshot;
mod snapshots;
mod start;
mod store_id;
mod trees;
mod verify;
mod writer;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use lsm_tree::{AbstractTree, SeqNo};

use self::background::Background;
use self::backlog::Backlog;
use self::failure::{failed_before, guarded, low_space, no_space, translate, translate_io};
pub use self::options::{DiskOptions, folder_format};
use self::shared::Core;
use self::snapshot::DiskSnapshot;
use self::start::Start;
pub(crate) use self::verify::check_folder;
use super::{Batch, Capabilities, Durability, Engine, KeyRange, PageLimit, Snapshot, Table};
use crate::data_dir::DataDir;
pub use crate::data_dir::OpenError;
use crate::{Report, Result, Revision};

/// The maximum wait of an admitted commit; a longer delay means that the background work does not recover.
const ADMITTED_COMMIT_TIMEOUT: Duration = Duration::from_secs(600);
/// Memtables of fewer bytes take hardly any space.
const MIN_FLUSHED_BYTES: u64 = 1 << 20;
/// The free space that a commit requires in addition to its own size, for what it takes once it is in files.
const COMMIT_RESERVE_BYTES: u64 = 1 << 20;

/// The engine that keeps its rows in a folder.
pub struct DiskEngine {
    // Dropped in this order: the folder is unlocked after the files are closed.
    background: Background,
    core: Arc<Core>,
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
        if !folder.is_established() {
            if folder.needs_store().map_err(unusable)? {
                start::create(&folder.new_store(), options)?;
            }
            folder.establish().map_err(unusable)?;
        }
        let store = folder.store();
        let found = Start::read(&store, folder.synced_commit(), options)?;
        let (core, lost) = found.start(options)?;
        DiskEngine::run(
            core,
            options.commit_timeout,
            Arc::new(folder),
            lost.is_some(),
        )
        .map_err(unusable)
    }

    fn run(
        core: Core,
        commit_timeout: Duration,
        folder: Arc<DataDir>,
        lost_commits: bool,
    ) -> std::io::Result<DiskEngine> {
        let core = Arc::new(core);
        Ok(DiskEngine {
            background: Background::start(Arc::clone(&core))?,
            core,
            lost_commits,
            commit_timeout,
            folder,
        })
    }
}

impl Engine for DiskEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        guarded(|| {
            // The newest row, which is durable as its commit wants it: rows are inserted after that.
            let value = self.core.trees.tree(table).get(key, SeqNo::MAX);
            Ok(value.map_err(translate)?.map(Bytes::from))
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
        let registered = self.core.snapshots.register();
        let snapshot = DiskSnapshot::new(Arc::clone(&self.core.trees), registered);
        Ok(Box::new(snapshot))
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        let mut writer = self.writer_with_room(&batch, ADMITTED_COMMIT_TIMEOUT)?;
        let core = &self.core;
        let has_sealed = core.write(&mut writer, batch, durability)?;
        let needs_segment = writer.needs_segment();
        drop(writer);
        let background = self.background.shared();
        if has_sealed || needs_segment && core.files.request_next() {
            background.flush();
        }
        if core.backlog.take_idle() {
            background.wake();
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        self.core.sync().map_err(translate_io)
    }

    fn check_growth(&self) -> Result<()> {
        let (core, background) = (&self.core, self.background.shared());
        let backlog = &core.backlog;
        let min_free_bytes = backlog.space().min_free_bytes();
        // The memtables take as much space again before their part of the log is removed.
        let has_enough = || {
            backlog
                .space()
                .has(min_free_bytes.saturating_add(backlog.bytes()))
        };
        let mut attempts = Backlog::attempts(self.commit_timeout);
        let mut is_sealed = false;
        while !has_enough() {
            let is_over = attempts == 0 || backlog.is_disk_full.load(Ordering::Relaxed);
            let is_flushed = backlog.bytes() < MIN_FLUSHED_BYTES;
            if is_over || is_flushed || background.failure().is_err() {
                return Err(low_space(min_free_bytes));
            }
            attempts -= 1;
            if !std::mem::replace(&mut is_sealed, true) && !core.empty_log() {
                core.seal_all(&mut core.writer());
            }
            background.flush();
            backlog.wait();
        }
        Ok(())
    }

    fn admit(&self, batch: &Batch) -> Result<()> {
        self.check()?;
        // Asked for each commit: another program may have filled the disk since the last one, and what is committed must
        // be written to files as well.
        let space = self.core.backlog.space();
        if space.query() < batch.bytes() + COMMIT_RESERVE_BYTES {
            return Err(no_space());
        }
        self.writer_with_room(batch, self.commit_timeout).map(drop)
    }

    fn check(&self) -> Result<()> {
        self.background.shared().failure()?;
        if self.core.has_failed() {
            return Err(failed_before());
        }
        Ok(())
    }

    fn discard(&self, table: Table, range: &KeyRange) -> Result<bool> {
        Ok(self.background.shared().discard(table, range))
    }

    fn reclaim(&self) -> Result<bool> {
        Ok(self.background.shared().reclaim())
    }

    fn watermark(&self) -> Result<Revision> {
        Ok(self.folder.watermark())
    }

    fn raise_watermark(&self, revision: Revision) -> Result<()> {
        let raised = self.folder.raise_watermark(revision, self.core.synced());
        raised.map_err(translate_io)
    }

    fn reserve(&self, revision: Revision) -> Result<()> {
        self.folder.reserve(revision).map_err(translate_io)
    }

    fn reserved(&self) -> Result<Revision> {
        Ok(self.folder.reserved())
    }

    fn finish(&self, revision: Revision) -> Result<()> {
        let finished = self.folder.finish(revision, self.core.synced());
        // Not only when this is dropped: readers may still own it when the process ends.
        self.background.stop();
        finished.map_err(translate_io)
    }

    fn lost_commits(&self) -> bool {
        self.lost_commits
    }

    fn check_files(&self, report: &mut Report<'_>) -> Result<()> {
        self.check_live_files(report)
    }

    fn stored_bytes(&self) -> Result<u64> {
        Ok(self.core.trees.disk_space() + self.core.files.bytes())
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }
}

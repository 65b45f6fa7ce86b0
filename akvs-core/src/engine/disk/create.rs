//! The creation of a store with given rows, in a folder without a store.
//!
//! It owns the order of steps: the engine's files are created under another name, synced and closed, and only then is
//! the folder established. Invariant: after a failure the folder is as it was before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::in_flight::InFlightCommit;
use super::store_id::StoreId;
use super::{
    Background, CommitMarkers, DiskEngine, DiskOptions, Engine, FjallStore, MemtableReaper,
    OpenError, Writer, store, store_id,
};
use crate::data_dir::{DataDir, Rollback};
use crate::{Error, Revision};

impl DiskEngine {
    /// Creates a store, whose rows `fill` writes; it returns their highest revision.
    pub(crate) fn create<T, E: From<OpenError> + From<Error>>(
        options: &DiskOptions,
        fill: impl FnOnce(&DiskEngine) -> Result<(T, Revision), E>,
    ) -> Result<T, E> {
        let rollback = Rollback::record(&options.folder)?;
        let folder = match DataDir::open(&options.folder, &options.allowed_files) {
            Ok(folder) => Arc::new(folder),
            Err(error) => {
                rollback.remove_folders();
                return Err(error.into());
            }
        };
        // Another process may have created a store meanwhile.
        folder.refuse_store()?;
        create_in(&folder, options, fill).inspect_err(|_| {
            // While the folder is still locked, so that no other process uses it.
            rollback.restore(&folder);
        })
    }

    /// Returns an engine without rows.
    fn empty(
        store: FjallStore,
        background: Background,
        id: StoreId,
        folder: &Arc<DataDir>,
    ) -> DiskEngine {
        let markers = CommitMarkers {
            store: id,
            ..CommitMarkers::default()
        };
        DiskEngine {
            background,
            store,
            writer: Mutex::new(Writer {
                markers,
                reaper: MemtableReaper::new(),
                resets_markers: false,
                failed: false,
            }),
            synced: AtomicU64::new(0),
            in_flight: InFlightCommit::default(),
            lost_commits: false,
            commit_timeout: Duration::ZERO,
            folder: Arc::clone(folder),
        }
    }
}

fn create_in<T, E: From<OpenError> + From<Error>>(
    folder: &Arc<DataDir>,
    options: &DiskOptions,
    fill: impl FnOnce(&DiskEngine) -> Result<(T, Revision), E>,
) -> Result<T, E> {
    let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
    // There is no store: this removes what an interrupted attempt left.
    folder.needs_store().map_err(unusable)?;
    let interrupt = store::interrupt(folder, options);
    let store = store::open(&folder.new_store(), options, Some(&interrupt))?;
    let id = store_id::create(&folder.new_store()).map_err(unusable)?;
    let background = Background::start(store.clone(), interrupt, options.memtable_bytes);
    let engine = DiskEngine::empty(store, background.map_err(unusable)?, id, folder);
    let (made, revision) = fill(&engine)?;
    engine.sync()?;
    let commit = engine.synced.load(Ordering::Acquire);
    // The files are closed before they are renamed.
    drop(engine);
    folder.establish().map_err(unusable)?;
    // Last, because a watermark without its store would make one seem lost.
    folder.raise_watermark(revision, commit).map_err(unusable)?;
    Ok(made)
}

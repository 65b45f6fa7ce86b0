//! The creation of a store with given rows, in a folder without a store.
//!
//! It owns the order of steps: the engine's files are created under another name, synced and closed, and only then is
//! the folder established. Invariant: after a failure the folder is as it was before.

use std::path::Path;
use std::sync::Arc;

use super::start::{self, Start};
use super::{ADMITTED_COMMIT_TIMEOUT, DiskEngine, DiskOptions, Engine, OpenError};
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
}

fn create_in<T, E: From<OpenError> + From<Error>>(
    folder: &Arc<DataDir>,
    options: &DiskOptions,
    fill: impl FnOnce(&DiskEngine) -> Result<(T, Revision), E>,
) -> Result<T, E> {
    let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
    // There is no store: this removes what an interrupted attempt left.
    folder.needs_store().map_err(unusable)?;
    let store = folder.new_store();
    start::create(&store, options)?;
    let engine = open_new(&store, folder, options)?;
    let (made, revision) = fill(&engine)?;
    engine.sync()?;
    let commit = engine.core.synced();
    // The files are closed before they are renamed.
    drop(engine);
    folder.establish().map_err(unusable)?;
    // Last, because a watermark without its store would make one seem lost.
    folder.raise_watermark(revision, commit).map_err(unusable)?;
    Ok(made)
}

/// Opens a store without rows.
fn open_new(
    store: &Path,
    folder: &Arc<DataDir>,
    options: &DiskOptions,
) -> Result<DiskEngine, OpenError> {
    let unusable = |error| OpenError::Unusable(options.folder.clone(), error);
    let (core, _) = Start::read(store, 0, options)?.start(options)?;
    DiskEngine::run(core, ADMITTED_COMMIT_TIMEOUT, Arc::clone(folder), false).map_err(unusable)
}

//! The options of the durable engine.

use std::path::PathBuf;
use std::time::Duration;

use crate::data_dir::{OpenError, check_format};

/// The folder and the options of the durable engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// The data folder; created if it is missing.
    pub folder: PathBuf,
    /// The maximum memory for blocks read from disk, in bytes. Entries have a cache of their own.
    pub block_cache_bytes: u64,
    /// The bytes of a table that are kept in memory before they are written to a file. Small, so that a start after a
    /// crash has little to replay and memory stays low.
    pub memtable_bytes: u64,
    /// The free disk space, in bytes, below which only deletes and drops are accepted.
    pub min_free_bytes: u64,
    /// The maximum wait of a commit until earlier ones are written to files.
    pub commit_timeout: Duration,
    /// Whether to open a store that has lost synced commits. The lost data cannot be recovered.
    pub accept_lost_commits: bool,
    /// The names of other programs' files that the folder may contain when it becomes a data folder.
    pub allowed_files: Vec<String>,
}

impl DiskOptions {
    /// Returns the defaults for this folder.
    pub fn new(folder: impl Into<PathBuf>) -> DiskOptions {
        DiskOptions {
            folder: folder.into(),
            block_cache_bytes: 32 << 20,
            memtable_bytes: 16 << 20,
            min_free_bytes: 64 << 20,
            commit_timeout: Duration::from_secs(5),
            accept_lost_commits: false,
            allowed_files: Vec::new(),
        }
    }
}

/// Returns the format of a data folder; none where it is missing or has no data yet. Refuses a folder that cannot
/// become a data folder. Changes nothing.
///
/// ```
/// use akvs_core::{DiskEngine, DiskOptions, folder_format};
/// # let temporary = tempfile::tempdir()?;
/// let options = DiskOptions::new(temporary.path());
/// assert_eq!(folder_format(&options)?, None);
/// drop(DiskEngine::open(&options)?);
/// assert_eq!(folder_format(&options)?, Some(akvs_core::FORMAT));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn folder_format(options: &DiskOptions) -> Result<Option<u64>, OpenError> {
    if !options.folder.exists() {
        return Ok(None);
    }
    check_format(&options.folder, &options.allowed_files)
}

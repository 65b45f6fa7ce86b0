//! What can be chosen for the durable engine.

use std::path::PathBuf;
use std::time::Duration;

use crate::data_dir::{OpenError, check_format};

/// Where the durable engine keeps its data, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// The data folder; made where it is missing.
    pub folder: PathBuf,
    /// The most memory for blocks read from disk, in bytes. Entries have a cache of their own.
    pub block_cache_bytes: u64,
    /// How much of a table is held in memory before it is written to a file of its own, in bytes. Small, so that a start
    /// after a crash has little to replay and memory stays low.
    pub memtable_bytes: u64,
    /// With less disk space than this, in bytes, only what gives space back is written.
    pub min_free_bytes: u64,
    /// How long a commit waits until what was committed before it is written to files.
    pub commit_timeout: Duration,
    /// Open even where commits are lost that had been synced: what is missing is lost for good.
    pub accept_lost_commits: bool,
    /// Names of files that others keep in the folder, and may have made before it became ours.
    pub allowed_files: Vec<String>,
}

impl DiskOptions {
    /// The defaults, in this folder.
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

/// The format that a data folder says it has; none where there is no data in it yet, or no folder. Refuses what cannot become one, and
/// changes nothing.
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

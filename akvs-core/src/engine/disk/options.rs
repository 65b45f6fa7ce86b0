//! What can be chosen for the durable engine.

use std::path::PathBuf;

/// Where the durable engine keeps its data, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// The data folder; made where it is missing.
    pub folder: PathBuf,
    /// The most memory for blocks read from disk, in bytes. Entries have a cache of their own.
    pub block_cache_bytes: u64,
    /// How much of a table is held in memory before it is written to a file of its own, in bytes; as it was when the
    /// folder was made. Small, so that a start after a crash has little to replay and memory stays low.
    pub memtable_bytes: u64,
    /// Open even where commits are lost that had been synced: what is missing is lost for good.
    pub accept_lost_commits: bool,
    /// Names of files that others keep in the folder, and may have made before it became ours.
    pub beside: Vec<String>,
}

impl DiskOptions {
    /// The defaults, in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> DiskOptions {
        DiskOptions {
            folder: folder.into(),
            block_cache_bytes: 32 << 20,
            memtable_bytes: 16 << 20,
            accept_lost_commits: false,
            beside: Vec::new(),
        }
    }
}

//! Which versions of what lies on disk this release writes and reads.

use super::super::{folder, rows};
use super::DiskEngine;

/// Which versions of what lies on disk a release writes and reads.
///
/// ```
/// use akvs_core::DiskEngine;
/// let format = DiskEngine::FORMAT;
/// assert!(format.folder >= 1 && (1..=format.rows).contains(&format.oldest_rows));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFormat {
    /// Of the data folder: its files, and what they are for.
    pub folder: u64,
    /// Of the rows in its store, as they are written.
    pub rows: u64,
    /// The oldest rows that are read.
    pub oldest_rows: u64,
}

impl DiskEngine {
    /// What this release writes and reads.
    pub const FORMAT: DiskFormat = DiskFormat {
        folder: folder::FORMAT,
        rows: rows::FORMAT,
        oldest_rows: rows::OLDEST_FORMAT,
    };
}

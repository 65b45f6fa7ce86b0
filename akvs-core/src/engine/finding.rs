//! What a check finds, and what it leaves out: each one clear line.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

use super::Table;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A file of the data folder is missing, or damaged in this way.
    File(PathBuf, String),
    /// A row of a table is wrong in this way.
    Row(Table, Bytes, String),
    /// What belongs together does not agree.
    Rows(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::File(path, how) => write!(f, "{}: {how}", path.display()),
            Finding::Row(table, key, how) => {
                write!(f, "{} row {}: {how}", table.name(), key.escape_ascii())
            }
            Finding::Rows(how) => f.write_str(how),
        }
    }
}

/// A part of the data folder that nothing was said of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unchecked {
    /// Which file, or folder with all in it; below the data folder.
    pub path: PathBuf,
    /// The first byte that was not checked.
    pub start: u64,
    /// The first that was again; none where all that follows was not.
    pub end: Option<u64>,
    /// Why not.
    pub why: String,
}

impl fmt::Display for Unchecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, why) = (self.path.display(), &self.why);
        match (self.start, self.end) {
            (0, None) => write!(f, "{path}: {why}"),
            (start, None) => write!(f, "{path} from byte {start}: {why}"),
            (start, Some(end)) => write!(f, "{path} bytes {start} to {}: {why}", end - 1),
        }
    }
}

/// What was checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many files were read.
    pub files: u64,
    /// Their length, in bytes.
    pub bytes: u64,
    /// How many rows were read.
    pub rows: u64,
    /// How much was found to be wrong.
    pub findings: u64,
    /// What was not checked.
    pub unchecked: Vec<Unchecked>,
}

//! The findings of a check, and the parts that it left out.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

use super::Table;

/// Something that a check found to be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A file of the data folder is missing, or damaged in this way.
    File(PathBuf, String),
    /// A row of a table is wrong in this way.
    Row(Table, Bytes, String),
    /// Rows contradict each other in this way.
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

/// A part of the data folder that was not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unchecked {
    /// The file, or the folder with its content, relative to the data folder.
    pub path: PathBuf,
    /// The first byte that was not checked.
    pub start: u64,
    /// The first later byte that was checked; none at the end.
    pub end: Option<u64>,
    /// The reason.
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

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// The number of files that were read.
    pub files: u64,
    /// Their length, in bytes.
    pub bytes: u64,
    /// The number of rows that were read.
    pub rows: u64,
    /// The number of findings.
    pub findings: u64,
    /// The parts that were not checked.
    pub unchecked: Vec<Unchecked>,
}

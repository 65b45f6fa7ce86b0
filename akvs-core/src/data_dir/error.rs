//! The errors of a data folder.

use std::path::PathBuf;
use std::{fmt, io};

use crate::types::data_format::{EXPORT, FORMAT};

/// The oldest version of data directories whose backups have these rows.
const OLDEST_WITH_THESE_ROWS: u64 = 3;

/// Why a data folder cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The path is not a folder.
    NotAFolder(PathBuf),
    /// The folder cannot be created, read or written.
    Unusable(PathBuf, io::Error),
    /// The folder contains another program's files, such as this one.
    UnknownFile(PathBuf, String),
    /// The folder contains this file, and so already has a store.
    NotEmpty(PathBuf, String),
    /// The folder has no store.
    NoStore(PathBuf),
    /// The folder has this format, which this release does not read.
    OtherFormat(PathBuf, u64),
    /// Another process uses the folder; its id, if known.
    Locked(PathBuf, Option<u32>),
    /// The folder is damaged in this way.
    Damaged(PathBuf, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NotAFolder(path) => {
                write!(
                    f,
                    "the data directory {} is not a directory",
                    path.display()
                )
            }
            OpenError::Unusable(path, error) => {
                write!(
                    f,
                    "the data directory {} cannot be used: {error}",
                    path.display()
                )
            }
            OpenError::UnknownFile(path, name) => write!(
                f,
                "the data directory {} does not belong to AKVS: it contains {name:?}; choose an empty or a new directory",
                path.display()
            ),
            OpenError::NotEmpty(path, name) => write!(
                f,
                "the data directory {} already has a store: it contains {name:?}; choose an empty or a new directory",
                path.display()
            ),
            OpenError::NoStore(path) => {
                write!(f, "the data directory {} has no store", path.display())
            }
            OpenError::OtherFormat(path, found) => {
                let how = other_format(*found);
                write!(f, "the data directory {} {how}", path.display())
            }
            OpenError::Locked(path, Some(pid)) => {
                write!(
                    f,
                    "the data directory {} is in use by process {pid}",
                    path.display()
                )
            }
            OpenError::Locked(path, None) => {
                write!(
                    f,
                    "the data directory {} is in use by another process",
                    path.display()
                )
            }
            OpenError::Damaged(path, how) => {
                write!(f, "the data directory {} is damaged: {how}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// Returns the text that reports a data directory of another format, and what to do with it.
fn other_format(found: u64) -> String {
    let way_out = match found {
        newer if newer > FORMAT => "use a newer release",
        OLDEST_WITH_THESE_ROWS.. => {
            "back it up with the release that wrote it, then restore the backup"
        }
        _ => EXPORT,
    };
    format!("has format {found}: this release reads format {FORMAT}; {way_out}")
}

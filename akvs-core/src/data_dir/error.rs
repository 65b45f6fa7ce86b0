//! Why a data folder cannot be used: each one clear line that names the folder.

use std::path::PathBuf;
use std::{fmt, io};

use crate::types::data_format::other_format;

/// Why a data folder cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// It is something else than a folder.
    NotAFolder(PathBuf),
    /// It cannot be made, read or written.
    Unusable(PathBuf, io::Error),
    /// It holds another program's files, such as this one.
    UnknownFile(PathBuf, String),
    /// It holds this, and so has a store already, where one was to be made.
    NotEmpty(PathBuf, String),
    /// It has no store, where there should be one.
    NoStore(PathBuf),
    /// Another release wrote it, in this format.
    OtherFormat(PathBuf, u64),
    /// Another process has it; its id, where that could be read.
    Locked(PathBuf, Option<u32>),
    /// It is damaged, in this way.
    Damaged(PathBuf, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NotAFolder(path) => {
                write!(f, "the data folder {} is not a folder", path.display())
            }
            OpenError::Unusable(path, error) => {
                write!(
                    f,
                    "the data folder {} cannot be used: {error}",
                    path.display()
                )
            }
            OpenError::UnknownFile(path, name) => write!(
                f,
                "the data folder {} does not belong to AKVS: it contains {name:?}; choose an empty or a new folder",
                path.display()
            ),
            OpenError::NotEmpty(path, name) => write!(
                f,
                "the data folder {} already has a store: it contains {name:?}; choose an empty or a new folder",
                path.display()
            ),
            OpenError::NoStore(path) => {
                write!(f, "the data folder {} has no store", path.display())
            }
            OpenError::OtherFormat(path, found) => {
                let how = other_format(*found);
                write!(f, "the data folder {} {how}", path.display())
            }
            OpenError::Locked(path, Some(pid)) => {
                write!(
                    f,
                    "the data folder {} is in use by process {pid}",
                    path.display()
                )
            }
            OpenError::Locked(path, None) => {
                write!(
                    f,
                    "the data folder {} is in use by another process",
                    path.display()
                )
            }
            OpenError::Damaged(path, how) => {
                write!(f, "the data folder {} is damaged: {how}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

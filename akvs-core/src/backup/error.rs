//! Errors of backups and restores.

use std::{fmt, io};

use super::format;
use crate::encoding;
use crate::engine::disk::OpenError;
use crate::{Code, Error};

/// Why a backup cannot be used. Offsets are bytes from the beginning of the file.
#[derive(Debug)]
#[non_exhaustive]
pub enum BackupError {
    /// The file cannot be read from this byte on.
    Unreadable(u64, io::Error),
    /// The file is not a backup.
    NotABackup,
    /// The backup has this format, which this release does not read.
    OtherFormat(u32),
    /// The rows of the backup have this format, which this release does not read.
    OtherRows(u64),
    /// The file ends at this byte and is incomplete.
    Truncated(u64),
    /// The part that begins at this byte is damaged in this way.
    Damaged(u64, String),
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Unreadable(at, error) => {
                write!(f, "the backup cannot be read from byte {at}: {error}")
            }
            BackupError::NotABackup => f.write_str("the file is not a backup of AKVS"),
            BackupError::OtherFormat(found) => write!(
                f,
                "the backup has format {found}: this release reads format {}; restore it with the release that wrote it",
                format::FORMAT
            ),
            BackupError::OtherRows(found) => write!(
                f,
                "the backup has rows of format {found}: this release reads format {}; restore it with the release that wrote it",
                encoding::FORMAT
            ),
            BackupError::Truncated(at) => {
                write!(f, "the backup is incomplete: it ends at byte {at}")
            }
            BackupError::Damaged(at, how) => write!(f, "the backup is damaged at byte {at}: {how}"),
        }
    }
}

impl std::error::Error for BackupError {}

/// Why a backup was not restored. The folder is then unchanged.
#[derive(Debug)]
#[non_exhaustive]
pub enum RestoreError {
    /// The backup cannot be used.
    Backup(BackupError),
    /// The folder cannot be used.
    Folder(OpenError),
    /// The store cannot be written.
    Store(Error),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Backup(error) => error.fmt(f),
            RestoreError::Folder(error) => error.fmt(f),
            RestoreError::Store(error) if error.code() == Code::StorageFull => {
                f.write_str("the store could not be written: the disk is full")
            }
            RestoreError::Store(error) => {
                write!(f, "the store could not be written: {}", error.message())
            }
        }
    }
}

impl std::error::Error for RestoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RestoreError::Backup(_) | RestoreError::Folder(_) => None,
            RestoreError::Store(error) => error.source(),
        }
    }
}

impl From<BackupError> for RestoreError {
    fn from(error: BackupError) -> RestoreError {
        RestoreError::Backup(error)
    }
}

impl From<OpenError> for RestoreError {
    fn from(error: OpenError) -> RestoreError {
        RestoreError::Folder(error)
    }
}

impl From<Error> for RestoreError {
    fn from(error: Error) -> RestoreError {
        RestoreError::Store(error)
    }
}

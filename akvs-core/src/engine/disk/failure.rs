//! The translation of lsm-tree's errors and panics.
//!
//! It states what failed in AKVS's terms, and keeps the error as the source, for the log.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lsm_tree::Error as LsmError;

use super::DiskOptions;
use crate::data_dir::OpenError;
use crate::{Code, Error, Result};

/// Runs a function that may panic in lsm-tree where stored data is damaged.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(damaged(None)))
}

pub(super) fn damaged(cause: Option<LsmError>) -> Error {
    let error = Error::new(Code::Corrupted, "the stored data is damaged");
    match cause {
        Some(cause) => error.because(cause),
        None => error,
    }
}

/// The error of a commit after the last call.
pub(super) fn closed() -> Error {
    Error::new(Code::Storage, "the storage is closed")
}

pub(super) fn open_error(options: &DiskOptions, error: LsmError) -> OpenError {
    use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    let folder = options.folder.clone();
    match into_io(error) {
        // These kinds describe the content of the files.
        Ok(error) if matches!(error.kind(), UnexpectedEof | InvalidData | NotFound) => {
            OpenError::Damaged(folder, error.to_string())
        }
        Ok(error) => OpenError::Unusable(folder, error),
        Err(error) => OpenError::Damaged(folder, error.to_string()),
    }
}

/// Translates an error of lsm-tree.
pub(super) fn translate(error: LsmError) -> Error {
    use std::io::ErrorKind::{InvalidData, QuotaExceeded, StorageFull, UnexpectedEof};
    match into_io(error) {
        Ok(error) if matches!(error.kind(), UnexpectedEof | InvalidData) => {
            damaged(Some(error.into()))
        }
        Ok(error) if matches!(error.kind(), StorageFull | QuotaExceeded) => {
            Error::new(Code::StorageFull, "the disk is full").because(error)
        }
        Ok(error) => Error::new(Code::Storage, "the storage failed").because(error),
        // All other errors mean that it read something that it had not written.
        Err(error) => damaged(Some(error)),
    }
}

fn into_io(error: LsmError) -> std::result::Result<io::Error, LsmError> {
    if let LsmError::Io(error) = error {
        Ok(error)
    } else {
        Err(error)
    }
}

/// Translates an error of the engine's own files.
pub(super) fn translate_io(error: io::Error) -> Error {
    translate(error.into())
}

/// Returns the error of a write of the log that failed.
pub(super) fn log_failed(error: io::Error) -> Error {
    Error::new(Code::Storage, "the storage failed").because(error)
}

/// Returns the error of every commit after a failed commit.
pub(super) fn failed_before() -> Error {
    Error::new(Code::Storage, "an earlier commit failed")
}

/// Returns the error of a write that timed out before anything of it was applied.
pub(super) fn overloaded() -> Error {
    let text = "writes arrive faster than the disk accepts them: try again later";
    Error::new(Code::Overloaded, text).with("retry_after_s", 1)
}

/// Returns the error of a disk without space for a commit.
pub(super) fn no_space() -> Error {
    Error::new(Code::StorageFull, "the disk is full; nothing was written")
}

/// Returns the error of a commit that exceeds the limit of the log's format.
pub(super) fn too_large() -> Error {
    Error::new(Code::Storage, "a commit exceeds 4 GiB; nothing was written")
}

/// Returns the error of a disk with too little space to add data.
pub(super) fn low_space(min_free_bytes: u64) -> Error {
    let mib = min_free_bytes >> 20;
    let text = format!(
        "less than {mib} MiB of disk space is free: only deletes and drops are accepted until there is more"
    );
    Error::new(Code::StorageFull, text).with("limit", min_free_bytes)
}

//! The translation of fjall's errors and panics.
//!
//! It states what failed in AKVS's terms, and keeps fjall's error as the source, for the log.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{DiskEngine, DiskOptions};
use crate::data_dir::OpenError;
use crate::{Code, Error, Result};

/// With less free space the disk counts as full: fjall's next file may not fit.
const MIN_FREE_BYTES: u64 = 64 << 20;

/// Runs a function that may panic in fjall where stored data is damaged.
pub(super) fn guarded<T>(run: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(damaged(None)))
}

pub(super) fn damaged(cause: Option<fjall::Error>) -> Error {
    let error = Error::new(Code::Corrupted, "the stored data is damaged");
    match cause {
        Some(cause) => error.because(cause),
        None => error,
    }
}

pub(super) fn open_error(options: &DiskOptions, error: fjall::Error) -> OpenError {
    use std::io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
    let folder = options.folder.clone();
    match into_io(error) {
        // These kinds describe the content of the files.
        Ok(error) if matches!(error.kind(), UnexpectedEof | InvalidData | NotFound) => {
            OpenError::Damaged(folder, error.to_string())
        }
        Ok(error) => OpenError::Unusable(folder, error),
        Err(fjall::Error::Locked) => OpenError::Locked(folder, None),
        Err(error) => OpenError::Damaged(folder, error.to_string()),
    }
}

/// Translates an error of fjall.
pub(super) fn translate(error: fjall::Error) -> Error {
    use std::io::ErrorKind::{InvalidData, QuotaExceeded, StorageFull, UnexpectedEof};
    let failed = || Error::new(Code::Storage, "the storage failed");
    match into_io(error) {
        Ok(error) if matches!(error.kind(), UnexpectedEof | InvalidData) => {
            damaged(Some(error.into()))
        }
        Ok(error) if matches!(error.kind(), StorageFull | QuotaExceeded) => full(error),
        Ok(error) => failed().because(error),
        Err(fjall::Error::Poisoned) => failed().because(fjall::Error::Poisoned),
        // All other errors mean that it read something that it had not written.
        Err(error) => damaged(Some(error)),
    }
}

/// Translates an error of the engine's own files.
pub(super) fn translate_io(error: io::Error) -> Error {
    translate(error.into())
}

fn full(error: io::Error) -> Error {
    Error::new(Code::StorageFull, "the disk is full").because(error)
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

/// Returns the error of a disk with too little space to add data.
pub(super) fn low_space(min_free_bytes: u64) -> Error {
    let mib = min_free_bytes >> 20;
    let text = format!(
        "less than {mib} MiB of disk space is free: only deletes and drops are accepted until there is more"
    );
    Error::new(Code::StorageFull, text).with("limit", min_free_bytes)
}

fn into_io(error: fjall::Error) -> std::result::Result<io::Error, fjall::Error> {
    if let fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) = error {
        Ok(error)
    } else {
        Err(error)
    }
}

impl DiskEngine {
    /// Translates the error of a write. fjall does not report why its background work failed, but the free space shows
    /// it.
    pub(super) fn explain(&self, error: fjall::Error) -> Error {
        if !matches!(error, fjall::Error::Poisoned) {
            return translate(error);
        }
        match rustix::fs::statvfs(self.folder.path()) {
            Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < MIN_FREE_BYTES => {
                let text = "no space for background work";
                full(io::Error::new(io::ErrorKind::StorageFull, text))
            }
            _ => translate(error),
        }
    }
}

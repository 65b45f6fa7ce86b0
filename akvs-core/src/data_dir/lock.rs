//! The lock of a data folder: one process uses it at a time.
//!
//! The lock belongs to the operating system and lasts as long as its file is open, so that a crash releases it. The
//! process id in the file is only informative.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::{OpenError, create_folder};

/// Creates a data folder and its missing parents with access for this user only, and syncs them. Does nothing if the
/// folder exists.
///
/// ```
/// # let temporary = tempfile::tempdir()?;
/// let path = temporary.path().join("a/b");
/// akvs_core::make_folder(&path)?;
/// akvs_core::make_folder(&path)?;
/// assert!(path.is_dir());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn make_folder(path: &Path) -> io::Result<()> {
    match path.is_dir() {
        true => Ok(()),
        false => create_folder(path),
    }
}

pub(crate) const LOCK_FILE: &str = "akvs.lock";

/// The lock of a data folder; dropping it releases the folder.
#[derive(Debug)]
pub struct FolderLock(
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")] File,
);

impl FolderLock {
    /// Locks a folder, and creates it if it is missing. Its content is not checked.
    ///
    /// ```
    /// use akvs_core::{FolderLock, OpenError};
    /// # let temporary = tempfile::tempdir()?;
    /// let path = temporary.path().join("new");
    /// let lock = FolderLock::take(&path)?;
    /// assert!(matches!(FolderLock::take(&path), Err(OpenError::Locked(..))));
    /// drop(lock);
    /// assert!(FolderLock::take(&path).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take(path: &Path) -> Result<FolderLock, OpenError> {
        make_folder(path).map_err(|error| OpenError::Unusable(path.to_owned(), error))?;
        FolderLock::lock(path)
    }

    /// Locks an existing folder.
    pub(crate) fn lock(path: &Path) -> Result<FolderLock, OpenError> {
        let unusable = |error| OpenError::Unusable(path.to_owned(), error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // The process id must not be written through a link.
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path.join(LOCK_FILE))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {
                // One write of a fixed length, so that a reader never sees a part of it.
                file.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0)
                    .map_err(unusable)?;
                Ok(FolderLock(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = (&file).take(16).read_to_string(&mut text);
                Err(OpenError::Locked(
                    path.to_owned(),
                    read.ok().and_then(|_| text.trim().parse().ok()),
                ))
            }
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }
}

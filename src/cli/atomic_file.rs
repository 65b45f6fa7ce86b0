//! A file that appears only once it is complete: it is written next to its path, and renamed at the end.
//!
//! Invariants: a file of another user or program at the temporary name is never written to, and the new file belongs to
//! this user alone.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::TempPath;

use crate::error::CliError;

/// Suffix of the temporary name.
const PART: &str = ".part";
/// Maximum number of attempts to create a temporary name that other processes use too.
const MAX_ATTEMPTS: usize = 8;
/// Longer names are cut in the random temporary name: file systems limit a name to 255 bytes.
const MAX_NAME_BYTES: usize = 200;

/// A file that is being written; it is removed unless it is committed.
pub(super) struct AtomicFile {
    path: PathBuf,
    file: File,
    part: TempPath,
    may_replace: bool,
}

impl AtomicFile {
    /// Creates a file for this user alone. Fails if the path exists, unless it may be replaced.
    pub(super) fn create(path: &Path, may_replace: bool) -> Result<AtomicFile, CliError> {
        // A device, a directory, or a link to one is never replaced.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(CliError::failed(format!(
                "not a regular file: {}",
                path.display()
            )));
        }
        if !may_replace && fs::symlink_metadata(path).is_ok() {
            return Err(exists_error(path));
        }
        let (file, part) = match open_part(path)? {
            Some(part) => part,
            None => open_random(path).map_err(|error| write_error(path, &error))?,
        };
        Ok(AtomicFile {
            path: path.to_owned(),
            file,
            part,
            may_replace,
        })
    }

    /// Opens what was written so far for reading.
    pub(super) fn reader(&self) -> Result<File, CliError> {
        let read = || {
            let mut file = self.file.try_clone()?;
            file.rewind()?;
            io::Result::Ok(file)
        };
        read().map_err(|error| write_error(&self.path, &error))
    }

    /// Syncs the file and gives it its name, which it has after a power loss too.
    pub(super) fn commit(self) -> Result<(), CliError> {
        let failed = |error: io::Error| {
            if error.kind() == ErrorKind::AlreadyExists {
                return exists_error(&self.path);
            }
            write_error(&self.path, &error)
        };
        self.file.sync_all().map_err(failed)?;
        // Renamed under the lock, so that no other process writes to it.
        let named = if self.may_replace {
            self.part.persist(&self.path)
        } else {
            self.part.persist_noclobber(&self.path)
        };
        named.map_err(|error| failed(error.error))?;
        let folder = File::open(folder_of(&self.path));
        folder.and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Creates `FILE.part`, or replaces what an earlier process of this user has left. Returns none if another file has
/// that name.
fn open_part(path: &Path) -> Result<Option<(File, TempPath)>, CliError> {
    let mut part = path.as_os_str().to_owned();
    part.push(PART);
    let part = PathBuf::from(part);
    let failed = |error: io::Error| write_error(&part, &error);
    for _ in 0..MAX_ATTEMPTS {
        let made = private().create_new(true).open(&part);
        let is_new = made.is_ok();
        let file = match made {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !is_own_file(fs::symlink_metadata(&part)) {
                    return Ok(None);
                }
                match private().open(&part) {
                    Ok(file) if is_own_file(file.metadata()) => file,
                    Ok(_) => return Ok(None),
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(_) => return Ok(None),
                }
            }
            // The random temporary name may be shorter.
            Err(error) if error.kind() == ErrorKind::InvalidFilename => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("another process is writing {}", part.display());
                return Err(CliError::failed(text));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Another process may have replaced or removed the name before it was locked.
        if !is_same_file(&file, &part) {
            continue;
        }
        if is_new {
            let part = TempPath::try_from_path(&part).map_err(failed)?;
            return Ok(Some((file, part)));
        }
        // A killed process left it. It is not reused: others may have it open, or know it by another name.
        fs::remove_file(&part).map_err(failed)?;
    }
    Ok(None)
}

/// Creates a file with a random name.
fn open_random(path: &Path) -> io::Result<(File, TempPath)> {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let name = OsStr::from_bytes(&name[..name.len().min(MAX_NAME_BYTES)]);
    let mut prefix = name.to_owned();
    prefix.push(".");
    let file = tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(PART)
        .tempfile_in(folder_of(path))?;
    Ok(file.into_parts())
}

/// Returns options for a file of this user alone, without following links.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).write(true).mode(0o600);
    options.custom_flags(flags.bits().cast_signed());
    options
}

/// Returns true for a regular file of this user.
fn is_own_file(found: io::Result<fs::Metadata>) -> bool {
    let me = rustix::process::geteuid().as_raw();
    found.is_ok_and(|found| found.is_file() && found.uid() == me)
}

/// Returns true if the path still leads to this file.
fn is_same_file(file: &File, path: &Path) -> bool {
    let identity = |found: &fs::Metadata| (found.dev(), found.ino());
    let (opened, there) = (file.metadata(), fs::symlink_metadata(path));
    matches!((&opened, &there), (Ok(a), Ok(b)) if identity(a) == identity(b))
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn exists_error(path: &Path) -> CliError {
    let path = path.display();
    CliError::failed(format!("{path} already exists; use --force to replace it"))
}

fn write_error(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn make(path: &Path, may_replace: bool) -> Result<(), CliError> {
        let mut file = AtomicFile::create(path, may_replace)?;
        file.write_all(b"new").unwrap();
        file.commit()
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_at_the_temporary_name_is_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let (path, part) = (folder.path().join("f"), folder.path().join("f.part"));
        let precious = folder.path().join("precious");
        fs::write(&precious, "precious").unwrap();
        symlink(&precious, &part).unwrap();
        make(&path, false).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), mode(&path)),
            (b"new".to_vec(), 0o600)
        );
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        // A link to nothing makes no file elsewhere, and a hard link is not written through.
        fs::remove_file(&part).unwrap();
        symlink(folder.path().join("none"), &part).unwrap();
        make(&path, true).unwrap();
        assert!(!folder.path().join("none").exists());
        fs::remove_file(&part).unwrap();
        fs::hard_link(&precious, &part).unwrap();
        make(&path, true).unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"precious");
        assert!(!part.exists());
    }

    #[test]
    fn a_stale_temporary_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (path, part) = (folder.path().join("f"), folder.path().join("f.part"));
        fs::write(&part, "left").unwrap();
        fs::set_permissions(&part, fs::Permissions::from_mode(0o666)).unwrap();
        make(&path, false).unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), mode(&path)),
            (b"new".to_vec(), 0o600)
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        // A file that is not committed leaves nothing.
        drop(AtomicFile::create(&path, true).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_another_user_is_not_reused() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can give files away");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (path, part) = (folder.path().join("f"), folder.path().join("f.part"));
        for planted in [&part, &path] {
            fs::write(planted, "planted").unwrap();
            fs::set_permissions(planted, fs::Permissions::from_mode(0o666)).unwrap();
            std::os::unix::fs::chown(planted, Some(7), Some(7)).unwrap();
        }
        make(&path, true).unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), mode(&path)), (0, 0o600));
        assert_eq!(fs::read(&part).unwrap(), b"planted");
    }

    #[test]
    fn an_existing_path_is_replaced_only_if_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "precious").unwrap();
        for target in [&elsewhere, &folder.path().join("none")] {
            symlink(target, &path).unwrap();
            let why = make(&path, false).unwrap_err().to_string();
            assert!(why.contains("--force"), "{why}");
            make(&path, true).unwrap();
            assert!(fs::symlink_metadata(&path).unwrap().is_file());
            fs::remove_file(&path).unwrap();
        }
        assert_eq!(fs::read(&elsewhere).unwrap(), b"precious");
        // A file that another process creates meanwhile stays too.
        let mut file = AtomicFile::create(&path, false).unwrap();
        file.write_all(b"new").unwrap();
        fs::write(&path, "other").unwrap();
        assert!(file.commit().unwrap_err().to_string().contains("--force"));
        assert_eq!(fs::read(&path).unwrap(), b"other");
        let long = folder.path().join("x".repeat(255));
        make(&long, false).unwrap();
    }
}

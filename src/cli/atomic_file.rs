//! A file that is there once it is whole: what is written goes beside it, and takes its name at the end.
//!
//! Invariant: nothing is written to what another user or program has put at the name of the part, and the file belongs
//! to this user alone.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tempfile::TempPath;

use crate::error::CliError;

/// What the name of a part has at its end.
const PART: &str = ".part";
/// How often a name that others take meanwhile is tried.
const MAX_ATTEMPTS: usize = 8;
/// Of a longer name the part's own has the begin: no file system has names of more than 255 bytes.
const MAX_NAME_BYTES: usize = 200;

/// A file that is being written; gone where it is not ended.
pub(super) struct AtomicFile {
    path: PathBuf,
    file: File,
    part: TempPath,
    may_replace: bool,
}

impl AtomicFile {
    /// A file at this path, for this user alone; nothing may be there yet, unless it may be replaced.
    pub(super) fn create(path: &Path, may_replace: bool) -> Result<AtomicFile, CliError> {
        // A device or a folder is nothing to put a file in the place of, nor is a link to one.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(CliError::failed(format!("{} is no file", path.display())));
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

    /// What was written so far, to be read; nothing more is written meanwhile.
    pub(super) fn reader(&self) -> Result<File, CliError> {
        let read = || {
            let mut file = self.file.try_clone()?;
            file.rewind()?;
            io::Result::Ok(file)
        };
        read().map_err(|error| write_error(&self.path, &error))
    }

    /// It is whole: from here on it has its name, also after a loss of power.
    pub(super) fn commit(self) -> Result<(), CliError> {
        let failed = |error: io::Error| {
            if error.kind() == ErrorKind::AlreadyExists {
                return exists_error(&self.path);
            }
            write_error(&self.path, &error)
        };
        self.file.sync_all().map_err(failed)?;
        // While it is locked: from here on it is nobody's to write.
        let named = match self.may_replace {
            true => self.part.persist(&self.path),
            false => self.part.persist_noclobber(&self.path),
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

/// The file `FILE.part`, which is made for this; what is left of an earlier one of this user's is removed first. None
/// where something else is there.
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
            // A name that is too long for the part may have room for its own.
            Err(error) if error.kind() == ErrorKind::InvalidFilename => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("{} is being written by another process", part.display());
                return Err(CliError::failed(text));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Another process may have taken the name, or removed it, before it was locked here.
        if !is_same_file(&file, &part) {
            continue;
        }
        if is_new {
            let part = TempPath::try_from_path(&part).map_err(failed)?;
            return Ok(Some((file, part)));
        }
        // What is left of one that was killed: others may have it open, or know it by another name.
        fs::remove_file(&part).map_err(failed)?;
    }
    Ok(None)
}

/// A file of a name that nobody can know before.
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

/// How a file is opened that is this user's alone, and no link.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).write(true).mode(0o600);
    options.custom_flags(flags.bits().cast_signed());
    options
}

/// Whether it is a plain file of this user.
fn is_own_file(found: io::Result<fs::Metadata>) -> bool {
    let me = rustix::process::geteuid().as_raw();
    found.is_ok_and(|found| found.is_file() && found.uid() == me)
}

/// Whether this file is the one at this path.
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
    CliError::failed(format!("{path} is there already; --force replaces it"))
}

fn write_error(path: &Path, error: &io::Error) -> CliError {
    CliError::failed(format!("{} cannot be written: {error}", path.display()))
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
    fn what_is_at_the_name_of_the_part_is_not_written_to() {
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
    fn what_is_left_of_an_earlier_one_is_replaced_with_its_mode() {
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
        // One that is not ended leaves nothing.
        drop(AtomicFile::create(&path, true).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_another_user_is_neither_written_nor_kept() {
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
    fn what_is_there_is_replaced_only_where_it_may_be() {
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
        // What comes there meanwhile stays too.
        let mut file = AtomicFile::create(&path, false).unwrap();
        file.write_all(b"new").unwrap();
        fs::write(&path, "other").unwrap();
        assert!(file.commit().unwrap_err().to_string().contains("--force"));
        assert_eq!(fs::read(&path).unwrap(), b"other");
        let long = folder.path().join("x".repeat(255));
        make(&long, false).unwrap();
    }
}

//! A file that is there once it is whole: what is written goes beside it, and takes its name at the end.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file that is being written; gone where it is not ended.
pub(super) struct NewFile {
    path: PathBuf,
    new: PathBuf,
    file: Option<File>,
}

impl NewFile {
    /// A file at this path, for this user alone; nothing may be there yet, unless it may be replaced.
    pub(super) fn create(path: &Path, may_replace: bool) -> Result<NewFile, Failure> {
        match fs::metadata(path) {
            // A device or a folder is nothing to put a file in the place of.
            Ok(found) if !found.is_file() => {
                return Err(Failure::failed(format!("{} is no file", path.display())));
            }
            Ok(_) if !may_replace => {
                return Err(Failure::failed(format!(
                    "{} is there already; --force replaces it",
                    path.display()
                )));
            }
            _ => {}
        }
        let mut new = path.as_os_str().to_owned();
        new.push(".part");
        let new = PathBuf::from(new);
        let file = open_alone(&new)?;
        Ok(NewFile {
            path: path.to_owned(),
            new,
            file: Some(file),
        })
    }

    /// What was written so far, to be read.
    pub(super) fn written(&self) -> Result<File, Failure> {
        File::open(&self.new).map_err(|error| cannot(&self.new, &error))
    }

    /// It is whole: from here on it has its name, also after a loss of power.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        let ended = self.finish();
        ended.map_err(|error| cannot(&self.path, &error))
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.take() {
            file.sync_all()?;
            // While it is locked: from here on it is nobody's to write.
            fs::rename(&self.new, &self.path)?;
            let folder = self
                .path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            // What stays is replaced by the next one.
            let _ = fs::remove_file(&self.new);
        }
    }
}

/// An empty file that no other process writes meanwhile.
fn open_alone(new: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false).mode(0o600);
    loop {
        let file = options.open(new).map_err(|error| cannot(new, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("{} is being written by another process", new.display());
                return Err(Failure::failed(text));
            }
            Err(TryLockError::Error(error)) => return Err(cannot(new, &error)),
        }
        // Whoever wrote it may have given it its name, or removed it, before it was locked here.
        if is_still(&file, new) {
            file.set_len(0).map_err(|error| cannot(new, &error))?;
            return Ok(file);
        }
    }
}

/// Whether this file is the one at this path.
fn is_still(file: &File, path: &Path) -> bool {
    let identity = |found: &fs::Metadata| (found.dev(), found.ino());
    let (opened, there) = (file.metadata(), fs::metadata(path));
    matches!((&opened, &there), (Ok(a), Ok(b)) if identity(a) == identity(b))
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written: {error}", path.display()))
}

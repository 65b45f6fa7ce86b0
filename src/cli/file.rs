//! A file that is there once it is whole: what is written goes beside it, and takes its name at the end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
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
        if !may_replace && path.exists() {
            return Err(Failure::failed(format!(
                "{} is there already; --force replaces it",
                path.display()
            )));
        }
        let mut new = path.as_os_str().to_owned();
        new.push(".part");
        let new = PathBuf::from(new);
        let mut options = OpenOptions::new();
        let opened = options
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&new);
        let file = opened.map_err(|error| cannot(&new, &error))?;
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

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{} cannot be written: {error}", path.display()))
}

//! The state of a folder before a store was created in it, so that a failure can restore it.
//!
//! It knows the names of the files that a start creates. `DataDir` decides whether the folder may be used.

use std::fs;
use std::path::{Path, PathBuf};

use super::{
    DataDir, FORMAT_FILE, LOCK_FILE, NEW_FORMAT_FILE, NEW_WATERMARK_FILE, OpenError, STORE_FOLDER,
    WATERMARK_FILE,
};

const FILES: [&str; 5] = [
    LOCK_FILE,
    WATERMARK_FILE,
    NEW_WATERMARK_FILE,
    FORMAT_FILE,
    NEW_FORMAT_FILE,
];

/// The state of a folder before a store was created.
pub(crate) struct Rollback {
    /// The folders that were missing, the innermost first.
    missing: Vec<PathBuf>,
    /// The files that were missing.
    absent: Vec<PathBuf>,
}

impl Rollback {
    /// Records the state of a folder, and refuses a folder with a store.
    pub(crate) fn record(folder: &Path) -> Result<Rollback, OpenError> {
        if let Some(name) = store_name(folder) {
            return Err(OpenError::NotEmpty(folder.to_owned(), name.to_owned()));
        }
        let path = std::path::absolute(folder)
            .map_err(|error| OpenError::Unusable(folder.to_owned(), error))?;
        let missing = path.ancestors().take_while(|above| !above.exists());
        Ok(Rollback {
            missing: missing.map(Path::to_owned).collect(),
            absent: FILES
                .into_iter()
                .map(|name| path.join(name))
                .filter(|file| !file.exists())
                .collect(),
        })
    }

    /// Restores the folder. It must be locked.
    pub(crate) fn restore(&self, folder: &DataDir) {
        // A leftover that cannot be removed is no store, and the next attempt replaces it.
        let _ = fs::remove_dir_all(folder.new_store());
        let _ = fs::remove_dir_all(folder.store());
        for file in &self.absent {
            let _ = fs::remove_file(file);
        }
        self.remove_folders();
    }

    /// Removes the folders that were missing, if they are empty.
    pub(crate) fn remove_folders(&self) {
        for folder in &self.missing {
            let _ = fs::remove_dir(folder);
        }
    }
}

impl DataDir {
    /// Refuses a folder that has a store, with a format or without.
    pub(crate) fn refuse_store(&self) -> Result<(), OpenError> {
        match store_name(&self.path) {
            Some(name) => Err(OpenError::NotEmpty(self.path.clone(), name.to_owned())),
            None => Ok(()),
        }
    }
}

/// Returns the name of the file that shows that there is a store.
fn store_name(folder: &Path) -> Option<&'static str> {
    let mut names = [FORMAT_FILE, STORE_FOLDER].into_iter();
    names.find(|name| folder.join(name).exists())
}

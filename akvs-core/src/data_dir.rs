//! The data folder: its format, its lock and its watermark, next to the engine's files.
//!
//! | file | holds |
//! | --- | --- |
//! | `akvs.format` | one line with the format of the folder |
//! | `akvs.lock` | the process id of the user of the folder; locked by the operating system as long as that process lives |
//! | `akvs.watermark` | the newest synced revision; see `watermark` |
//! | `store/` | the engine's files; `store.new/` until all are created |
//!
//! The first start creates them in this order: lock, watermark, store, format. Invariants: a folder of another program,
//! of another format, or in use is refused before anything in it is changed; a folder with a format has a complete
//! store.

mod check;
mod error;
pub(crate) mod lock;
mod rollback;
mod watermark;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use self::check::{Checked, FolderReport};
pub use self::error::OpenError;
pub(crate) use self::rollback::Rollback;
use self::watermark::Watermark;
use super::data_dir::lock::{FolderLock, LOCK_FILE};
use crate::Revision;
use crate::types::data_format;

const FORMAT_FILE: &str = "akvs.format";
const NEW_FORMAT_FILE: &str = "akvs.format.new";
const WATERMARK_FILE: &str = "akvs.watermark";
const NEW_WATERMARK_FILE: &str = "akvs.watermark.new";
pub(crate) const STORE_FOLDER: &str = "store";
const NEW_STORE_FOLDER: &str = "store.new";
/// The version of the whole folder, so that a release that does not know it refuses the folder before its engine opens
/// it: a new layout of the folder raises it, and so do rows of a new format.
const FORMAT: u64 = data_format::FORMAT;
/// Files that a new file system or an interrupted start may have left.
const LEFTOVER_FILES: [&str; 5] = [
    LOCK_FILE,
    WATERMARK_FILE,
    NEW_WATERMARK_FILE,
    NEW_FORMAT_FILE,
    "lost+found",
];
/// Folders that an interrupted start may have left after it created the watermark.
const LEFTOVER_FOLDERS: [&str; 2] = [STORE_FOLDER, NEW_STORE_FOLDER];

/// A data folder that this process has locked.
pub(crate) struct DataDir {
    path: PathBuf,
    established: bool,
    watermark: Mutex<Watermark>,
    _lock: FolderLock,
}

impl DataDir {
    /// Locks the folder, and creates it if it is missing. A folder without a format may contain only leftovers of a
    /// start and `allowed_files`.
    pub(crate) fn open(path: &Path, allowed_files: &[String]) -> Result<DataDir, OpenError> {
        let unusable = |error| OpenError::Unusable(path.to_owned(), error);
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() => {
                return Err(OpenError::NotAFolder(path.to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                create_folder(path).map_err(unusable)?
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(OpenError::NotAFolder(path.to_owned()));
            }
            Err(error) => return Err(unusable(error)),
        }
        check_format(path, allowed_files)?;
        let lock = FolderLock::lock(path)?;
        // Checked again, because the previous owner of the lock may have just created it.
        let format = check_format(path, allowed_files)?;
        let watermark = path.join(WATERMARK_FILE);
        if format.is_none() && !watermark.exists() {
            watermark::create(path).map_err(unusable)?;
        }
        Ok(DataDir {
            path: path.to_owned(),
            established: format.is_some(),
            watermark: Mutex::new(watermark::open(path)?),
            _lock: lock,
        })
    }

    /// Returns whether the folder had a format when it was opened, and so has a complete store.
    pub(crate) fn is_established(&self) -> bool {
        self.established
    }

    /// Returns whether a store must be created, and removes what an interrupted start left of one.
    pub(crate) fn needs_store(&self) -> io::Result<bool> {
        match fs::remove_dir_all(self.new_store()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(!self.store().exists()),
        }
    }

    /// Gives the store its name and writes the format. Only a complete store gets its name, so that a file that is
    /// missing later was lost.
    pub(crate) fn establish(&self) -> io::Result<()> {
        if !self.store().exists() {
            fs::rename(self.new_store(), self.store())?;
        }
        write_format(&self.path)
    }

    /// Returns the path of the folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path under which the engine's files are created.
    pub(crate) fn new_store(&self) -> PathBuf {
        self.path.join(NEW_STORE_FOLDER)
    }

    /// Returns the path of the engine's files.
    pub(crate) fn store(&self) -> PathBuf {
        self.path.join(STORE_FOLDER)
    }

    pub(crate) fn watermark(&self) -> Revision {
        self.lock_watermark().synced_state().revision
    }

    pub(crate) fn synced_commit(&self) -> u64 {
        self.lock_watermark().synced_state().commit
    }

    /// Raises the watermark, unless it is higher.
    pub(crate) fn raise_watermark(&self, revision: Revision, commit: u64) -> io::Result<()> {
        self.lock_watermark().raise(revision, commit)
    }

    /// Returns the revision up to which all may have been assigned.
    pub(crate) fn reserved(&self) -> Revision {
        self.lock_watermark().synced_state().reserved
    }

    /// Reserves a revision before it is assigned, and many after it.
    pub(crate) fn reserve(&self, revision: Revision) -> io::Result<()> {
        self.lock_watermark().reserve(revision)
    }

    /// Raises the watermark for the last time: all assigned revisions are synced.
    pub(crate) fn finish(&self, revision: Revision, commit: u64) -> io::Result<()> {
        self.lock_watermark().finish(revision, commit)
    }

    fn lock_watermark(&self) -> MutexGuard<'_, Watermark> {
        self.watermark
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a folder and its missing parents with access for this user only, and syncs them.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    let path = std::path::absolute(path)?;
    let missing = path.ancestors().take_while(|above| !above.exists()).count();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)?;
    for above in path.ancestors().skip(1).take(missing) {
        File::open(above)?.sync_all()?;
    }
    Ok(())
}

/// Returns the format of the folder; none where it has no format yet. Refuses a folder that cannot become a data
/// folder.
pub(crate) fn check_format(
    path: &Path,
    allowed_files: &[String],
) -> Result<Option<u64>, OpenError> {
    let unusable = |error| OpenError::Unusable(path.to_owned(), error);
    let mut text = Vec::new();
    match File::open(path.join(FORMAT_FILE)) {
        Ok(file) => file.take(64).read_to_end(&mut text).map_err(unusable)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match unknown_file(path, allowed_files).map_err(unusable)? {
                Some(name) => Err(OpenError::UnknownFile(path.to_owned(), name)),
                None => Ok(None),
            };
        }
        Err(error) => return Err(unusable(error)),
    };
    let number = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.strip_prefix("akvs ")?.trim_end().parse::<u64>().ok());
    match number {
        Some(FORMAT) => Ok(Some(FORMAT)),
        Some(other @ 1..) => Err(OpenError::OtherFormat(path.to_owned(), other)),
        Some(0) | None => Err(OpenError::Damaged(
            path.to_owned(),
            format!("{FORMAT_FILE} does not name a format"),
        )),
    }
}

/// Returns the first name in a folder without a format that neither AKVS nor the options allow.
fn unknown_file(path: &Path, allowed_files: &[String]) -> io::Result<Option<String>> {
    let has_watermark = path.join(WATERMARK_FILE).exists();
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.into_iter().find(|name| {
        let is_known = LEFTOVER_FILES.contains(&&**name)
            || has_watermark && LEFTOVER_FOLDERS.contains(&&**name)
            || allowed_files.contains(name);
        !is_known
    }))
}

/// Returns the exact text of the format file.
fn format_text() -> String {
    format!("akvs {FORMAT}\n")
}

/// Creates an empty file in place of a leftover one; a link is not followed.
fn create_new(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

fn write_format(path: &Path) -> io::Result<()> {
    let new = path.join(NEW_FORMAT_FILE);
    let mut file = create_new(&new)?;
    file.write_all(format_text().as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path.join(FORMAT_FILE))?;
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_the_folder_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let target = outside.path().join("precious");
        for name in [NEW_FORMAT_FILE, NEW_WATERMARK_FILE, LOCK_FILE] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(&target, "precious").unwrap();
            std::os::unix::fs::symlink(&target, folder.path().join(name)).unwrap();
            // A lock that is a link is refused; other leftovers are replaced.
            let opened = DataDir::open(folder.path(), &[]);
            assert_eq!(opened.is_ok(), name != LOCK_FILE, "{name}");
            assert_eq!(fs::read(&target).unwrap(), b"precious", "{name}");
        }
    }
}

//! The check of the folder's own files while no other process uses it.
//!
//! It changes only the lock. The engine checks its own files.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::watermark::{SLOT_BYTES, SLOT_OFFSETS, SyncedState, decode};
use super::{
    DataDir, FORMAT_FILE, LOCK_FILE, OpenError, STORE_FOLDER, WATERMARK_FILE, check_format,
    format_text,
};
use crate::Revision;
use crate::data_dir::lock::FolderLock;

/// More bytes than any of these files has.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Receives what a check of the folder's own files finds.
pub(crate) trait FolderReport {
    /// Counts a file that was read.
    fn read_file(&mut self);
    /// Reports that a file is damaged in this way.
    fn file(&mut self, name: &str, how: String);
    /// Reports that a file or folder is not checked, and why.
    fn skip(&mut self, name: OsString, why: &str);
}

/// A folder whose own files were checked. It stays locked as long as this exists.
pub(crate) struct Checked {
    synced: SyncedState,
    _lock: FolderLock,
}

impl Checked {
    /// Locks a folder that has a store, and checks its own files.
    pub(crate) fn read(path: &Path, report: &mut dyn FolderReport) -> Result<Checked, OpenError> {
        let unusable = |error| OpenError::Unusable(path.to_owned(), error);
        if !fs::metadata(path).map_err(unusable)?.is_dir() {
            return Err(OpenError::NotAFolder(path.to_owned()));
        }
        if !path.join(FORMAT_FILE).exists() {
            return Err(OpenError::NoStore(path.to_owned()));
        }
        // A folder of another format must not be changed, not even its lock file.
        refuse_other_format(path)?;
        let lock = FolderLock::lock(path)?;
        // Checked again, because the previous owner of the lock may have just created it.
        refuse_other_format(path)?;
        Ok(Checked {
            synced: check_own_files(path, report).map_err(unusable)?,
            _lock: lock,
        })
    }

    /// Returns the newest revision that was synced.
    pub(crate) fn watermark(&self) -> Revision {
        self.synced.revision
    }

    /// Returns the newest commit that was synced.
    pub(crate) fn synced_commit(&self) -> u64 {
        self.synced.commit
    }
}

impl DataDir {
    /// Checks the folder's own files while it is in use.
    pub(crate) fn check(&self, report: &mut dyn FolderReport) -> io::Result<()> {
        // The lock prevents a write during the check.
        let _watermark = self.lock_watermark();
        check_own_files(&self.path, report).map(drop)
    }
}

/// Refuses a folder of another format: only the release that wrote it can check it.
fn refuse_other_format(path: &Path) -> Result<(), OpenError> {
    match check_format(path, &[]) {
        Err(error @ OpenError::OtherFormat(..)) => Err(error),
        // Other errors are reported with all findings.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Checks the folder's own files, and returns what was synced.
fn check_own_files(path: &Path, report: &mut dyn FolderReport) -> io::Result<SyncedState> {
    report.read_file();
    match read(&path.join(FORMAT_FILE)) {
        Ok(text) if text == format_text().as_bytes() => {}
        Ok(_) => report.file(FORMAT_FILE, "does not name the format as expected".into()),
        Err(error) => report.file(FORMAT_FILE, format!("cannot be read: {error}")),
    }
    report.read_file();
    let synced = check_watermark(path, report);
    report_others(path, report)?;
    Ok(synced)
}

/// Checks both slots, and that the file has no other data.
fn check_watermark(path: &Path, report: &mut dyn FolderReport) -> SyncedState {
    let bytes = match read(&path.join(WATERMARK_FILE)) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.file(WATERMARK_FILE, format!("cannot be read: {error}"));
            return SyncedState::default();
        }
    };
    let mut rest = bytes.clone();
    let slots = SLOT_OFFSETS.map(|offset| {
        let slot = offset as usize..offset as usize + SLOT_BYTES;
        rest.get_mut(slot.clone())?.fill(0);
        decode(bytes.get(slot)?.try_into().ok()?)
    });
    for (number, slot) in slots.iter().enumerate() {
        if slot.is_none() {
            report.file(WATERMARK_FILE, format!("slot {number} is damaged"));
        }
    }
    if rest.iter().any(|byte| *byte != 0) {
        report.file(
            WATERMARK_FILE,
            "has unexpected data outside its slots".into(),
        );
    }
    slots.into_iter().flatten().max().unwrap_or_default()
}

/// Reads a file up to a bound.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reports the files and folders that are not checked.
fn report_others(path: &Path, report: &mut dyn FolderReport) -> io::Result<()> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name());
    }
    names.sort();
    for name in names {
        if name == LOCK_FILE {
            report.skip(name, "names only the process that uses the data directory");
        } else if [FORMAT_FILE, WATERMARK_FILE, STORE_FOLDER]
            .iter()
            .all(|ours| name != *ours)
        {
            report.skip(name, "not part of the store");
        }
    }
    Ok(())
}

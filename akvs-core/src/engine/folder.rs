//! The data folder around the engine's own files: whose it is, who uses it, and how far it was known to be synced.
//!
//! | file | holds |
//! | --- | --- |
//! | `akvs.format` | one line that says that the folder is ours, and of which format |
//! | `akvs.lock` | the process id of whoever has the folder; locked by the operating system as long as it lives |
//! | `akvs.watermark` | the highest revision known to be synced, in two slots that are written in turn |
//! | `store/` | the engine's files |
//!
//! Invariant: a folder that is not ours, newer, or in use is refused before anything in it is changed.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Revision;

const FORMAT_FILE: &str = "akvs.format";
const LOCK_FILE: &str = "akvs.lock";
const WATERMARK_FILE: &str = "akvs.watermark";
const STORE_FOLDER: &str = "store";
/// The version of this layout; that of the rows is in the engine.
const FORMAT: u64 = 1;
/// What a fresh file system or an earlier, interrupted start may have left.
const NOT_FOREIGN: [&str; 4] = [LOCK_FILE, WATERMARK_FILE, "akvs.format.new", "lost+found"];

const SLOT_BYTES: usize = 12;
/// Far enough apart that one torn write cannot hit both.
const SLOT_OFFSETS: [u64; 2] = [0, 4_096];

/// Why a data folder cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// It is something else than a folder.
    NotAFolder(PathBuf),
    /// It cannot be made, read or written.
    Unusable(PathBuf, io::Error),
    /// It holds another program's files, such as this one.
    Foreign(PathBuf, String),
    /// A newer release wrote it.
    NewerFormat(PathBuf, u64),
    /// Another process has it; its id, where that could be read.
    Locked(PathBuf, Option<u32>),
    /// It is damaged, in this way.
    Damaged(PathBuf, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::NotAFolder(path) => {
                write!(f, "the data folder {} is not a folder", path.display())
            }
            OpenError::Unusable(path, error) => {
                write!(
                    f,
                    "the data folder {} cannot be used: {error}",
                    path.display()
                )
            }
            OpenError::Foreign(path, name) => write!(
                f,
                "the data folder {} is not one of AKVS: it holds {name:?}; name an empty or a new folder",
                path.display()
            ),
            OpenError::NewerFormat(path, found) => write!(
                f,
                "the data folder {} has format {found}, this release reads format {FORMAT}; use a newer release",
                path.display()
            ),
            OpenError::Locked(path, Some(pid)) => {
                write!(
                    f,
                    "the data folder {} is in use by process {pid}",
                    path.display()
                )
            }
            OpenError::Locked(path, None) => {
                write!(
                    f,
                    "the data folder {} is in use by another process",
                    path.display()
                )
            }
            OpenError::Damaged(path, how) => {
                write!(f, "the data folder {} is damaged: {how}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// A data folder that this process has for itself.
pub(super) struct Folder {
    path: PathBuf,
    watermark: Mutex<Watermark>,
    /// The lock is the operating system's and lasts as long as the file is open.
    _lock: File,
}

struct Watermark {
    file: File,
    revision: Revision,
    next_slot: usize,
}

impl Folder {
    /// Takes the folder, making it where it is missing.
    pub(super) fn open(path: &Path) -> Result<Folder, OpenError> {
        let unusable = |error| OpenError::Unusable(path.to_owned(), error);
        match fs::metadata(path) {
            Ok(metadata) if !metadata.is_dir() => {
                return Err(OpenError::NotAFolder(path.to_owned()));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(path)
                    .map_err(unusable)?;
            }
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                return Err(OpenError::NotAFolder(path.to_owned()));
            }
            Err(error) => return Err(unusable(error)),
        }
        let known = check_format(path)?;
        let lock = take_lock(path)?;
        if !known {
            // In this order: a folder that says it is ours has a watermark.
            create_watermark(&path.join(WATERMARK_FILE)).map_err(unusable)?;
            write_format(path).map_err(unusable)?;
        }
        let watermark = Mutex::new(Watermark::open(path)?);
        Ok(Folder {
            path: path.to_owned(),
            watermark,
            _lock: lock,
        })
    }

    /// Where the engine keeps its files.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join(STORE_FOLDER)
    }

    pub(super) fn watermark(&self) -> Revision {
        self.watermark
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .revision
    }

    /// Writes the watermark where it is higher than before, and syncs it.
    pub(super) fn raise_watermark(&self, revision: Revision) -> io::Result<()> {
        let mut watermark = self
            .watermark
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if revision <= watermark.revision {
            return Ok(());
        }
        watermark
            .file
            .write_all_at(&encode(revision), SLOT_OFFSETS[watermark.next_slot])?;
        watermark.file.sync_data()?;
        watermark.revision = revision;
        watermark.next_slot = 1 - watermark.next_slot;
        Ok(())
    }
}

/// Whether the folder says that it is ours; an empty one does not yet.
fn check_format(path: &Path) -> Result<bool, OpenError> {
    let unusable = |error| OpenError::Unusable(path.to_owned(), error);
    let mut text = String::new();
    match File::open(path.join(FORMAT_FILE)) {
        Ok(file) => file.take(64).read_to_string(&mut text).map_err(unusable)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            for entry in fs::read_dir(path).map_err(unusable)? {
                let name = entry.map_err(unusable)?.file_name();
                let name = name.to_string_lossy();
                if !NOT_FOREIGN.contains(&&*name) {
                    return Err(OpenError::Foreign(path.to_owned(), name.into_owned()));
                }
            }
            return Ok(false);
        }
        Err(error) => return Err(unusable(error)),
    };
    match text
        .strip_prefix("akvs ")
        .and_then(|number| number.trim_end().parse::<u64>().ok())
    {
        Some(FORMAT) => Ok(true),
        Some(newer) if newer > FORMAT => Err(OpenError::NewerFormat(path.to_owned(), newer)),
        _ => Err(OpenError::Damaged(
            path.to_owned(),
            format!("{FORMAT_FILE} does not say a format"),
        )),
    }
}

fn write_format(path: &Path) -> io::Result<()> {
    let new = path.join("akvs.format.new");
    let mut file = File::create(&new)?;
    writeln!(file, "akvs {FORMAT}")?;
    file.sync_all()?;
    fs::rename(&new, path.join(FORMAT_FILE))?;
    File::open(path)?.sync_all()
}

fn take_lock(path: &Path) -> Result<File, OpenError> {
    let unusable = |error| OpenError::Unusable(path.to_owned(), error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.join(LOCK_FILE))
        .map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {
            // One write of one length, so that a reader never sees half of it.
            file.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0)
                .map_err(unusable)?;
            Ok(file)
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

fn encode(revision: Revision) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(&revision.get().to_le_bytes());
    slot[8..].copy_from_slice(&crc32fast::hash(&revision.get().to_le_bytes()).to_le_bytes());
    slot
}

fn decode(slot: &[u8; SLOT_BYTES]) -> Option<Revision> {
    let revision = Revision::new(u64::from_le_bytes(slot[..8].try_into().ok()?));
    (encode(revision) == *slot).then_some(revision)
}

fn create_watermark(path: &Path) -> io::Result<()> {
    let file = File::create(path)?;
    for offset in SLOT_OFFSETS {
        file.write_all_at(&encode(Revision::ZERO), offset)?;
    }
    file.sync_all()
}

impl Watermark {
    fn open(folder: &Path) -> Result<Watermark, OpenError> {
        let damaged =
            |how: String| OpenError::Damaged(folder.to_owned(), format!("{WATERMARK_FILE} {how}"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(folder.join(WATERMARK_FILE))
            .map_err(|error| damaged(format!("cannot be read: {error}")))?;
        let slots = SLOT_OFFSETS.map(|offset| {
            let mut slot = [0; SLOT_BYTES];
            file.read_exact_at(&mut slot, offset)
                .ok()
                .and_then(|()| decode(&slot))
        });
        let newest = slots.iter().flatten().max().copied();
        let revision = newest.ok_or_else(|| damaged("has no valid slot".into()))?;
        // The other slot is overwritten next, so that this one survives a torn write.
        let next_slot = if slots[0] == newest { 1 } else { 0 };
        Ok(Watermark {
            file,
            revision,
            next_slot,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_survives_a_torn_write_of_its_newest_slot() {
        let folder = tempfile::tempdir().unwrap();
        let opened = Folder::open(folder.path()).unwrap();
        for revision in [5, 9, 7] {
            opened.raise_watermark(Revision::new(revision)).unwrap();
        }
        assert_eq!(opened.watermark(), Revision::new(9));
        drop(opened);
        let file = OpenOptions::new()
            .write(true)
            .open(folder.path().join(WATERMARK_FILE))
            .unwrap();
        let newest = SLOT_OFFSETS.into_iter().find(|offset| {
            let mut slot = [0; SLOT_BYTES];
            File::open(folder.path().join(WATERMARK_FILE))
                .unwrap()
                .read_exact_at(&mut slot, *offset)
                .unwrap();
            decode(&slot) == Some(Revision::new(9))
        });
        file.write_all_at(b"torn", newest.unwrap()).unwrap();
        assert_eq!(
            Folder::open(folder.path()).unwrap().watermark(),
            Revision::new(5)
        );
    }
}

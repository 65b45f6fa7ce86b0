//! The files of segments: how they are prepared, retired and used again.
//!
//! A segment has its final name only once its header and its space are on disk. Its space is written with zeros page by
//! page: later writes of single pages then allocate nothing, and a sync of them writes only those pages. A larger write
//! would make the system keep and write back larger units.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::format::{PAGE, segment_header};
use super::oldest;
use crate::engine::disk::store_id::StoreId;

/// The folder of the log in the store.
pub(in crate::engine::disk) const FOLDER: &str = "log";
const PREPARED: &str = "prepared";
const RETIRED: &str = "retired-";
const EXTENSION: &str = "log";
const DIGITS: usize = 16;
/// A longer segment is for one record, which is written at once: its space is only allocated.
const MAX_ZEROED_BYTES: u64 = 64 << 20;
/// The pages between two checks whether the thread must end.
const PAGES_PER_CHECK: u64 = 256;

/// A segment that can be written to.
#[derive(Debug)]
pub(in crate::engine::disk) struct Segment {
    pub(in crate::engine::disk) number: u64,
    pub(in crate::engine::disk) bytes: u64,
    pub(in crate::engine::disk) path: PathBuf,
    pub(super) file: File,
}

impl Segment {
    /// Returns a segment that is another file.
    #[cfg(test)]
    pub(in crate::engine::disk) fn over(file: File, number: u64, path: &Path) -> Segment {
        Segment {
            number,
            bytes: 1 << 20,
            path: path.to_owned(),
            file,
        }
    }

    /// Makes what was written durable.
    pub(in crate::engine::disk) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Creates a segment, from a retired file where there is one of the same length. `is_cancelled` ends it early, with the
/// error `Interrupted`.
pub(in crate::engine::disk) fn prepare(
    log: &Path,
    id: &StoreId,
    number: u64,
    bytes: u64,
    retired: Option<&Path>,
    is_cancelled: &dyn Fn() -> bool,
) -> io::Result<Segment> {
    let prepared = log.join(PREPARED);
    let made = make(&prepared, id, number, bytes, retired, is_cancelled);
    let (file, path) = match made {
        Ok(file) => (file, segment_path(log, number)),
        Err(error) => {
            // On a full disk its space is needed.
            let _ = fs::remove_file(&prepared);
            return Err(error);
        }
    };
    fs::rename(&prepared, &path)?;
    sync_folder(log)?;
    Ok(Segment {
        number,
        bytes,
        path,
        file,
    })
}

fn make(
    prepared: &Path,
    id: &StoreId,
    number: u64,
    bytes: u64,
    retired: Option<&Path>,
    is_cancelled: &dyn Fn() -> bool,
) -> io::Result<File> {
    let is_recycled = match retired {
        Some(retired) => {
            fs::rename(retired, prepared)?;
            true
        }
        None => false,
    };
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(!is_recycled);
    let file = options.truncate(!is_recycled).open(prepared)?;
    if !is_recycled {
        allocate(&file, bytes, is_cancelled)?;
    }
    file.write_all_at(&segment_header(id, number, bytes), 0)?;
    file.sync_all()?;
    Ok(file)
}

fn allocate(file: &File, bytes: u64, is_cancelled: &dyn Fn() -> bool) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, bytes).map_err(io::Error::from) {
        Ok(()) => {}
        // Then the zeros take the space.
        Err(error) if error.kind() == ErrorKind::Unsupported => file.set_len(bytes)?,
        Err(error) => return Err(error),
    }
    if bytes > MAX_ZEROED_BYTES {
        return Ok(());
    }
    let zeros = [0; PAGE];
    for page in 0..bytes / PAGE as u64 {
        if page.is_multiple_of(PAGES_PER_CHECK) && is_cancelled() {
            return Err(ErrorKind::Interrupted.into());
        }
        file.write_all_at(&zeros, page * PAGE as u64)?;
    }
    Ok(())
}

/// Removes a segment that is not needed, or keeps its file for a later one; returns the path of a kept file.
pub(in crate::engine::disk) fn retire(path: &Path, keep: bool) -> io::Result<Option<PathBuf>> {
    if !keep {
        fs::remove_file(path)?;
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let retired = path.with_file_name(format!("{RETIRED}{name}"));
    fs::rename(path, &retired)?;
    Ok(Some(retired))
}

/// Removes files in preparation and retired ones.
pub(super) fn clean(log: &Path) -> io::Result<()> {
    for entry in fs::read_dir(log)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_leftover(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Returns whether a file of this name holds nothing that a start reads.
pub(super) fn is_leftover(name: &str) -> bool {
    name == PREPARED || name == oldest::NEW_FILE || name.starts_with(RETIRED)
}

/// Returns the segments in a folder by their numbers.
pub(super) fn list(log: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(log)? {
        let path = entry?.path();
        if let Some(number) = path.file_name().and_then(|name| parse_name(name.to_str()?)) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Returns the path of a segment.
pub(in crate::engine::disk) fn segment_path(log: &Path, number: u64) -> PathBuf {
    log.join(name(number))
}

fn name(number: u64) -> String {
    format!("{number:0DIGITS$}.{EXTENSION}")
}

/// Returns the number of the segment with this name.
pub(super) fn parse_name(name: &str) -> Option<u64> {
    let number = name.strip_suffix(EXTENSION)?.strip_suffix('.')?;
    let is_number = number.len() >= DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|_| is_number)
}

/// Makes the names in a folder durable.
pub(in crate::engine::disk) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::format::header_fault;
    use super::*;

    const ID: StoreId = [1; 16];

    #[test]
    fn a_segment_gets_its_name_once_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path();
        let made = prepare(log, &ID, 1, 1 << 20, None, &|| false).unwrap();
        let bytes = fs::read(&made.path).unwrap();
        assert_eq!(header_fault(&bytes, &ID, 1), None);
        assert!(bytes[PAGE..].iter().all(|byte| *byte == 0));
        let error = prepare(log, &ID, 2, 8 << 20, None, &|| true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
        assert_eq!(list(log).unwrap(), [(1, made.path)]);
        assert_eq!(fs::read_dir(log).unwrap().count(), 1, "nothing is left");
    }

    #[test]
    fn a_retired_file_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path();
        let first = prepare(log, &ID, 1, 1 << 20, None, &|| false).unwrap();
        first.file.write_all_at(b"old", 5_000).unwrap();
        let retired = retire(&first.path, true).unwrap().unwrap();
        assert_eq!(list(log).unwrap(), []);
        let second = prepare(log, &ID, 9, 1 << 20, Some(&retired), &|| false).unwrap();
        let bytes = fs::read(&second.path).unwrap();
        assert_eq!(header_fault(&bytes, &ID, 9), None);
        assert_eq!(&bytes[5_000..5_003], b"old");
        retire(&second.path, true).unwrap();
        fs::write(log.join(PREPARED), "").unwrap();
        fs::write(log.join("other"), "").unwrap();
        clean(log).unwrap();
        let left: Vec<_> = fs::read_dir(log).unwrap().flatten().collect();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].file_name(), "other");
    }

    #[test]
    fn only_names_of_segments_are_numbers() {
        assert_eq!(parse_name(&name(7)), Some(7));
        assert_eq!(parse_name(&name(u64::MAX)), Some(u64::MAX));
        for other in [
            "7.log",
            "0000000000000007",
            "+000000000000007.log",
            "000000000000000x.log",
            "oldest",
            ".log",
            "99999999999999999999999.log",
        ] {
            assert_eq!(parse_name(other), None, "{other}");
        }
    }
}

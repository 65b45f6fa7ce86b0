//! The check that all files of the engine exist, before it opens them: it creates missing files and removes unknown
//! ones, so that one lost file could remove a whole table.
//!
//! It reads each table's list of files, which the engine does not verify, but none of the listed files: the engine
//! refuses to open without them, and verifies their blocks when it reads them.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

use super::super::Table;
use super::log;

/// `current`: the number of the current list u64, its checksum u128, the checksum's kind u8.
const CURRENT_BYTES: usize = 25;

/// Returns the folder of a table.
pub(super) fn table(store: &Path, table: Table) -> PathBuf {
    store.join(table.name())
}

/// Returns the first file or folder that is missing or damaged, if any.
pub(super) fn first_fault(store: &Path) -> io::Result<Option<String>> {
    if !store.join(log::FOLDER).is_dir() {
        return Ok(Some(format!("the folder {} is missing", log::FOLDER)));
    }
    for table in Table::ALL {
        let folder = self::table(store, table);
        if let Some(how) = table_fault(&folder, table == Table::Data)? {
            return Ok(Some(format!("the table {} {how}", table.name())));
        }
    }
    Ok(None)
}

fn table_fault(folder: &Path, separated: bool) -> io::Result<Option<String>> {
    for name in ["tables", "blobs"] {
        if !folder.join(name).is_dir() && (name == "tables" || separated) {
            return Ok(Some(format!("has no folder {name}")));
        }
    }
    Ok(list(folder)?.err())
}

/// Returns the current list of a table's files after verifying its checksum, or what is wrong with it.
pub(super) fn list(folder: &Path) -> io::Result<std::result::Result<FileList, String>> {
    let fault = |how: String| Ok(Err(how));
    let Some(current) = read(&folder.join("current"))? else {
        return fault("has no file current".into());
    };
    let Ok(current) = <[u8; CURRENT_BYTES]>::try_from(current) else {
        return fault("has a damaged file current".into());
    };
    let (number, checksum) = current.split_at(8);
    let number = number
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let Some(list) = read(&folder.join(format!("v{number}")))? else {
        return fault(format!("has no file v{number}"));
    };
    if checksum != [&xxh3_128(&list).to_le_bytes()[..], &[0]].concat() {
        return fault(format!("has a damaged file v{number}"));
    }
    Ok(Ok(FileList {
        number,
        bytes: list,
    }))
}

/// The current list of a table's files.
pub(super) struct FileList {
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

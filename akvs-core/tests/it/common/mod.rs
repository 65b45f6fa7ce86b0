//! Helpers of the store's tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use akvs_core::engine::{Engine, KeyRange, PageLimit, Table};
use akvs_core::{
    Database, DiskEngine, DiskOptions, Key, MemoryEngine, Namespace, Options, Store, Timestamp,
};
use bytes::Bytes;

pub(crate) fn memory() -> Database {
    Database::open(Arc::new(MemoryEngine::new()), Options::default()).expect("a database")
}

pub(crate) fn disk(folder: &Path) -> Database {
    Database::open(disk_engine(folder), Options::default()).expect("a database")
}

pub(crate) fn disk_engine(folder: &Path) -> Arc<dyn Engine> {
    Arc::new(DiskEngine::open(&DiskOptions::new(folder)).expect("an engine"))
}

pub(crate) fn store(database: &Database) -> Store {
    store_named(database, "test")
}

pub(crate) fn store_named(database: &Database, name: &str) -> Store {
    Store::new(database, Namespace::new(name).expect("a name")).expect("a store")
}

pub(crate) fn key(text: impl AsRef<[u8]>) -> Key {
    Key::new(text.as_ref().to_vec()).expect("a key")
}

/// The time of day of restores, in ms.
pub(crate) const NOW: u64 = 1_800_000_000_000;

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// Reclaims the space of removed rows.
pub(crate) fn reclaim(database: &Database) {
    while !database.reclaim().expect("a compaction") {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// An engine that can be opened repeatedly over the same rows.
pub(crate) enum TestDb {
    Memory(Arc<MemoryEngine>),
    Disk(tempfile::TempDir),
}

impl TestDb {
    /// Returns an empty database of each kind.
    pub(crate) fn each() -> [TestDb; 2] {
        [TestDb::memory(), TestDb::disk()]
    }

    pub(crate) fn memory() -> TestDb {
        TestDb::Memory(Arc::new(MemoryEngine::new()))
    }

    pub(crate) fn disk() -> TestDb {
        TestDb::Disk(tempfile::tempdir().expect("a folder"))
    }

    /// Opens the engine; an earlier one must not be in use.
    pub(crate) fn engine(&self) -> Arc<dyn Engine> {
        match self {
            TestDb::Memory(engine) => Arc::clone(engine) as Arc<dyn Engine>,
            TestDb::Disk(folder) => disk_engine(folder.path()),
        }
    }

    pub(crate) fn open(&self, options: Options) -> Database {
        Database::open(self.engine(), options).expect("a database")
    }
}

/// Returns all rows of a table.
pub(crate) fn rows(engine: &dyn Engine, table: Table) -> Vec<(Bytes, Bytes)> {
    let all = KeyRange {
        start: Bytes::new(),
        end: None,
    };
    let limit = PageLimit {
        rows: usize::MAX,
        bytes: usize::MAX,
    };
    engine.page(table, &all, limit).expect("the rows")
}

/// Returns the number of changes in a row of the history: the key of a block names it.
pub(crate) fn change_count((key, value): &(Bytes, Bytes)) -> usize {
    match value[0] {
        8 => usize::from(u16::from_be_bytes(key[16..].try_into().expect("a number"))),
        _ => 1,
    }
}

/// Returns every file below a folder with its content; folders have none.
pub(crate) fn listing(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                found.insert(path.clone(), None);
                folders.push(path);
            } else if let Ok(bytes) = fs::read(&path) {
                // An open engine may delete one meanwhile.
                found.insert(path, Some(bytes));
            }
        }
    }
    found
}

/// Returns the segments of a store's log, the oldest first.
pub(crate) fn log_segments(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("store/log")).expect("a folder");
    let paths = files.map(|file| file.expect("an entry").path());
    let mut segments: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .collect();
    segments.sort();
    segments
}

/// Returns where the records of a segment begin and end: after the header, each is as long as it says.
pub(crate) fn records(segment: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut start = 4_096;
    while let Some(header) = segment.get(start..start + 48) {
        if header[24..32] == [0; 8] {
            break;
        }
        let payload = u32::from_le_bytes(header[16..20].try_into().expect("a length"));
        let end = start + (48 + payload as usize).next_multiple_of(8);
        found.push(start..end);
        start = end;
    }
    found
}

/// Returns the newest segment that has records, with its content.
pub(crate) fn newest_segment(folder: &Path) -> (PathBuf, Vec<u8>) {
    let segments = log_segments(folder).into_iter().rev();
    let mut read = segments.map(|path| {
        let bytes = fs::read(&path).expect("a segment");
        (path, bytes)
    });
    let newest = read.find(|(_, bytes)| !records(bytes).is_empty());
    newest.expect("a segment with records")
}

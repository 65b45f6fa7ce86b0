//! The durable engine: fjall, a log-structured merge tree with one journal for all tables.
//!
//! This is the only file that knows fjall. A synced commit is in the journal, and the journal on disk
//! (`fdatasync`), before any reader can see it. fjall takes a torn tail of its journal for the journal's end, and
//! so may it damage in the middle: therefore the watermark beside it (`folder`) says how far it must at least reach.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use bytes::Bytes;
use fjall::{Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode, Readable};

use super::folder::Folder;
pub use super::folder::OpenError;
use super::{Batch, Capabilities, Durability, Engine, Limit, Span, Table};
use crate::{Code, Error, Result, Revision};

/// Larger values lie in files of their own, so that compaction does not copy them again and again.
const SEPARATED_BYTES: u32 = 4 << 10;
/// Small, so that a start after a crash has little to replay and memory stays low.
const MEMTABLE_BYTES: u64 = 16 << 20;
const JOURNAL_BYTES: u64 = 128 << 20;

/// Where the durable engine keeps its data, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskOptions {
    /// The data folder; made where it is missing.
    pub folder: PathBuf,
    /// The most memory for blocks read from disk, in bytes. Entries have a cache of their own.
    pub block_cache_bytes: u64,
}

impl DiskOptions {
    /// The defaults, in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> DiskOptions {
        DiskOptions {
            folder: folder.into(),
            block_cache_bytes: 32 << 20,
        }
    }
}

/// The engine that keeps its rows in a folder.
pub struct DiskEngine {
    // Dropped in this order: the folder is free for others once the files are closed.
    keyspaces: [Keyspace; Table::ALL.len()],
    database: fjall::Database,
    folder: Folder,
}

impl DiskEngine {
    /// Opens the folder, and begins a database in it where it is empty.
    ///
    /// A folder that is another program's, newer than this release, or in use is refused and left as it was.
    ///
    /// ```
    /// use akvs_core::{DiskEngine, DiskOptions, OpenError};
    /// # let temporary = tempfile::tempdir()?;
    /// # let path = temporary.path();
    /// let engine = DiskEngine::open(&DiskOptions::new(path))?;
    /// assert!(matches!(DiskEngine::open(&DiskOptions::new(path)), Err(OpenError::Locked(..))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(options: &DiskOptions) -> std::result::Result<DiskEngine, OpenError> {
        let folder = Folder::open(&options.folder)?;
        // fjall's recovery asserts what a damaged file may not hold.
        let opened = catch_unwind(AssertUnwindSafe(|| open_store(&folder, options)));
        let (database, keyspaces) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(open_error(options, error)),
            Err(_) => {
                return Err(OpenError::Damaged(
                    options.folder.clone(),
                    "the store does not recover".into(),
                ));
            }
        };
        Ok(DiskEngine {
            keyspaces,
            database,
            folder,
        })
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table as usize]
    }
}

fn open_store(
    folder: &Folder,
    options: &DiskOptions,
) -> fjall::Result<(fjall::Database, [Keyspace; 5])> {
    let database = fjall::Database::builder(folder.store())
        .cache_size(options.block_cache_bytes)
        .max_journaling_size(JOURNAL_BYTES)
        .manual_journal_persist(true)
        .open()?;
    let open = |table: Table| {
        database.keyspace(table.name(), || {
            let options = KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
            match table {
                Table::Data => options.with_kv_separation(Some(
                    KvSeparationOptions::default().separation_threshold(SEPARATED_BYTES),
                )),
                Table::Catalogue | Table::History | Table::Deadlines | Table::Meta => options,
            }
        })
    };
    let [first, second, third, fourth, fifth] = Table::ALL;
    let keyspaces = [
        open(first)?,
        open(second)?,
        open(third)?,
        open(fourth)?,
        open(fifth)?,
    ];
    Ok((database, keyspaces))
}

fn open_error(options: &DiskOptions, error: fjall::Error) -> OpenError {
    let folder = options.folder.clone();
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error))
            if error.kind() != std::io::ErrorKind::UnexpectedEof
                && error.kind() != std::io::ErrorKind::InvalidData
                && error.kind() != std::io::ErrorKind::NotFound =>
        {
            OpenError::Unusable(folder, error)
        }
        fjall::Error::Locked => OpenError::Locked(folder, None),
        error => OpenError::Damaged(folder, error.to_string()),
    }
}

/// The one translation of fjall's errors.
fn translate(error: fjall::Error) -> Error {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let (code, message) = match &error {
        fjall::Error::Io(io) | fjall::Error::Storage(fjall::LsmError::Io(io))
            if matches!(io.kind(), StorageFull | QuotaExceeded) =>
        {
            (Code::StorageFull, "the disk is full")
        }
        fjall::Error::Io(_)
        | fjall::Error::Storage(fjall::LsmError::Io(_))
        | fjall::Error::Poisoned => (Code::Storage, "the storage failed"),
        // Whatever else it says is that it read what it had not written.
        _ => (Code::Corrupted, "the stored data is damaged"),
    };
    Error::new(code, message).because(error)
}

impl Engine for DiskEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self
            .keyspace(table)
            .get(key)
            .map_err(translate)?
            .map(Bytes::from))
    }

    fn page(&self, table: Table, span: &Span, limit: Limit) -> Result<Vec<(Bytes, Bytes)>> {
        let snapshot = self.database.snapshot();
        let keyspace = self.keyspace(table);
        let rows = match &span.end {
            Some(end) => snapshot.range(keyspace, span.start.clone()..end.clone()),
            None => snapshot.range(keyspace, span.start.clone()..),
        };
        limit.take(rows.map(|row| {
            let (key, value) = row.into_inner().map_err(translate)?;
            Ok((key.into(), value.into()))
        }))
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        let mode = match durability {
            Durability::Synced => PersistMode::SyncData,
            Durability::Buffered => PersistMode::Buffer,
        };
        let mut rows = fjall::OwnedWriteBatch::with_capacity(self.database.clone(), batch.len())
            .durability(Some(mode));
        for row in batch.into_rows() {
            let keyspace = self.keyspace(row.table);
            match row.value {
                Some(value) => rows.insert(keyspace, row.key, value),
                None => rows.remove(keyspace, row.key),
            }
        }
        rows.commit().map_err(translate)
    }

    fn sync(&self) -> Result<()> {
        self.database
            .persist(PersistMode::SyncData)
            .map_err(translate)
    }

    fn watermark(&self) -> Result<Revision> {
        Ok(self.folder.watermark())
    }

    fn raise_watermark(&self, revision: Revision) -> Result<()> {
        self.folder
            .raise_watermark(revision)
            .map_err(|error| translate(error.into()))
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }
}

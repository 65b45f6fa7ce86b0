//! Writes a backup from one snapshot, in bounded chunks.
//!
//! It owns the snapshot and the position in it. The caller decides where the chunks are stored.

use std::io;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use zstd::bulk::Compressor;

use super::format::{self, BackupHeader, Trailer};
use crate::encoding;
use crate::engine::{KeyRange, PageLimit, Snapshot, Table, successor};
use crate::{Code, Database, Error, Progress, Result, Revision, Timestamp};

/// The minimum bytes of a chunk, except the last. A chunk has at most one block more.
const CHUNK_BYTES: usize = 64 << 10;
const PAGE: PageLimit = PageLimit {
    rows: 4_096,
    bytes: 256 << 10,
};
/// Fast enough to keep up with the engine; compresses the repeated heads of rows.
const LEVEL: i32 = 1;

/// A backup in progress: an iterator over the chunks of the file. A reader of the file detects missing chunks and those
/// after an error.
///
/// ```
/// use akvs_core::{Database, Key, MemoryEngine, Namespace, Options, Store, Timestamp, verify_backup};
/// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
/// let store = Store::new(&database, Namespace::new("ns")?)?;
/// store.set(&Key::new("k")?, "value", Timestamp::from_millis(1))?;
///
/// let backup = database.backup(Timestamp::from_millis(2), "1.2.3")?;
/// let file = backup.collect::<Result<Vec<_>, _>>()?.concat();
/// let summary = verify_backup(&file[..], &mut |_| ())?;
/// assert_eq!((summary.namespaces, summary.keys, &*summary.version), (1, 1, "1.2.3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Backup {
    // Dropped in this order: a snapshot needs its engine.
    snapshot: Box<dyn Snapshot>,
    _database: Database,
    revision: Revision,
    rows: Rows,
    /// The rest of the value of the current row.
    rest: Bytes,
    /// Rows that are in no block yet.
    block: Vec<u8>,
    compressor: Compressor<'static>,
    /// Bytes that are in no chunk yet.
    chunk: Vec<u8>,
    sha256: Sha256,
    trailer: Trailer,
    progress: Progress,
    is_finished: bool,
}

/// The position in the tables.
struct Rows {
    tables: std::slice::Iter<'static, Table>,
    table: Table,
    page: std::vec::IntoIter<(Bytes, Bytes)>,
    /// The range after the page; none at the end of the table.
    next: Option<KeyRange>,
}

impl Database {
    /// Starts a backup of all data as it is now. Writers continue meanwhile; replaced data keeps its space until the
    /// backup is dropped. The time and the version of the program are stored in the file for its readers.
    ///
    /// ```
    /// use akvs_core::{Database, MemoryEngine, Options, Timestamp};
    /// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
    /// let backup = database.backup(Timestamp::from_millis(0), "1.2.3")?;
    /// assert_eq!(backup.revision(), database.revision());
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn backup(&self, created: Timestamp, version: &str) -> Result<Backup> {
        // An estimate, which need not be of the same revision as the snapshot.
        let stats = self.storage_stats(0)?;
        let expected_rows = stats.counts.keys + stats.counts.history + 2 * stats.namespaces;
        let snapshot = self.engine().snapshot()?;
        let number = |key| -> Result<Option<u64>> {
            let value = snapshot.get(Table::Meta, key)?;
            value
                .map(|value| encoding::parse_number(&value))
                .transpose()
        };
        let header = BackupHeader {
            rows_format: number(encoding::META_FORMAT)?.unwrap_or(encoding::FORMAT),
            created,
            revision: Revision::new(number(encoding::META_REVISION)?.unwrap_or_default()),
            expected_rows,
            version: version.to_owned(),
        };
        let chunk = header.encode();
        Ok(Backup {
            snapshot,
            _database: self.clone(),
            revision: header.revision,
            rows: Rows::new(),
            rest: Bytes::new(),
            block: Vec::with_capacity(format::BLOCK_BYTES),
            compressor: Compressor::new(LEVEL).map_err(compression_error)?,
            sha256: Sha256::new_with_prefix(&chunk),
            chunk,
            trailer: Trailer::default(),
            progress: Progress {
                expected_rows,
                ..Progress::default()
            },
            is_finished: false,
        })
    }
}

impl Backup {
    /// Returns the newest revision in the backup.
    ///
    /// ```
    /// # use akvs_core::{Database, MemoryEngine, Options, Revision, Timestamp};
    /// # let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
    /// let backup = database.backup(Timestamp::from_millis(0), "1.2.3")?;
    /// assert_eq!(backup.revision(), Revision::ZERO);
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the progress: rows, and bytes before compression. The total of rows is an estimate.
    ///
    /// ```
    /// # use akvs_core::{Database, MemoryEngine, Options, Timestamp};
    /// # let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
    /// let backup = database.backup(Timestamp::from_millis(0), "1.2.3")?;
    /// assert_eq!(backup.progress().rows, 0);
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn progress(&self) -> Progress {
        self.progress
    }

    fn next_chunk(&mut self) -> Result<Bytes> {
        while self.chunk.len() < CHUNK_BYTES && !self.is_finished {
            self.fill_block()?;
            if self.block.is_empty() {
                self.finish();
            } else {
                self.end_block()?;
            }
        }
        Ok(Bytes::from(std::mem::take(&mut self.chunk)))
    }

    /// Adds rows, or parts of them, until the block is full or there are no more.
    fn fill_block(&mut self) -> Result<()> {
        while self.block.len() < format::BLOCK_BYTES {
            if !self.rest.is_empty() {
                let length = self.rest.len().min(format::BLOCK_BYTES - self.block.len());
                self.block.extend_from_slice(&self.rest.split_to(length));
                continue;
            }
            let Some((table, key, value)) = self.rows.next(&*self.snapshot)? else {
                break;
            };
            format::put_row_head(&mut self.block, table, &key, value.len());
            self.trailer.rows[table as usize] += 1;
            self.progress.rows += 1;
            self.rest = value;
        }
        Ok(())
    }

    fn end_block(&mut self) -> Result<()> {
        let start = self.chunk.len();
        let packed = self.compressor.compress(&self.block);
        let packed = packed.map_err(compression_error)?;
        format::put_block(&mut self.chunk, format::ROWS, &packed, self.block.len());
        self.sha256.update(&self.chunk[start..]);
        self.trailer.bytes += self.block.len() as u64;
        self.progress.bytes = self.trailer.bytes;
        self.block.clear();
        Ok(())
    }

    fn finish(&mut self) {
        self.trailer.sha256 = self.sha256.clone().finalize().into();
        let payload = self.trailer.encode();
        format::put_block(&mut self.chunk, format::END, &payload, payload.len());
        self.is_finished = true;
    }
}

impl Iterator for Backup {
    type Item = Result<Bytes>;

    /// Returns the next chunk of the file, of 64 to about 300 KiB except for the last one. An error ends the iteration.
    fn next(&mut self) -> Option<Result<Bytes>> {
        if self.is_finished {
            return None;
        }
        let chunk = self.next_chunk();
        self.is_finished |= chunk.is_err();
        Some(chunk)
    }
}

impl Rows {
    fn new() -> Rows {
        let mut tables = Table::ALL.iter();
        Rows {
            table: *tables.next().unwrap_or(&Table::Meta),
            tables,
            page: Vec::new().into_iter(),
            next: Some(all()),
        }
    }

    fn next(&mut self, snapshot: &dyn Snapshot) -> Result<Option<(Table, Bytes, Bytes)>> {
        loop {
            if let Some((key, value)) = self.page.next() {
                return Ok(Some((self.table, key, value)));
            }
            let Some(range) = &mut self.next else {
                let Some(table) = self.tables.next() else {
                    return Ok(None);
                };
                (self.table, self.next) = (*table, Some(all()));
                continue;
            };
            let page = snapshot.page(self.table, range, PAGE)?;
            match page.last() {
                Some((last, _)) => range.start = successor(last),
                None => self.next = None,
            }
            self.page = page.into_iter();
        }
    }
}

fn all() -> KeyRange {
    KeyRange {
        start: Bytes::new(),
        end: None,
    }
}

fn compression_error(error: io::Error) -> Error {
    Error::new(Code::Storage, "the backup could not be compressed").because(error)
}

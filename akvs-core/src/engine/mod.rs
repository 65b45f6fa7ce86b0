//! The interface to storage: ordered rows in a few tables, read one by one or in bounded pages, written in atomic
//! batches.
//!
//! An engine knows nothing of namespaces, entries or revisions; `encoding` defines how they become rows. A new engine
//! implements [`Engine`] and passes the conformance cases; no other file changes.

pub(crate) mod cache;
#[cfg(feature = "disk")]
pub mod disk;
pub(crate) mod finding;
pub mod memory;
pub(crate) mod report;

use bytes::Bytes;

use self::report::Report;
use crate::{Result, Revision};

/// The tables of a database. `encoding` describes their rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Name → namespace; and the ids of dropped namespaces that are not swept yet.
    Catalogue,
    /// Namespace, key → entry.
    Data,
    /// Namespace, revision → change.
    History,
    /// Deadline, namespace, key → revision.
    Deadlines,
    /// Format, highest revision, highest namespace id, counts.
    Meta,
}

impl Table {
    /// All tables.
    pub const ALL: [Table; 5] = [
        Table::Catalogue,
        Table::Data,
        Table::History,
        Table::Deadlines,
        Table::Meta,
    ];

    /// Returns the table's name on disk.
    pub fn name(self) -> &'static str {
        match self {
            Table::Catalogue => "catalogue",
            Table::Data => "data",
            Table::History => "history",
            Table::Deadlines => "deadlines",
            Table::Meta => "meta",
        }
    }
}

/// Rows to write atomically. A batch must not contain a row twice. A key has 1 to 65,535 bytes and must not be a single
/// zero byte, which is reserved for engines.
#[derive(Debug, Default)]
pub struct Batch {
    rows: Vec<Row>,
    bytes: u64,
}

/// A row to write.
#[derive(Debug)]
pub struct Row {
    /// The table.
    pub table: Table,
    /// The key.
    pub key: Bytes,
    /// The value; none removes the row.
    pub value: Option<Bytes>,
    /// The parts of the value, in order, where some of them are values of other rows; else empty.
    pub parts: Vec<Part>,
}

/// A part of a value that an engine with a log may write as a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// This many bytes of the value.
    Bytes(usize),
    /// Bytes that are the value of an earlier row of the batch, by its index.
    Row(usize),
}

impl Batch {
    /// Adds a row to write.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.put_parts(table, key, value, Vec::new());
    }

    /// Adds a row to write. `parts` describes its value, so that an engine need not write twice what other rows of the
    /// batch contain: the lengths of its parts in order, or an earlier row whose value is the part.
    pub fn put_parts(
        &mut self,
        table: Table,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        parts: Vec<Part>,
    ) {
        let (key, value) = (key.into(), value.into());
        self.bytes += (key.len() + value.len()) as u64;
        self.rows.push(Row {
            table,
            key,
            value: Some(value),
            parts,
        });
    }

    /// Adds a row to remove, if it exists.
    pub fn remove(&mut self, table: Table, key: impl Into<Bytes>) {
        let key = key.into();
        self.bytes += key.len() as u64;
        self.rows.push(Row {
            table,
            key,
            value: None,
            parts: Vec::new(),
        });
    }

    /// Returns the bytes of all keys and values.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether the batch has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns whether the batch contains a row more than once.
    pub(crate) fn repeats_a_row(&self) -> bool {
        let mut seen = std::collections::HashSet::new();
        !self
            .rows
            .iter()
            .all(|row| seen.insert((row.table, &row.key)))
    }

    /// Returns the rows in the order in which they were added.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Returns the rows in the order in which they were added.
    pub fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

/// The durability that a commit must reach before it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The commit is on disk: it survives a crash of the process and a power loss.
    Synced,
    /// The operating system has the commit: it survives a crash of the process, but a power loss only after the next
    /// [`Engine::sync`].
    Buffered,
}

/// A range of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key of the range.
    pub start: Bytes,
    /// The key after the range; none for the table's end.
    pub end: Option<Bytes>,
}

impl KeyRange {
    /// Returns the range of all keys with this prefix.
    ///
    /// ```
    /// use akvs_core::engine::KeyRange;
    /// let range = KeyRange::prefix(b"ab".to_vec());
    /// assert_eq!(range.end.unwrap(), "ac");
    /// assert_eq!(KeyRange::prefix(vec![0xff]).end, None);
    /// ```
    pub fn prefix(prefix: impl Into<Bytes>) -> KeyRange {
        let start = prefix.into();
        let end = start.iter().rposition(|byte| *byte != 0xff).map(|last| {
            let mut end = start[..=last].to_vec();
            end[last] += 1;
            end.into()
        });
        KeyRange { start, end }
    }
}

impl KeyRange {
    /// Returns whether the range contains this key.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        key >= &self.start[..] && self.end.as_ref().is_none_or(|end| key < &end[..])
    }
}

/// Returns the smallest key that is greater than this one.
pub(crate) fn successor(key: &[u8]) -> Bytes {
    [key, &[0]].concat().into()
}

/// The maximum size of a page. A page has at least one row if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// The maximum number of rows.
    pub rows: usize,
    /// The bytes of keys and values after which no further row is read.
    pub bytes: usize,
}

impl PageLimit {
    /// Returns a limit of this many rows, and of the bytes of a few large values.
    pub fn rows(rows: usize) -> PageLimit {
        PageLimit {
            rows,
            bytes: 16 << 20,
        }
    }

    /// Takes rows up to the limit.
    pub(crate) fn take(
        self,
        rows: impl Iterator<Item = Result<(Bytes, Bytes)>>,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let mut page = Vec::new();
        let mut bytes = 0;
        for row in rows.take(self.rows.max(1)) {
            let (key, value) = row?;
            bytes += key.len() + value.len();
            page.push((key, value));
            if bytes >= self.bytes {
                break;
            }
        }
        Ok(page)
    }
}

/// The guarantees of an engine beyond the trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether committed data survives the process.
    pub durable: bool,
}

/// The rows as they were at one moment, as long as this exists.
///
/// ```
/// use akvs_core::MemoryEngine;
/// use akvs_core::engine::{Batch, Durability, Engine, Table};
/// let engine = MemoryEngine::new();
/// let before = engine.snapshot()?;
/// let mut batch = Batch::default();
/// batch.put(Table::Data, &b"row"[..], &b"value"[..]);
/// engine.commit(batch, Durability::Synced)?;
/// assert!(before.get(Table::Data, b"row")?.is_none());
/// # Ok::<(), akvs_core::Error>(())
/// ```
pub trait Snapshot: Send + Sync {
    /// Returns the value of a row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>>;

    /// Returns the first rows of a range, in order.
    fn page(&self, table: Table, range: &KeyRange, limit: PageLimit)
    -> Result<Vec<(Bytes, Bytes)>>;

    /// Returns the last rows of a range, the last one first.
    fn page_back(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>>;
}

/// An ordered, transactional store of rows.
///
/// Keys are ordered by their unsigned bytes. When `commit` returns, a batch has its [`Durability`]; no reader sees it
/// before that. A failed commit may have been applied or not, and the engine refuses every later one.
/// [`admit`](Engine::admit) refuses batches that are certainly not applied.
pub trait Engine: Send + Sync + 'static {
    /// Returns the value of a row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>>;

    /// Returns the first rows of a range, in order, as they are at one moment.
    fn page(&self, table: Table, range: &KeyRange, limit: PageLimit)
    -> Result<Vec<(Bytes, Bytes)>>;

    /// Returns the rows as they are now. A snapshot is cheap to create; replaced data keeps its space as long as it
    /// exists.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>>;

    /// Fails with `storage_full` where there is too little disk space to add data. Deletes and drops are accepted
    /// nevertheless.
    fn check_growth(&self) -> Result<()> {
        Ok(())
    }

    /// Refuses a batch that cannot be written now: it is not applied, and a later batch may be admitted. Waits for a
    /// bounded time until there is room. Must be called before each `commit`.
    ///
    /// `overloaded` where earlier commits are not written to files yet, `storage_full` where the disk is full.
    fn admit(&self, _: &Batch) -> Result<()> {
        Ok(())
    }

    /// Writes a batch atomically.
    fn commit(&self, batch: Batch, durability: Durability) -> Result<()>;

    /// Makes all earlier commits durable.
    fn sync(&self) -> Result<()>;

    /// Returns the failure of background work that would make the next commit fail, if any.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Discards any rows of a range that will not be read again, where that is faster than removing them one by one.
    /// The commit that made them obsolete must be synced. Returns false while it is in progress; call it again then.
    fn discard(&self, _: Table, _: &KeyRange) -> Result<bool> {
        Ok(true)
    }

    /// Reclaims the space of removed rows in the background. Returns false while it is in progress; call it again then.
    fn reclaim(&self) -> Result<bool> {
        Ok(true)
    }

    /// Returns the highest revision that was recorded as synced; the rows must not end before it.
    fn watermark(&self) -> Result<Revision>;

    /// Records that everything up to this revision is synced.
    fn raise_watermark(&self, revision: Revision) -> Result<()>;

    /// Ensures that [`reserved`](Engine::reserved) is at least this revision after a power loss. Must be called before
    /// a buffered commit assigns it.
    fn reserve(&self, _: Revision) -> Result<()> {
        Ok(())
    }

    /// Returns a revision up to which all may have been assigned by commits that were lost.
    fn reserved(&self) -> Result<Revision> {
        Ok(Revision::ZERO)
    }

    /// Records, as the last call, that everything up to this revision is synced and no later one was assigned.
    fn finish(&self, revision: Revision) -> Result<()> {
        self.raise_watermark(revision)
    }

    /// Returns whether it was opened although commits were lost, as its options allowed: the rows may not belong
    /// together, and assigned numbers may be in no row.
    fn lost_commits(&self) -> bool {
        false
    }

    /// Reads and checks all files while others write, and reports what is wrong with them.
    fn check_files(&self, _: &mut Report<'_>) -> Result<()> {
        Ok(())
    }

    /// Returns the approximate size of the stored data, in bytes; it shows whether reads may wait for a disk.
    fn stored_bytes(&self) -> Result<u64>;

    /// Returns the guarantees beyond this trait.
    fn capabilities(&self) -> Capabilities;
}

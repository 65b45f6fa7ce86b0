//! The seam to storage: ordered rows in a few tables, read one by one or in bounded pages, written in atomic batches.
//!
//! An engine knows nothing of namespaces, entries or revisions; `encoding` says how those become rows. A new engine
//! implements [`Engine`] and passes the conformance cases, and no other file changes.

pub(crate) mod cache;
#[cfg(feature = "disk")]
pub mod disk;
pub(crate) mod finding;
pub mod memory;
pub(crate) mod report;

use bytes::Bytes;

use self::report::Report;
use crate::{Result, Revision};

/// The tables of a database. Their rows are described in `rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Name → namespace; and the identities of dropped namespaces that are still to be swept.
    Catalogue,
    /// Namespace, key → entry.
    Data,
    /// Namespace, revision → what changed.
    History,
    /// Deadline, namespace, key → revision.
    Deadlines,
    /// Format, highest revision, highest namespace identity, counts.
    Meta,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 5] = [
        Table::Catalogue,
        Table::Data,
        Table::History,
        Table::Deadlines,
        Table::Meta,
    ];

    /// The table's name on disk.
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

/// Rows to write together: all of them or, after a crash, none. A row stands in a batch once. A key has 1 to 65,535
/// bytes, and more than a single zero byte, which engines keep for themselves.
#[derive(Debug, Default)]
pub struct Batch {
    rows: Vec<Row>,
    bytes: u64,
}

/// A row to write.
#[derive(Debug)]
pub struct Row {
    /// Where it goes.
    pub table: Table,
    /// Its key.
    pub key: Bytes,
    /// Its value; none removes it.
    pub value: Option<Bytes>,
}

impl Batch {
    /// Writes a row.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        self.bytes += (key.len() + value.len()) as u64;
        self.rows.push(Row {
            table,
            key,
            value: Some(value),
        });
    }

    /// Removes a row, if it is there.
    pub fn remove(&mut self, table: Table, key: impl Into<Bytes>) {
        let key = key.into();
        self.bytes += key.len() as u64;
        self.rows.push(Row {
            table,
            key,
            value: None,
        });
    }

    /// How many bytes its keys and values have.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether a row stands in it more than once.
    pub(crate) fn repeats_a_row(&self) -> bool {
        let mut seen = std::collections::HashSet::new();
        !self
            .rows
            .iter()
            .all(|row| seen.insert((row.table, &row.key)))
    }

    /// The rows, in the order in which they were added.
    pub fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

/// When a commit may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on disk: neither a crash of the process nor a loss of power takes it away.
    Synced,
    /// Once the operating system has it: a crash of the process does not take it away, a loss of power may, until
    /// the next [`Engine::sync`].
    Buffered,
}

/// A run of rows to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key that may be read.
    pub start: Bytes,
    /// The key at which to stop, itself not read; none for the table's end.
    pub end: Option<Bytes>,
}

impl KeyRange {
    /// All rows whose key begins so.
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
    /// Whether a row with this key is in it.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        key >= &self.start[..] && self.end.as_ref().is_none_or(|end| key < &end[..])
    }
}

/// Where a page ends at the latest. A page that has a next row has at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// The most rows.
    pub rows: usize,
    /// No further row is read once keys and values have so many bytes.
    pub bytes: usize,
}

impl PageLimit {
    /// At most so many rows, and no more bytes than a few large values have.
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

/// What an engine promises beyond the trait, for tests and for the operator to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What was committed is there after the process has ended.
    pub durable: bool,
}

/// The rows as they stood together at one snapshot, for as long as this is kept.
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
    /// The value of a row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>>;

    /// The first rows of a range in order.
    fn page(&self, table: Table, range: &KeyRange, limit: PageLimit)
    -> Result<Vec<(Bytes, Bytes)>>;

    /// The last rows of a range, the last one first.
    fn page_back(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>>;
}

/// An ordered, transactional row store.
///
/// Keys are ordered by their unsigned bytes. A batch is durable as its [`Durability`] says when `commit` returns,
/// and no reader sees it before that. A commit that failed may have been written or not; after it the engine
/// refuses every further one. What can be refused without a doubt, [`admit`](Engine::admit) refuses.
pub trait Engine: Send + Sync + 'static {
    /// The value of a row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>>;

    /// The first rows of a range in order, as they stood together at one snapshot.
    fn page(&self, table: Table, range: &KeyRange, limit: PageLimit)
    -> Result<Vec<(Bytes, Bytes)>>;

    /// The rows as they stand together now. It costs little to make; to keep it may cost the space of what is replaced
    /// meanwhile.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>>;

    /// Refuses to add data where there is too little disk space for it: with `storage_full`. What gives space back may be
    /// written all the same.
    fn check_growth(&self) -> Result<()> {
        Ok(())
    }

    /// Refuses a batch that cannot be written now, before anything of it is written: it is certain that it was not
    /// applied, and a later batch may be admitted. Waits, for a time, until there is room for it. Called before each
    /// `commit`.
    ///
    /// `overloaded` where what was committed before is still to be written to files, `storage_full` where the disk is.
    fn admit(&self, _: &Batch) -> Result<()> {
        Ok(())
    }

    /// Writes a batch whole.
    fn commit(&self, batch: Batch, durability: Durability) -> Result<()>;

    /// Makes all earlier commits durable.
    fn sync(&self) -> Result<()>;

    /// An error where what is done behind the writers' backs has failed, so that the next commit would.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Gives up rows that nobody will read any more, all of a range or none or any of them, where that is quicker than to
    /// remove them one by one. That they are not needed must be synced. False as long as it is under way: it is to be
    /// asked again.
    fn discard(&self, _: Table, _: &KeyRange) -> Result<bool> {
        Ok(true)
    }

    /// Gives back the space of what was removed, in the background. False as long as it is under way: it is to be asked
    /// again.
    fn reclaim(&self) -> Result<bool> {
        Ok(true)
    }

    /// The highest revision that the engine was ever told to be synced; the rows may not end before it.
    fn watermark(&self) -> Result<Revision>;

    /// Notes that everything up to this revision has been synced.
    fn raise_watermark(&self, revision: Revision) -> Result<()>;

    /// Sees to it that, after a loss of power, [`reserved`](Engine::reserved) is at least this revision. Called before
    /// it is given out by a commit that may be lost.
    fn reserve(&self, _: Revision) -> Result<()> {
        Ok(())
    }

    /// A revision up to which all may have been given out by commits that were lost.
    fn reserved(&self) -> Result<Revision> {
        Ok(Revision::ZERO)
    }

    /// Notes, as the last thing before the end, that everything up to this revision has been synced and none after it
    /// was given out.
    fn finish(&self, revision: Revision) -> Result<()> {
        self.raise_watermark(revision)
    }

    /// Whether it was opened although commits were lost, as its options allowed: the rows may not belong together, and
    /// numbers may have been given out that no row tells of any more.
    fn lost_commits(&self) -> bool {
        false
    }

    /// Reads all its files back as they are, while others go on writing, and reports what is wrong with them.
    fn check_files(&self, _: &mut Report<'_>) -> Result<()> {
        Ok(())
    }

    /// How much it stores, in bytes, about; to tell whether reads may have to wait for a disk.
    fn stored_bytes(&self) -> Result<u64>;

    /// What it promises beyond this trait.
    fn capabilities(&self) -> Capabilities;
}

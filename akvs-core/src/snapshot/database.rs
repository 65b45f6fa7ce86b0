//! A snapshot of all namespaces.
//!
//! Invariant: all namespaces are read at the same revision, however long it is kept and whatever is written meanwhile.

use std::sync::Arc;

use bytes::Bytes;

use super::rows::NamespaceRows;
use crate::encoding;
use crate::engine::{KeyRange, PageLimit, Snapshot, Table, successor};
use crate::{Database, Namespace, NamespaceSnapshot, Result, Revision};

/// The number of rows of the catalogue that are read at once.
const PAGE_ROWS: usize = 256;

/// All namespaces as they were at one revision.
///
/// ```
/// use akvs_core::{Database, Key, MemoryEngine, Namespace, Options, Store, Timestamp};
///
/// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
/// let (key, now) = (Key::new("k")?, Timestamp::from_millis(0));
/// Store::new(&database, Namespace::new("a")?)?.set(&key, "v", now)?;
///
/// let snapshot = database.snapshot()?;
/// Store::new(&database, Namespace::new("b")?)?.set(&key, "v", now)?;
/// assert_eq!(snapshot.count()?, 1);
/// let first = snapshot.after(None)?.expect("a namespace");
/// let name = &first.info().expect("it was there").name;
/// assert_eq!(name.as_str(), "a");
/// assert!(snapshot.after(Some(name))?.is_none());
/// # Ok::<(), akvs_core::Error>(())
/// ```
pub struct DatabaseSnapshot(Box<dyn DatabaseReader>);

/// All namespaces in a database, at one revision: what [`DatabaseSnapshot`] reads from.
pub trait DatabaseReader: Send + Sync {
    /// See [`DatabaseSnapshot::revision`].
    fn revision(&self) -> Revision;

    /// See [`DatabaseSnapshot::count`].
    fn count(&self) -> Result<u64>;

    /// See [`DatabaseSnapshot::after`].
    fn after(&self, name: Option<&Namespace>) -> Result<Option<NamespaceSnapshot>>;
}

/// The rows of all namespaces.
struct DatabaseRows {
    // Dropped before the engine that it belongs to.
    snapshot: Arc<dyn Snapshot>,
    database: Database,
    revision: Revision,
}

impl DatabaseSnapshot {
    /// Returns the snapshot that reads from this.
    pub fn new(reader: impl DatabaseReader + 'static) -> DatabaseSnapshot {
        DatabaseSnapshot(Box::new(reader))
    }

    /// Returns the newest revision of any namespace.
    pub fn revision(&self) -> Revision {
        self.0.revision()
    }

    /// Returns the number of namespaces. May read a row of each.
    pub fn count(&self) -> Result<u64> {
        self.0.count()
    }

    /// Returns the first namespace in the order of names, or the first one after this name.
    pub fn after(&self, name: Option<&Namespace>) -> Result<Option<NamespaceSnapshot>> {
        self.0.after(name)
    }
}

impl Database {
    /// Returns all namespaces as they are now, as long as a snapshot of one exists.
    pub fn snapshot(&self) -> Result<DatabaseSnapshot> {
        let snapshot: Arc<dyn Snapshot> = Arc::from(self.engine().snapshot()?);
        let revision = snapshot.get(Table::Meta, encoding::META_REVISION)?;
        let revision = revision
            .map(|value| encoding::parse_number(&value))
            .transpose()?;
        Ok(DatabaseSnapshot::new(DatabaseRows {
            snapshot,
            database: self.clone(),
            revision: Revision::new(revision.unwrap_or_default()),
        }))
    }
}

impl DatabaseReader for DatabaseRows {
    fn revision(&self) -> Revision {
        self.revision
    }

    fn count(&self) -> Result<u64> {
        let mut count = 0;
        let mut start = Bytes::from_static(encoding::FIRST_NAME);
        loop {
            let page = self.catalogue(start, PAGE_ROWS)?;
            let Some((last, _)) = page.last() else {
                return Ok(count);
            };
            start = successor(last);
            for (_, value) in &page {
                count += u64::from(encoding::parse_catalogue(value)?.live().is_some());
            }
        }
    }

    fn after(&self, name: Option<&Namespace>) -> Result<Option<NamespaceSnapshot>> {
        let mut start = match name {
            Some(name) => successor(name.as_str().as_bytes()),
            None => Bytes::from_static(encoding::FIRST_NAME),
        };
        // Some rows are of dropped namespaces; usually the first one is not.
        let mut limit = 1;
        loop {
            let page = self.catalogue(start, limit)?;
            let Some((last, _)) = page.last() else {
                return Ok(None);
            };
            start = successor(last);
            for (name, value) in &page {
                if encoding::parse_catalogue(value)?.live().is_some() {
                    let name = encoding::parse_name(name)?;
                    let snapshot = Arc::clone(&self.snapshot);
                    let rows = NamespaceRows::new(&self.database, snapshot, &name)?;
                    return Ok(Some(NamespaceSnapshot::new(rows)));
                }
            }
            limit = PAGE_ROWS;
        }
    }
}

impl DatabaseRows {
    fn catalogue(&self, start: Bytes, rows: usize) -> Result<Vec<(Bytes, Bytes)>> {
        let range = KeyRange { start, end: None };
        self.snapshot
            .page(Table::Catalogue, &range, PageLimit::rows(rows))
    }
}

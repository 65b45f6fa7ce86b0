//! A snapshot of one namespace, and its entries; `changes` reads the changes.
//!
//! It owns the snapshot. Invariant: everything that it returns belongs to one revision, however long it is kept and
//! whatever is written meanwhile.

use std::sync::Arc;

use bytes::Bytes;

use crate::encoding;
use crate::encoding::{CatalogueRow, HistoryId, NamespaceId, Stored};
use crate::engine::{KeyRange, PageLimit, Snapshot, Table, successor};
use crate::{
    Database, Entry, Key, Namespace, NamespaceInfo, PeekedEntry, Result, Revision, Timestamp,
};

/// A namespace as it was at one revision. While it exists, replaced data keeps its space.
///
/// ```
/// use akvs_core::engine::PageLimit;
/// use akvs_core::{Database, Key, MemoryEngine, Namespace, Options, Revision, Store, Timestamp};
///
/// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
/// let (name, now) = (Namespace::new("ns")?, Timestamp::from_millis(0));
/// let store = Store::new(&database, name.clone())?;
/// store.set(&Key::new("k")?, "old", now)?;
///
/// let snapshot = database.namespace_snapshot(&name)?;
/// store.set(&Key::new("k")?, "new", now)?;
/// let page = snapshot.entries(b"", None, PageLimit::rows(10), now)?;
/// assert_eq!(page.entries[0].1.value, "old");
/// assert_eq!(snapshot.changes(Revision::ZERO, PageLimit::rows(10), true)?.events.len(), 1);
/// # Ok::<(), akvs_core::Error>(())
/// ```
pub struct NamespaceSnapshot {
    // Dropped before the engine that it belongs to.
    pub(super) snapshot: Arc<dyn Snapshot>,
    pub(super) database: Database,
    pub(super) revision: Revision,
    pub(super) id: Option<NamespaceId>,
    pub(super) history: Option<HistoryId>,
    pub(super) compacted_revision: Revision,
    info: Option<NamespaceInfo>,
}

/// Entries in the order of their keys, or in reverse order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries<E = Entry> {
    /// The entries.
    pub entries: Vec<(Key, E)>,
    /// The first key of the next page or, in reverse order, the key before which it ends; none at the end.
    pub next: Option<Bytes>,
    /// The bytes that were read, including those of expired entries.
    pub read_bytes: usize,
}

impl<E> Default for Entries<E> {
    fn default() -> Entries<E> {
        Entries {
            entries: Vec::new(),
            next: None,
            read_bytes: 0,
        }
    }
}

impl Entries<PeekedEntry> {
    /// Returns entries whose values were all read.
    fn into_whole(self) -> Entries {
        let entries = self.entries.into_iter();
        Entries {
            entries: entries.map(|(key, peeked)| (key, peeked.entry)).collect(),
            next: self.next,
            read_bytes: self.read_bytes,
        }
    }
}

impl Database {
    /// Returns the history of a namespace; none where no namespace of this name is known.
    pub fn history_id(&self, name: &Namespace) -> Result<Option<HistoryId>> {
        Ok(self.namespace_snapshot(name)?.history())
    }

    /// Returns a namespace as it is now, as long as the snapshot exists.
    pub fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        NamespaceSnapshot::new(self, name)
    }
}

impl NamespaceSnapshot {
    pub(crate) fn new(database: &Database, name: &Namespace) -> Result<NamespaceSnapshot> {
        let snapshot = Arc::from(database.engine().snapshot()?);
        NamespaceSnapshot::from_snapshot(database, snapshot, name)
    }

    /// Returns a namespace as it is in a snapshot.
    pub(crate) fn from_snapshot(
        database: &Database,
        snapshot: Arc<dyn Snapshot>,
        name: &Namespace,
    ) -> Result<NamespaceSnapshot> {
        let number = |key| -> Result<Option<u64>> {
            let value = snapshot.get(Table::Meta, key)?;
            value
                .map(|value| encoding::parse_number(&value))
                .transpose()
        };
        let revision = Revision::new(number(encoding::META_REVISION)?.unwrap_or_default());
        let row = snapshot.get(Table::Catalogue, name.as_str().as_bytes())?;
        let row = row.map(|row| encoding::parse_catalogue(&row)).transpose()?;
        let mut info = None;
        let (id, history, compacted_revision) = match row {
            Some(CatalogueRow::Live(row)) => {
                let counts = snapshot.get(Table::Meta, &encoding::counts_key(row.id))?;
                let meta = database.parse_meta(counts)?;
                info = Some(NamespaceInfo {
                    name: name.clone(),
                    created: row.created,
                    counts: meta.counts,
                    revision: meta.revision,
                    settings: row.settings,
                });
                (Some(row.id), Some(meta.history), meta.compacted_revision)
            }
            Some(CatalogueRow::Dropped(row)) => (None, Some(row.history), row.compacted_revision),
            // Read from the same snapshot: the database learns of a purge after the commit is visible.
            None => (
                None,
                None,
                number(encoding::META_PURGED)?.map_or_else(|| database.purged(), Revision::new),
            ),
        };
        Ok(NamespaceSnapshot {
            snapshot,
            database: database.clone(),
            revision,
            id,
            history,
            compacted_revision,
            info,
        })
    }

    /// Returns the newest revision of any namespace in the snapshot.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the earliest revision after which all changes are kept.
    pub fn compacted_revision(&self) -> Revision {
        self.compacted_revision
    }

    /// Returns the history; none where no namespace of this name is known.
    pub fn history(&self) -> Option<HistoryId> {
        self.history
    }

    /// Returns whether the namespace existed.
    pub fn exists(&self) -> bool {
        self.id.is_some()
    }

    /// Returns the metadata of the namespace, if it existed.
    pub fn info(&self) -> Option<&NamespaceInfo> {
        self.info.as_ref()
    }

    /// Returns the entry of a key, if it existed and was not expired at `now`. A separated value of more than
    /// `max_bytes` bytes is not read.
    pub fn find(
        &self,
        key: &[u8],
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Option<PeekedEntry>> {
        let Some(id) = self.id else {
            return Ok(None);
        };
        let row = self
            .snapshot
            .get(Table::Data, &encoding::data_key(id, key))?;
        let stored = row.map(encoding::parse_stored).transpose()?;
        let Some(stored) = stored.filter(|stored| stored.entry.is_live(now)) else {
            return Ok(None);
        };
        self.peek(key, stored, max_bytes).map(Some)
    }

    /// Returns the entries from `start` and before `end` that were not expired at `now`. A page below the limit, even
    /// an empty one, is not necessarily the last.
    pub fn entries(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<Entries> {
        let found = self.peek_entries((start, end), false, usize::MAX, limit, now)?;
        Ok(found.into_whole())
    }

    /// Returns the same entries in reverse order: the next page ends before the last key of this one.
    pub fn entries_back(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<Entries> {
        let found = self.peek_entries((start, end), true, usize::MAX, limit, now)?;
        Ok(found.into_whole())
    }

    /// Returns the same entries, in reverse order if `reverse` is set. Separated values of more than `max_bytes` bytes
    /// are not read.
    pub fn peek_entries(
        &self,
        (start, end): (&[u8], Option<&[u8]>),
        reverse: bool,
        max_bytes: usize,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<Entries<PeekedEntry>> {
        let mut found = Entries::default();
        let Some(range) = self.range(start, end) else {
            return Ok(found);
        };
        let rows = match reverse {
            true => self.snapshot.page_back(Table::Data, &range, limit)?,
            false => self.snapshot.page(Table::Data, &range, limit)?,
        };
        let mut last = None;
        for (row_key, row) in rows {
            found.read_bytes += row_key.len() + row.len();
            let stored = encoding::parse_stored(row)?;
            let key = row_key.slice(size_of::<NamespaceId>()..);
            if stored.entry.is_live(now) {
                let is_separated = stored.separated.is_some();
                let peeked = self.peek(&key, stored, max_bytes)?;
                if is_separated {
                    found.read_bytes += peeked.entry.value.len();
                }
                found.entries.push((Key::new(key.clone())?, peeked));
            }
            last = Some(key);
            // The limit of the page did not count separated values.
            if found.read_bytes >= limit.bytes {
                break;
            }
        }
        found.next = last.map(|last| match reverse {
            true => Bytes::copy_from_slice(&last),
            false => successor(&last),
        });
        Ok(found)
    }

    /// Returns a stored entry; a separated value of more than `max_bytes` bytes is not read.
    fn peek(&self, key: &[u8], stored: Stored, max_bytes: usize) -> Result<PeekedEntry> {
        let left_bytes = stored.left_bytes(max_bytes);
        let id = self.id.unwrap_or_default();
        let entry = match left_bytes {
            Some(_) => stored.entry,
            None => encoding::read_entry(&*self.snapshot, id, key, stored)?,
        };
        Ok(PeekedEntry { entry, left_bytes })
    }

    /// Returns the range of the rows from one key and before another.
    fn range(&self, start: &[u8], end: Option<&[u8]>) -> Option<KeyRange> {
        let id = self.id?;
        Some(KeyRange {
            start: encoding::data_key(id, start),
            end: match end {
                Some(end) => Some(encoding::data_key(id, end)),
                None => KeyRange::prefix(encoding::data_key(id, b"")).end,
            },
        })
    }
}

impl std::fmt::Debug for NamespaceSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamespaceSnapshot")
            .field("revision", &self.revision)
            .field("exists", &self.exists())
            .field("database", &self.database.capabilities())
            .finish_non_exhaustive()
    }
}

//! A snapshot of one namespace in the rows of an engine; `changes` reads the changes.
//!
//! It owns the snapshot. Invariant: everything that it returns belongs to one revision, however long it is kept and
//! whatever is written meanwhile.

use std::sync::Arc;

use bytes::Bytes;

use super::namespace::{Entries, NamespaceReader, NamespaceSnapshot};
use crate::encoding;
use crate::encoding::{CatalogueRow, HistoryId, NamespaceId};
use crate::engine::{KeyRange, PageLimit, Snapshot, Table, successor};
use crate::{
    Changes, Database, Event, Key, Namespace, NamespaceInfo, PeekedEntry, Result, Revision,
    StoredEntry, Timestamp,
};

/// The rows of a namespace.
pub(super) struct NamespaceRows {
    // Dropped before the engine that it belongs to.
    pub(super) snapshot: Arc<dyn Snapshot>,
    pub(super) database: Database,
    pub(super) revision: Revision,
    pub(super) id: Option<NamespaceId>,
    pub(super) history: Option<HistoryId>,
    pub(super) compacted_revision: Revision,
    info: Option<NamespaceInfo>,
}

impl Database {
    /// Returns the history of a namespace; none where no namespace of this name is known.
    pub fn history_id(&self, name: &Namespace) -> Result<Option<HistoryId>> {
        Ok(self.namespace_snapshot(name)?.history())
    }

    /// Returns a namespace as it is now, as long as the snapshot exists.
    pub fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        let snapshot = Arc::from(self.engine().snapshot()?);
        let rows = NamespaceRows::new(self, snapshot, name)?;
        Ok(NamespaceSnapshot::new(rows))
    }
}

impl NamespaceRows {
    /// Returns a namespace as it is in a snapshot.
    pub(super) fn new(
        database: &Database,
        snapshot: Arc<dyn Snapshot>,
        name: &Namespace,
    ) -> Result<NamespaceRows> {
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
        Ok(NamespaceRows {
            snapshot,
            database: database.clone(),
            revision,
            id,
            history,
            compacted_revision,
            info,
        })
    }

    /// Returns a stored entry; a separated value of more than `max_bytes` bytes is not read.
    fn peek(&self, key: &[u8], stored: StoredEntry, max_bytes: usize) -> Result<PeekedEntry> {
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

impl NamespaceReader for NamespaceRows {
    fn revision(&self) -> Revision {
        self.revision
    }

    fn compacted_revision(&self) -> Revision {
        self.compacted_revision
    }

    fn history(&self) -> Option<HistoryId> {
        self.history
    }

    fn info(&self) -> Option<&NamespaceInfo> {
        self.info.as_ref()
    }

    fn find(&self, key: &[u8], max_bytes: usize, now: Timestamp) -> Result<Option<PeekedEntry>> {
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

    fn peek_entries(
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

    fn check_since(&self, after: Revision) -> Result<()> {
        self.refuse_gap(after)
    }

    fn changes(&self, after: Revision, limit: PageLimit, values: bool) -> Result<Changes> {
        self.changes_after(after, limit, values)
    }

    fn complete(&self, event: &mut Event) -> Result<()> {
        self.attach_value(event)
    }
}

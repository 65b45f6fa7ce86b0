//! A namespace as it stood at one snapshot: what it held, and what had changed.
//!
//! It owns the snapshot. Invariant: everything it tells belongs to the same revision, however long it is kept and
//! whatever is written meanwhile; and changes are told whole or refused, never with one of them missing.

use std::sync::Arc;

use bytes::Bytes;

use crate::encoding;
use crate::encoding::{CatalogueRow, HistoryId, NamespaceId};
use crate::engine::{KeyRange, PageLimit, Snapshot, Table};
use crate::{
    Code, Database, Entry, Error, Event, EventKind, Key, Namespace, NamespaceInfo, PeekedEntry,
    Result, Revision, Timestamp,
};

/// A namespace as it stood at one snapshot. To keep it may cost the space of what is replaced meanwhile.
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
/// let view = database.namespace_snapshot(&name)?;
/// store.set(&Key::new("k")?, "new", now)?;
/// let page = view.entries(b"", None, PageLimit::rows(10), now)?;
/// assert_eq!(page.entries[0].1.value, "old");
/// assert_eq!(view.changes(Revision::ZERO, PageLimit::rows(10), true)?.events.len(), 1);
/// # Ok::<(), akvs_core::Error>(())
/// ```
pub struct NamespaceSnapshot {
    // Dropped before the engine that it is of.
    snapshot: Arc<dyn Snapshot>,
    database: Database,
    revision: Revision,
    id: Option<NamespaceId>,
    history: Option<HistoryId>,
    compacted_revision: Revision,
    info: Option<NamespaceInfo>,
}

/// Entries in the order of their keys, or in the opposite one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// The entries.
    pub entries: Vec<(Key, Entry)>,
    /// Where the next page begins, or backwards, before which key; none at the end.
    pub next: Option<Bytes>,
    /// How many bytes were read for them, also of what had expired.
    pub read_bytes: usize,
}

/// Changes in the order of their revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The changes.
    pub events: Vec<Event>,
    /// Up to this revision all changes are told, by this page or those before it.
    pub until: Revision,
}

impl Database {
    /// Which history tells of a namespace; none where nothing is known of one of this name.
    pub fn history_id(&self, name: &Namespace) -> Result<Option<HistoryId>> {
        Ok(self.namespace_snapshot(name)?.history())
    }

    /// A namespace as it stands now, for as long as the view is kept.
    pub fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        NamespaceSnapshot::new(self, name)
    }
}

impl NamespaceSnapshot {
    pub(crate) fn new(database: &Database, name: &Namespace) -> Result<NamespaceSnapshot> {
        let snapshot = Arc::from(database.engine().snapshot()?);
        NamespaceSnapshot::from_snapshot(database, snapshot, name)
    }

    /// A namespace as a snapshot has it.
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
            // Of the same snapshot: the database hears of what a commit forgets after it can be read.
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

    /// The newest revision that it has, of any namespace.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The earliest revision after which all changes are known.
    pub fn compacted_revision(&self) -> Revision {
        self.compacted_revision
    }

    /// Which history tells of it; none where nothing is known of a namespace of this name.
    pub fn history(&self) -> Option<HistoryId> {
        self.history
    }

    /// Whether there was such a namespace.
    pub fn exists(&self) -> bool {
        self.id.is_some()
    }

    /// The namespace as it is listed, if there was such a one.
    pub fn info(&self) -> Option<&NamespaceInfo> {
        self.info.as_ref()
    }

    /// The entry of a key, if it was there at that time of day; a value of more bytes than `most` that has a row of its
    /// own is left there.
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
        let left_bytes = stored.left_bytes(max_bytes);
        let entry = match left_bytes {
            Some(_) => stored.entry,
            None => encoding::read_entry(&*self.snapshot, id, key, stored)?,
        };
        Ok(Some(PeekedEntry { entry, left_bytes }))
    }

    /// The entries from one key on and before another one that were there at that time of day. Fewer than the limit
    /// allows, even none, do not mean the end.
    pub fn entries(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<Entries> {
        let Some(range) = self.range(start, end) else {
            return Ok(Entries::default());
        };
        let rows = self.snapshot.page(Table::Data, &range, limit)?;
        // The least key that is greater.
        self.read_entries(rows, limit, now, |last| [last, &[0]].concat().into())
    }

    /// The same from the last one on, backwards: the next page ends before the last key of this one.
    pub fn entries_back(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<Entries> {
        let Some(range) = self.range(start, end) else {
            return Ok(Entries::default());
        };
        let rows = self.snapshot.page_back(Table::Data, &range, limit)?;
        self.read_entries(rows, limit, now, Bytes::copy_from_slice)
    }

    /// The entries of these rows that were there at that time of day, up to the limit; `next` says where to go on after
    /// the last one.
    fn read_entries(
        &self,
        rows: Vec<(Bytes, Bytes)>,
        limit: PageLimit,
        now: Timestamp,
        next: impl FnOnce(&[u8]) -> Bytes,
    ) -> Result<Entries> {
        let mut found = Entries::default();
        let mut last = None;
        for (row_key, row) in rows {
            found.read_bytes += row_key.len() + row.len();
            let stored = encoding::parse_stored(row)?;
            let key = row_key.slice(size_of::<NamespaceId>()..);
            if stored.entry.is_live(now) {
                if stored.separated.is_some() {
                    found.read_bytes += stored.value_bytes();
                }
                let id = self.id.unwrap_or_default();
                let entry = encoding::read_entry(&*self.snapshot, id, &key, stored)?;
                found.entries.push((Key::new(key.clone())?, entry));
            }
            last = Some(key);
            // The page had the values that are not separated alone.
            if found.read_bytes >= limit.bytes {
                break;
            }
        }
        found.next = last.map(|last| next(&last));
        Ok(found)
    }

    /// The rows of the entries from one key on and before another one.
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

    /// The changes after a revision, as many as the limit allows but not less than a whole revision. Where `values` are
    /// wanted, those that the history does not keep are looked up as long as they have not been replaced, and count
    /// against the limit: of one revision with more bytes than that, [`complete`](Self::complete) gives the others.
    ///
    /// `history_gone` where they are not all known any more, or the revision is not one of this history: it is still to
    /// come, or was given out before the store went back in time.
    pub fn changes(&self, after: Revision, limit: PageLimit, values: bool) -> Result<Changes> {
        let is_gap = || self.database.before_gap(after).is_some();
        if after < self.compacted_revision || after > self.revision || is_gap() {
            return Err(self.gone(after));
        }
        let max_attached_bytes = limit.bytes.max(1);
        // A limit of nothing would stay one.
        let mut limit = PageLimit {
            rows: limit.rows.max(1),
            bytes: limit.bytes.max(1),
        };
        let until = self.revision;
        let Some(history) = self.history else {
            let events = Vec::new();
            return Ok(Changes { events, until });
        };
        let range = encoding::history_range(history, after, until.next());
        loop {
            let rows = self.snapshot.page(Table::History, &range, limit)?;
            let bytes: usize = rows.iter().map(|(key, row)| key.len() + row.len()).sum();
            let mut is_end = rows.len() < limit.rows && bytes < limit.bytes;
            let events = rows
                .iter()
                .map(|(key, row)| encoding::parse_change(key, row));
            let mut events = events.collect::<Result<Vec<Event>>>()?;
            if !is_end {
                // Not a part of a revision.
                let whole = events.iter().rposition(|event| event.is_last);
                let Some(whole) = whole else {
                    limit.rows = limit.rows.saturating_mul(2);
                    limit.bytes = limit.bytes.saturating_mul(2);
                    continue;
                };
                events.truncate(whole + 1);
            }
            if values && let Some(enough) = self.attach(&mut events, max_attached_bytes)? {
                events.truncate(enough);
                is_end = false;
            }
            let last = events.last().map(|event| event.revision);
            return Ok(Changes {
                events,
                until: if is_end { until } else { last.unwrap_or(until) },
            });
        }
    }

    /// Completes changes until their values have so many bytes; how many changes those are, where others follow.
    fn attach(&self, events: &mut [Event], max_bytes: usize) -> Result<Option<usize>> {
        let (mut attached, count) = (0, events.len());
        for (index, event) in events.iter_mut().enumerate() {
            if attached < max_bytes && !event.has_value() {
                self.complete(event)?;
                attached += event.bytes();
            }
            // Not a part of a revision.
            if attached >= max_bytes && event.is_last && index + 1 < count {
                return Ok(Some(index + 1));
            }
        }
        Ok(None)
    }

    /// Gives a change the value that the history does not keep, if it has not been replaced.
    pub fn complete(&self, event: &mut Event) -> Result<()> {
        let (Some(id), false) = (self.id, event.has_value()) else {
            return Ok(());
        };
        let revision = event.revision;
        let EventKind::Set { key, entry, .. } = &mut event.kind else {
            return Ok(());
        };
        // The same revision is the same value, of whatever snapshot. Shared with all others who read it.
        let cached = self.database.cached(id, key.as_bytes());
        if let Some(cached) = cached.filter(|cached| cached.revision == revision) {
            *entry = cached;
            return Ok(());
        }
        let row = self
            .snapshot
            .get(Table::Data, &encoding::data_key(id, key.as_bytes()))?;
        let current = row.map(encoding::parse_stored).transpose()?;
        if let Some(current) = current.filter(|current| current.entry.revision == revision) {
            *entry = encoding::read_entry(&*self.snapshot, id, key.as_bytes(), current)?;
        }
        Ok(())
    }

    fn gone(&self, after: Revision) -> Error {
        let text = if after < self.compacted_revision {
            format!(
                "revision {after} is compacted: only the changes after revision {} are kept",
                self.compacted_revision
            )
        } else if let Some(last) = self.database.before_gap(after) {
            format!(
                "unknown revision {after}: the revisions after {last} were lost by a restore or a loss of data"
            )
        } else {
            format!("unknown revision {after}: the newest is {}", self.revision)
        };
        Error::new(Code::HistoryGone, text)
            .with("since", after.get())
            .with(
                "oldest",
                self.compacted_revision.get().min(self.revision.get()),
            )
            .with("newest", self.revision.get())
    }
}

impl std::fmt::Debug for NamespaceSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("revision", &self.revision)
            .field("exists", &self.exists())
            .field("database", &self.database.capabilities())
            .finish_non_exhaustive()
    }
}

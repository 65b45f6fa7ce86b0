//! A snapshot of one namespace: its entries and its changes at one revision.

use bytes::Bytes;

use crate::engine::PageLimit;
use crate::{
    Changes, Entry, Event, HistoryId, Key, NamespaceInfo, PeekedEntry, Result, Revision, Timestamp,
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
pub struct NamespaceSnapshot(Box<dyn NamespaceReader>);

/// A namespace in a database, at one revision: what [`NamespaceSnapshot`] reads from. Its methods are those of the
/// snapshot.
pub trait NamespaceReader: Send + Sync {
    /// See [`NamespaceSnapshot::revision`].
    fn revision(&self) -> Revision;

    /// See [`NamespaceSnapshot::compacted_revision`].
    fn compacted_revision(&self) -> Revision;

    /// See [`NamespaceSnapshot::history`].
    fn history(&self) -> Option<HistoryId>;

    /// See [`NamespaceSnapshot::info`].
    fn info(&self) -> Option<&NamespaceInfo>;

    /// See [`NamespaceSnapshot::find`].
    fn find(&self, key: &[u8], max_bytes: usize, now: Timestamp) -> Result<Option<PeekedEntry>>;

    /// See [`NamespaceSnapshot::peek_entries`].
    fn peek_entries(
        &self,
        range: (&[u8], Option<&[u8]>),
        reverse: bool,
        max_bytes: usize,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<Entries<PeekedEntry>>;

    /// See [`NamespaceSnapshot::check_since`].
    fn check_since(&self, after: Revision) -> Result<()>;

    /// See [`NamespaceSnapshot::changes`].
    fn changes(&self, after: Revision, limit: PageLimit, values: bool) -> Result<Changes>;

    /// See [`NamespaceSnapshot::complete`].
    fn complete(&self, event: &mut Event) -> Result<()>;
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

impl NamespaceSnapshot {
    /// Returns the snapshot that reads from this.
    pub fn new(reader: impl NamespaceReader + 'static) -> NamespaceSnapshot {
        NamespaceSnapshot(Box::new(reader))
    }

    /// Returns the newest revision of any namespace in the snapshot.
    pub fn revision(&self) -> Revision {
        self.0.revision()
    }

    /// Returns the earliest revision after which all changes are kept.
    pub fn compacted_revision(&self) -> Revision {
        self.0.compacted_revision()
    }

    /// Returns the history; none where no namespace of this name is known.
    pub fn history(&self) -> Option<HistoryId> {
        self.0.history()
    }

    /// Returns whether the namespace existed.
    pub fn exists(&self) -> bool {
        self.info().is_some()
    }

    /// Returns the metadata of the namespace, if it existed.
    pub fn info(&self) -> Option<&NamespaceInfo> {
        self.0.info()
    }

    /// Returns the entry of a key, if it existed and was not expired at `now`. A separated value of more than
    /// `max_bytes` bytes is not read.
    pub fn find(
        &self,
        key: &[u8],
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Option<PeekedEntry>> {
        self.0.find(key, max_bytes, now)
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
        range: (&[u8], Option<&[u8]>),
        reverse: bool,
        max_bytes: usize,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<Entries<PeekedEntry>> {
        self.0.peek_entries(range, reverse, max_bytes, limit, now)
    }

    /// Returns `history_gone` as [`changes`](Self::changes) does, without reading a change.
    pub fn check_since(&self, after: Revision) -> Result<()> {
        self.0.check_since(after)
    }

    /// Returns the changes after a revision, up to the limit but always whole revisions. With `values` set, values that
    /// the history does not keep are read, if they were not replaced, and count against the limit. Where one revision
    /// has more bytes than that, [`complete`](Self::complete) reads the other values.
    ///
    /// `history_gone` where not all these changes are kept, or the revision does not belong to this history: it is in
    /// the future, or was assigned before a restore or a loss of data.
    pub fn changes(&self, after: Revision, limit: PageLimit, values: bool) -> Result<Changes> {
        self.0.changes(after, limit, values)
    }

    /// Adds the value that the history does not keep to a change, if the value was not replaced.
    pub fn complete(&self, event: &mut Event) -> Result<()> {
        self.0.complete(event)
    }
}

impl std::fmt::Debug for NamespaceSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamespaceSnapshot")
            .field("revision", &self.revision())
            .field("exists", &self.exists())
            .finish_non_exhaustive()
    }
}

//! The database: all namespaces over one engine, with the state that they share.
//!
//! It owns the revision counter, the namespace ids and the read cache. It owns no clock, no order between callers and
//! no thread. Invariant: readers see only committed data, and after a failed commit every later commit is refused.

mod drops;
mod failure;
pub(crate) mod store_state;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use bytes::Bytes;
use foldhash::HashMap;

use self::store_state::StoreState;
use crate::encoding;
use crate::encoding::{CatalogueRow, Gaps, NamespaceId, NamespaceMeta};
use crate::engine::cache::EntryCache;
use crate::engine::{Capabilities, Engine, KeyRange, PageLimit, Table, successor};
use crate::recovery;
use crate::types::counters::Counters;
use crate::{
    Code, Counts, Entry, Error, Namespace, PeekedEntry, Result, Revision, Settings, StoredEntry,
    Timestamp,
};

/// Rows up to this size may share an engine's block with other rows.
const SHARED_BLOCK_BYTES: usize = 16 << 10;

/// Options of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The maximum size of the read cache, in bytes; 0 for none.
    pub cache_bytes: u64,
    /// The minimum number of changes that are kept for each namespace.
    pub history_changes: u64,
    /// The time of day, if known. Where the engine may not know all assigned revisions, the next one is derived from
    /// this time, so that none is assigned twice. An engine that is not durable starts there, too.
    pub now: Option<Timestamp>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: 256 << 20,
            history_changes: 100_000,
            now: None,
        }
    }
}

/// The metadata of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceInfo {
    /// The name.
    pub name: Namespace,
    /// When the namespace was created.
    pub created: Timestamp,
    /// The size of the namespace.
    pub counts: Counts,
    /// The revision of the newest change.
    pub revision: Revision,
    /// The settings.
    pub settings: Settings,
}

/// All namespaces over one engine; cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    engine: Arc<dyn Engine>,
    cache: Option<EntryCache>,
    options: Options,
    writer: Mutex<Writer>,
    /// The earliest deadline that may be due, in ms; kept outside the tables to avoid empty reads.
    next_deadline: AtomicU64,
    /// The newest revision that readers see; kept outside the counters, so that reading it never waits for a commit.
    revision: AtomicU64,
    /// Namespaces that were dropped up to this revision may be purged.
    purged: AtomicU64,
    /// No dropped namespace is kept below this revision: reads start here, after the tombstones of purged rows.
    oldest_drop: AtomicU64,
    gaps: Gaps,
    failure: OnceLock<Error>,
}

/// The state that only the open commit group may read and write.
pub(crate) struct Writer {
    pub(crate) counters: Counters,
    /// Whether the engine has the row of the format.
    pub(crate) format_is_written: bool,
    /// The namespaces whose counts are in memory. Those of others are read from the engine before they change.
    pub(crate) loaded: HashMap<NamespaceId, Weak<StoreState>>,
}

impl Database {
    /// Opens the database of an engine, or creates one in an empty engine.
    ///
    /// Fails with `storage` where the rows have another format, and with `corrupted` where the engine lost synced data.
    ///
    /// ```
    /// use akvs_core::{Database, MemoryEngine, Options};
    /// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
    /// assert!(!database.capabilities().durable);
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn open(engine: Arc<dyn Engine>, options: Options) -> Result<Database> {
        let recovery::OpenState {
            mut counters,
            mut purged,
            has_format,
            mut gaps,
        } = recovery::OpenState::read(&*engine)?;
        let revision = counters.revision;
        let watermark = engine.watermark()?;
        if revision < watermark && !engine.lost_commits() {
            let text = format!(
                "the data ends at revision {revision}, but revision {watermark} was synced"
            );
            return Err(Error::new(Code::Corrupted, text)
                .with("revision", revision.get())
                .with("synced_revision", watermark.get()));
        }
        let is_rebuilt = engine.lost_commits();
        let reserved = engine.reserved()?;
        let is_volatile = !engine.capabilities().durable;
        if is_rebuilt {
            counters.revision = revision.max(watermark).max(reserved);
            counters = recovery::rebuild_counters(&*engine, counters, options.now)?;
            purged = counters.revision;
        } else if is_volatile && options.now.is_some() {
            counters.revision = recovery::revision_after_gap(revision, options.now)?;
        } else if revision < reserved {
            // The last reserved revision may have been assigned, too.
            counters.revision = reserved.next().min(Revision::MAX);
        }
        if counters.revision > revision && !is_rebuilt {
            gaps = recovery::record_gap(&*engine, revision, counters.revision)?;
        }
        let first_deadline = encoding::first_deadline(&*engine, Bytes::new())?;
        Ok(Database(Arc::new(Inner {
            cache: EntryCache::new(options.cache_bytes),
            engine,
            options,
            revision: AtomicU64::new(counters.revision.get()),
            purged: AtomicU64::new(purged.get()),
            oldest_drop: AtomicU64::new(0),
            gaps,
            writer: Mutex::new(Writer {
                counters,
                format_is_written: is_rebuilt || has_format || counters.revision > revision,
                loaded: HashMap::default(),
            }),
            next_deadline: AtomicU64::new(first_deadline.map_or(u64::MAX, Timestamp::as_millis)),
            failure: OnceLock::new(),
        })))
    }

    /// Returns the state that only the open commit group may read and write, and waits for the group before it.
    pub(crate) fn lock_writer(&self) -> MutexGuard<'_, Writer> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the revision of the newest committed change. Never waits.
    pub fn revision(&self) -> Revision {
        Revision::new(self.0.revision.load(Ordering::Acquire))
    }

    /// Frees the space of removed rows in the background. Returns false while it is in progress; call it again then.
    pub fn reclaim(&self) -> Result<bool> {
        self.0.engine.reclaim()
    }

    /// Fails with `storage_full` where there is too little disk space to add data.
    pub fn check_growth(&self) -> Result<()> {
        self.0.engine.check_growth()
    }

    /// Returns at most `limit` namespaces in the order of their names, starting after `after`.
    pub fn namespaces(
        &self,
        after: Option<&Namespace>,
        limit: usize,
    ) -> Result<Vec<NamespaceInfo>> {
        let mut start = match after {
            Some(name) => successor(name.as_str().as_bytes()),
            None => Bytes::from_static(encoding::FIRST_NAME),
        };
        let mut found = Vec::new();
        // Some rows are of dropped namespaces: few, but they may be adjacent.
        while found.len() < limit {
            let (range, wanted) = (KeyRange { start, end: None }, limit - found.len());
            let page = self
                .0
                .engine
                .page(Table::Catalogue, &range, PageLimit::rows(wanted))?;
            let Some((last, _)) = page.last() else { break };
            start = successor(last);
            for (name, value) in page {
                if let Some(row) = encoding::parse_catalogue(&value)?.live() {
                    let meta = self.meta(row.id)?;
                    found.push(NamespaceInfo {
                        name: encoding::parse_name(&name)?,
                        created: row.created,
                        counts: meta.counts,
                        revision: meta.revision,
                        settings: row.settings,
                    });
                }
            }
        }
        Ok(found)
    }

    /// Returns whether there is a namespace of this name.
    pub fn has_namespace(&self, name: &Namespace) -> Result<bool> {
        let row = self.catalogue_row(name)?;
        Ok(row.and_then(CatalogueRow::live).is_some())
    }

    /// Returns the approximate size of the stored data, in bytes.
    pub fn stored_bytes(&self) -> Result<u64> {
        self.0.engine.stored_bytes()
    }

    /// Returns the earliest time at which an entry may expire; none where no entry does. Nothing may be due at that
    /// time.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let millis = self.0.next_deadline.load(Ordering::Acquire);
        (millis != u64::MAX).then_some(Timestamp::from_millis(millis))
    }

    /// Records that an entry expires at this time.
    pub(crate) fn note_deadline(&self, deadline: Timestamp) {
        self.0
            .next_deadline
            .fetch_min(deadline.as_millis(), Ordering::AcqRel);
    }

    /// Sets the earliest deadline. A group must be open.
    pub(crate) fn set_next_deadline(&self, deadline: Option<Timestamp>) {
        let millis = deadline.map_or(u64::MAX, Timestamp::as_millis);
        self.0.next_deadline.store(millis, Ordering::Release);
    }

    /// Returns the guarantees of the engine.
    pub fn capabilities(&self) -> Capabilities {
        self.0.engine.capabilities()
    }

    pub(crate) fn cache(&self) -> Option<&EntryCache> {
        self.0.cache.as_ref()
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.0.engine
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn catalogue_row(&self, name: &Namespace) -> Result<Option<CatalogueRow>> {
        let value = self
            .0
            .engine
            .get(Table::Catalogue, name.as_str().as_bytes())?;
        value
            .map(|value| encoding::parse_catalogue(&value))
            .transpose()
    }

    pub(crate) fn meta(&self, id: NamespaceId) -> Result<NamespaceMeta> {
        self.parse_meta(self.0.engine.get(Table::Meta, &encoding::counts_key(id))?)
    }

    pub(crate) fn parse_meta(&self, value: Option<Bytes>) -> Result<NamespaceMeta> {
        match value {
            Some(value) => encoding::parse_counts(&value),
            // It was dropped in the meantime.
            None => Ok(NamespaceMeta {
                compacted_revision: Revision::new(u64::MAX),
                ..NamespaceMeta::default()
            }),
        }
    }

    /// Returns the last revision before the gap that contains this revision, if one does.
    pub(crate) fn before_gap(&self, revision: Revision) -> Option<Revision> {
        self.0.gaps.before(revision)
    }

    /// Returns the entry in the cache, if any.
    pub(crate) fn cached(&self, id: NamespaceId, key: &[u8]) -> Option<Entry> {
        self.0.cache.as_ref()?.get(id, key)
    }

    /// Returns the entry, expired or not, from the cache or else from the engine.
    pub(crate) fn current(&self, id: NamespaceId, key: &[u8]) -> Result<Option<Entry>> {
        match self.cached(id, key) {
            Some(entry) => Ok(Some(entry)),
            None => Ok(self.peek(id, key, usize::MAX)?.map(|found| found.entry)),
        }
    }

    /// Returns the entry in the engine, expired or not, and caches it. A separated value of more than `max_bytes` bytes
    /// is not read, and nothing is cached then.
    pub(crate) fn peek(
        &self,
        id: NamespaceId,
        key: &[u8],
        max_bytes: usize,
    ) -> Result<Option<PeekedEntry>> {
        let token = self.0.cache.as_ref().map(|cache| cache.read_token(id, key));
        let entry = match self.stored(id, key)? {
            Some(stored) => match stored.left_bytes(max_bytes) {
                None => self.with_value(id, key, stored)?,
                left_bytes => {
                    let entry = stored.entry;
                    return Ok(Some(PeekedEntry { entry, left_bytes }));
                }
            },
            None => None,
        };
        if let (Some(cache), Some(token), Some(entry)) = (&self.0.cache, token, &entry) {
            cache.fill(token, id, key, entry.clone());
        }
        Ok(entry.map(PeekedEntry::from))
    }

    /// Returns the entry in the engine as its row has it: without a separated value.
    pub(crate) fn stored(&self, id: NamespaceId, key: &[u8]) -> Result<Option<StoredEntry>> {
        let Some(mut row) = self
            .0
            .engine
            .get(Table::Data, &encoding::data_key(id, key))?
        else {
            return Ok(None);
        };
        if row.len() <= SHARED_BLOCK_BYTES {
            // A slice of a whole block would keep the block in memory as long as the entry.
            row = Bytes::copy_from_slice(&row);
        }
        encoding::parse_stored(row).map(Some)
    }

    /// Returns the entry with its value; none where it was removed meanwhile.
    fn with_value(
        &self,
        id: NamespaceId,
        key: &[u8],
        stored: StoredEntry,
    ) -> Result<Option<Entry>> {
        let engine = &self.0.engine;
        if let Some(entry) = stored.with_value(id, key, |row| engine.get(Table::Data, row))? {
            return Ok(Some(entry));
        }
        // Another value was committed between the two reads: read both from one snapshot.
        let snapshot = engine.snapshot()?;
        let Some(row) = snapshot.get(Table::Data, &encoding::data_key(id, key))? else {
            return Ok(None);
        };
        let stored = encoding::parse_stored(Bytes::copy_from_slice(&row))?;
        encoding::read_entry(&*snapshot, id, key, stored).map(Some)
    }

    /// Returns the value of an entry whose value is separated.
    pub(crate) fn value(&self, id: NamespaceId, key: &[u8], stored: StoredEntry) -> Result<Bytes> {
        let entry = self.with_value(id, key, stored)?;
        let missing = || Error::new(Code::Corrupted, "a stored value is missing");
        entry.map(|entry| entry.value).ok_or_else(missing)
    }

    /// Removes a key from the cache before its change is committed.
    pub(crate) fn invalidate(&self, id: NamespaceId, key: &crate::Key) {
        if let Some(cache) = &self.0.cache {
            cache.invalidate(id, key);
        }
    }

    /// Updates the cache after the change of a key was committed.
    pub(crate) fn insert_committed(&self, id: NamespaceId, key: &crate::Key, entry: Option<Entry>) {
        if let Some(cache) = &self.0.cache {
            cache.insert_committed(id, key, entry);
        }
    }

    /// Makes everything up to this revision visible to readers.
    pub(crate) fn advance(&self, revision: Revision) {
        self.0.revision.fetch_max(revision.get(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryEngine;
    use crate::engine::{Batch, Durability};

    #[test]
    fn another_format_is_refused() {
        for (found, way_out) in [
            (
                encoding::FORMAT - 1,
                "export it with the release that wrote it",
            ),
            (encoding::FORMAT + 1, "use a newer release"),
        ] {
            let engine = MemoryEngine::new();
            let mut batch = Batch::default();
            let value = encoding::number_value(found);
            batch.put(Table::Meta, encoding::META_FORMAT, value);
            engine.commit(batch, Durability::Synced).unwrap();
            let opened = Database::open(Arc::new(engine), Options::default());
            let error = opened.map(drop).unwrap_err();
            let text = format!(
                "the data has format {found}: this release reads format {}; ",
                encoding::FORMAT
            );
            assert!(error.message().starts_with(&text), "{error}");
            assert!(error.message().contains(way_out), "{error}");
            assert_eq!(error.code(), Code::Storage);
        }
    }

    /// An engine whose watermark is higher than its data.
    struct TruncatedEngine {
        inner: MemoryEngine,
        accepts: bool,
    }

    impl Engine for TruncatedEngine {
        fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
            self.inner.get(table, key)
        }
        fn page(
            &self,
            table: Table,
            range: &KeyRange,
            limit: PageLimit,
        ) -> Result<Vec<(Bytes, Bytes)>> {
            self.inner.page(table, range, limit)
        }
        fn snapshot(&self) -> Result<Box<dyn crate::engine::Snapshot>> {
            self.inner.snapshot()
        }

        fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
            self.inner.commit(batch, durability)
        }
        fn sync(&self) -> Result<()> {
            self.inner.sync()
        }
        fn watermark(&self) -> Result<Revision> {
            Ok(Revision::new(7))
        }
        fn raise_watermark(&self, _: Revision) -> Result<()> {
            Ok(())
        }
        fn stored_bytes(&self) -> Result<u64> {
            self.inner.stored_bytes()
        }
        fn capabilities(&self) -> Capabilities {
            self.inner.capabilities()
        }
        fn lost_commits(&self) -> bool {
            self.accepts
        }
    }

    #[test]
    fn data_that_ends_before_the_watermark_is_refused_until_the_loss_is_accepted() {
        let open = |accepts| {
            let inner = MemoryEngine::new();
            Database::open(
                Arc::new(TruncatedEngine { inner, accepts }),
                Options::default(),
            )
        };
        let refused = open(false).map(drop).unwrap_err();
        assert_eq!(
            (refused.code(), refused.message()),
            (
                Code::Corrupted,
                "the data ends at revision 0, but revision 7 was synced"
            )
        );
        let accepted = open(true).unwrap().revision();
        assert!(accepted > Revision::new(1 << 30), "{accepted}");
    }
}

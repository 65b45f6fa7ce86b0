//! Statistics of the stored data: the counts of all namespaces, and the largest ones.
//!
//! It reads the counts, not the data: about a microsecond for each namespace, and one page of them in memory. How often
//! is up to the caller.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bytes::Bytes;

use crate::database::Database;
use crate::encoding;
use crate::encoding::NamespaceId;
use crate::engine::cache::{CacheStats, EntryCache};
use crate::engine::{KeyRange, PageLimit, Snapshot, Table, successor};
use crate::{Counts, Namespace, Result};

const PAGE_ROWS: usize = 1_000;

/// The counts of all namespaces at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageStats {
    /// The number of namespaces.
    pub namespaces: u64,
    /// Their counts together.
    pub counts: Counts,
    /// The namespaces with the most bytes, the largest first.
    pub largest: Vec<(Namespace, Counts)>,
}

impl Database {
    /// Counts the data, and returns at most `max_largest` of the largest namespaces.
    ///
    /// ```
    /// use akvs_core::{Database, Key, MemoryEngine, Namespace, Options, Store, Timestamp};
    /// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
    /// let store = Store::new(&database, Namespace::new("ns")?)?;
    /// store.set(&Key::new("k")?, "value", Timestamp::from_millis(0))?;
    /// let stats = database.storage_stats(10)?;
    /// assert_eq!((stats.namespaces, stats.counts.keys, stats.counts.bytes), (1, 1, 6));
    /// assert_eq!(stats.largest[0].0.as_str(), "ns");
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn storage_stats(&self, max_largest: usize) -> Result<StorageStats> {
        let snapshot = self.engine().snapshot()?;
        let mut stats = StorageStats::default();
        let mut largest = BinaryHeap::with_capacity(max_largest + 1);
        each_row(
            &*snapshot,
            Table::Meta,
            encoding::counts_range(),
            |key, value| {
                let id = encoding::parse_counts_key(key)?;
                let counts = self.parse_meta(Some(value))?.counts;
                stats.namespaces += 1;
                stats.counts.keys += counts.keys;
                stats.counts.bytes += counts.bytes;
                stats.counts.history += counts.history;
                largest.push(Reverse((counts.bytes, id, counts.keys, counts.history)));
                if largest.len() > max_largest {
                    largest.pop();
                }
                Ok(true)
            },
        )?;
        let largest = largest
            .into_iter()
            .map(|Reverse((bytes, id, keys, history))| {
                let counts = Counts {
                    keys,
                    bytes,
                    history,
                };
                (id, counts)
            });
        stats.largest = names(&*snapshot, largest.collect())?;
        Ok(stats)
    }

    /// Returns the statistics of the read cache; zeros where there is none.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache().map(EntryCache::stats).unwrap_or_default()
    }
}

/// Returns the names of namespaces, the largest first.
fn names(
    snapshot: &dyn Snapshot,
    mut wanted: HashMap<NamespaceId, Counts>,
) -> Result<Vec<(Namespace, Counts)>> {
    let mut found = Vec::with_capacity(wanted.len());
    let range = KeyRange {
        start: Bytes::from_static(encoding::FIRST_NAME),
        end: None,
    };
    // Only the catalogue has the names of ids, and it is ordered by name.
    each_row(snapshot, Table::Catalogue, range, |name, value| {
        let live = encoding::parse_catalogue(&value)?.live();
        if let Some(counts) = live.and_then(|row| wanted.remove(&row.id)) {
            found.push((encoding::parse_name(name)?, counts));
        }
        Ok(!wanted.is_empty())
    })?;
    found.sort_by(|(name, counts), (other, others)| {
        (others.bytes, name).cmp(&(counts.bytes, other))
    });
    Ok(found)
}

/// Reads rows page by page until `read` returns false.
fn each_row(
    snapshot: &dyn Snapshot,
    table: Table,
    mut range: KeyRange,
    mut read: impl FnMut(&[u8], Bytes) -> Result<bool>,
) -> Result<()> {
    loop {
        let page = snapshot.page(table, &range, PageLimit::rows(PAGE_ROWS))?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        range.start = successor(last);
        for (key, value) in page {
            if !read(&key, value)? {
                return Ok(());
            }
        }
    }
}

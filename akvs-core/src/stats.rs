//! Counting everything: what all namespaces hold together, and which hold most.
//!
//! It reads the rows that count, never the data, so that it costs about a microsecond a namespace, and holds no more
//! than a page of them at a time. How often that is worth it, the caller decides.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bytes::Bytes;

use crate::database::Database;
use crate::encoding;
use crate::encoding::NamespaceId;
use crate::engine::cache::{CacheStats, EntryCache};
use crate::engine::{KeyRange, PageLimit, Snapshot, Table};
use crate::{Counts, Namespace, Result};

const PAGE_ROWS: usize = 1_000;

/// What all namespaces hold at one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageStats {
    /// How many namespaces there are.
    pub namespaces: u64,
    /// What they hold together.
    pub counts: Counts,
    /// Those with the most bytes, the largest first.
    pub largest: Vec<(Namespace, Counts)>,
}

impl Database {
    /// Counts what there is, and names up to so many of the largest namespaces.
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

    /// What the read cache holds; nothing where there is none.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache().map(EntryCache::stats).unwrap_or_default()
    }
}

/// Finds the names of namespaces, and puts the largest first.
fn names(
    snapshot: &dyn Snapshot,
    mut wanted: HashMap<NamespaceId, Counts>,
) -> Result<Vec<(Namespace, Counts)>> {
    let mut found = Vec::with_capacity(wanted.len());
    let range = KeyRange {
        start: Bytes::from_static(encoding::FIRST_NAME),
        end: None,
    };
    // Only the catalogue tells who has an id, and it is ordered by name.
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

/// Reads rows page by page, until one is the last that is wanted.
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
        range.start = [last, &[0][..]].concat().into();
        for (key, value) in page {
            if !read(&key, value)? {
                return Ok(());
            }
        }
    }
}

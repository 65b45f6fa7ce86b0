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

/// What all namespaces hold at one moment.
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
    /// let census = database.census(10)?;
    /// assert_eq!((census.namespaces, census.counts.keys, census.counts.bytes), (1, 1, 6));
    /// assert_eq!(census.largest[0].0.as_str(), "ns");
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn census(&self, most: usize) -> Result<StorageStats> {
        let moment = self.engine().snapshot()?;
        let mut census = StorageStats::default();
        let mut largest = BinaryHeap::with_capacity(most + 1);
        each_row(
            &*moment,
            Table::Meta,
            encoding::counts_span(),
            |key, value| {
                let id = encoding::parse_counts_key(key)?;
                let counts = self.parse_tally(Some(value))?.counts;
                census.namespaces += 1;
                census.counts.keys += counts.keys;
                census.counts.bytes += counts.bytes;
                census.counts.history += counts.history;
                largest.push(Reverse((counts.bytes, id, counts.keys, counts.history)));
                if largest.len() > most {
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
        census.largest = names(&*moment, largest.collect())?;
        Ok(census)
    }

    /// What the read cache holds; nothing where there is none.
    pub fn cache_stats(&self) -> CacheStats {
        self.cache().map(EntryCache::stats).unwrap_or_default()
    }
}

/// Finds the names of namespaces, and puts the largest first.
fn names(
    moment: &dyn Snapshot,
    mut wanted: HashMap<NamespaceId, Counts>,
) -> Result<Vec<(Namespace, Counts)>> {
    let mut found = Vec::with_capacity(wanted.len());
    let span = KeyRange {
        start: Bytes::from_static(encoding::FIRST_NAME),
        end: None,
    };
    // Only the catalogue tells who has an id, and it is ordered by name.
    each_row(moment, Table::Catalogue, span, |name, value| {
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
    moment: &dyn Snapshot,
    table: Table,
    mut span: KeyRange,
    mut read: impl FnMut(&[u8], Bytes) -> Result<bool>,
) -> Result<()> {
    loop {
        let page = moment.page(table, &span, PageLimit::rows(PAGE_ROWS))?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        span.start = [last, &[0][..]].concat().into();
        for (key, value) in page {
            if !read(&key, value)? {
                return Ok(());
            }
        }
    }
}

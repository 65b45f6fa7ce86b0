//! The engine in memory: ordered maps under one lock, for tests and caches.
//!
//! The maps are persistent data structures, so that a snapshot is a cheap copy.

use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use rpds::RedBlackTreeMapSync;

use super::{Batch, Capabilities, Durability, Engine, KeyRange, PageLimit, Snapshot, Table};
use crate::{Result, Revision};

type Rows = RedBlackTreeMapSync<Bytes, Bytes>;
type Tables = [Rows; Table::ALL.len()];

/// An engine whose rows live as long as it does.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    // One lock for all tables makes a batch atomic for every reader.
    tables: RwLock<Tables>,
}

impl MemoryEngine {
    /// Creates an empty engine.
    pub fn new() -> MemoryEngine {
        MemoryEngine::default()
    }
}

/// Returns the rows of a range in order, from either end; none where the range is empty.
fn rows_in<'a>(
    rows: &'a Rows,
    range: &'a KeyRange,
) -> Option<impl DoubleEndedIterator<Item = Result<(Bytes, Bytes)>> + 'a> {
    let end = match &range.end {
        // The map panics on a range that ends before it starts.
        Some(end) if *end <= range.start => return None,
        Some(end) => Bound::Excluded(end),
        None => Bound::Unbounded,
    };
    let rows = rows.range::<Bytes, _>((Bound::Included(&range.start), end));
    Some(rows.map(|(key, value)| Ok((key.clone(), value.clone()))))
}

impl Snapshot for Tables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self[table as usize].get(key).cloned())
    }

    fn page(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let rows = rows_in(&self[table as usize], range);
        rows.map_or(Ok(Vec::new()), |rows| limit.take(rows))
    }

    fn page_back(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let rows = rows_in(&self[table as usize], range);
        rows.map_or(Ok(Vec::new()), |rows| limit.take(rows.rev()))
    }
}

impl Engine for MemoryEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.get(table, key)
    }

    fn page(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.page(table, range, limit)
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(tables.clone()))
    }

    fn commit(&self, batch: Batch, _: Durability) -> Result<()> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for row in batch.into_rows() {
            let rows = &mut tables[row.table as usize];
            match row.value {
                Some(value) => rows.insert_mut(row.key, value),
                None => {
                    rows.remove_mut(&row.key);
                }
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn watermark(&self) -> Result<Revision> {
        Ok(Revision::ZERO)
    }

    fn raise_watermark(&self, _: Revision) -> Result<()> {
        Ok(())
    }

    fn stored_bytes(&self) -> Result<u64> {
        // Reads of memory never wait for a disk.
        Ok(0)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: false }
    }
}

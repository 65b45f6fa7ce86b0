//! The engine in memory: ordered maps under one lock, for tests and caches.
//!
//! A snapshot is the number of a commit. Rows that later commits replace are kept as long as a snapshot needs them.

mod outdated;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use self::outdated::OutdatedRows;
use super::{Batch, Capabilities, Durability, Engine, KeyRange, PageLimit, Snapshot, Table};
use crate::{Result, Revision};

type Rows = BTreeMap<Bytes, Bytes>;

/// An engine whose rows live as long as it does.
#[derive(Debug, Default)]
pub struct MemoryEngine(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    // One lock for all tables makes a batch atomic for every reader.
    tables: RwLock<Tables>,
    /// The open snapshots: how many there are of each commit. Locked after `tables`.
    snapshots: Mutex<BTreeMap<u64, usize>>,
}

#[derive(Debug, Default)]
struct Tables {
    rows: [Rows; Table::ALL.len()],
    /// The number of the last commit.
    commit: u64,
    outdated: OutdatedRows,
}

/// The rows after a commit.
struct MemorySnapshot {
    inner: Arc<Inner>,
    commit: u64,
}

impl MemoryEngine {
    /// Creates an empty engine.
    pub fn new() -> MemoryEngine {
        MemoryEngine::default()
    }
}

impl Inner {
    fn tables(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables_mut(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn snapshots(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        let snapshots = self.snapshots.lock();
        snapshots.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the bounds of a range; none where it is empty.
fn bounds(range: &KeyRange) -> Option<(Bound<&Bytes>, Bound<&Bytes>)> {
    let end = match &range.end {
        // The map panics on a range that ends before it starts.
        Some(end) if *end <= range.start => return None,
        Some(end) => Bound::Excluded(end),
        None => Bound::Unbounded,
    };
    Some((Bound::Included(&range.start), end))
}

impl Tables {
    /// Returns the rows of a range in order, from either end.
    fn range<'a>(
        &'a self,
        table: Table,
        range: &'a KeyRange,
    ) -> impl DoubleEndedIterator<Item = (&'a Bytes, &'a Bytes)> {
        let rows = &self.rows[table as usize];
        bounds(range)
            .into_iter()
            .flat_map(|bounds| rows.range::<Bytes, _>(bounds))
    }
}

/// Takes rows up to a limit.
fn page<'a>(
    limit: PageLimit,
    rows: impl Iterator<Item = (&'a Bytes, &'a Bytes)>,
) -> Result<Vec<(Bytes, Bytes)>> {
    limit.take(rows.map(|(key, value)| Ok((key.clone(), value.clone()))))
}

impl Snapshot for MemorySnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        let tables = self.inner.tables();
        Ok(match tables.outdated.get(table, key, self.commit) {
            Some(value) => value.cloned(),
            None => tables.rows[table as usize].get(key).cloned(),
        })
    }

    fn page(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let tables = self.inner.tables();
        let outdated = tables.outdated.range(table, range, self.commit);
        let current = tables.range(table, range);
        page(limit, outdated::merge(outdated, current, Ord::cmp))
    }

    fn page_back(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let tables = self.inner.tables();
        let outdated = tables.outdated.range(table, range, self.commit).rev();
        let current = tables.range(table, range).rev();
        let backwards = |one: &Bytes, other: &Bytes| other.cmp(one);
        page(limit, outdated::merge(outdated, current, backwards))
    }
}

impl Drop for MemorySnapshot {
    fn drop(&mut self) {
        {
            let mut snapshots = self.inner.snapshots();
            if let Some(count) = snapshots.get_mut(&self.commit) {
                *count -= 1;
                if *count == 0 {
                    snapshots.remove(&self.commit);
                }
            }
            if !snapshots.is_empty() {
                return;
            }
        }
        let mut tables = self.inner.tables_mut();
        let is_needed = !self.inner.snapshots().is_empty();
        let outdated = match is_needed {
            true => OutdatedRows::default(),
            false => std::mem::take(&mut tables.outdated),
        };
        // There may be many.
        drop(tables);
        drop(outdated);
    }
}

impl Engine for MemoryEngine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.0.tables().rows[table as usize].get(key).cloned())
    }

    fn page(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        page(limit, self.0.tables().range(table, range))
    }

    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let tables = self.0.tables();
        let commit = tables.commit;
        *self.0.snapshots().entry(commit).or_default() += 1;
        let inner = Arc::clone(&self.0);
        Ok(Box::new(MemorySnapshot { inner, commit }))
    }

    fn commit(&self, batch: Batch, _: Durability) -> Result<()> {
        let mut tables = self.0.tables_mut();
        let (oldest, newest) = {
            let snapshots = self.0.snapshots();
            let number = |entry: Option<(&u64, &usize)>| entry.map(|(commit, _)| *commit);
            let oldest = number(snapshots.first_key_value());
            (oldest, number(snapshots.last_key_value()))
        };
        let Tables {
            rows,
            commit,
            outdated,
        } = &mut *tables;
        *commit += 1;
        for row in batch.into_rows() {
            let rows = &mut rows[row.table as usize];
            let key = newest.map(|_| row.key.clone());
            let old = match row.value {
                Some(value) => rows.insert(row.key, value),
                None => rows.remove(&row.key),
            };
            if let (Some(newest), Some(key)) = (newest, key) {
                outdated.keep(row.table, key, old, *commit, newest);
            }
        }
        outdated.trim(oldest);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        /// Commits these rows; none removes a row.
        Commit(Vec<(u8, Option<u8>)>),
        Open,
        Close(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let rows = proptest::collection::btree_map(0_u8..12, any::<Option<u8>>(), 0..4);
        prop_oneof![
            4 => rows.prop_map(|rows| Step::Commit(rows.into_iter().collect())),
            2 => Just(Step::Open),
            1 => any::<usize>().prop_map(Step::Close),
        ]
    }

    fn all(snapshot: &dyn Snapshot, limit: PageLimit) -> Vec<(Bytes, Bytes)> {
        let mut range = KeyRange::prefix("");
        let mut rows = Vec::new();
        loop {
            let page = snapshot.page(Table::Data, &range, limit).unwrap();
            let Some((last, _)) = page.last() else {
                return rows;
            };
            range.start = super::super::successor(last);
            rows.extend(page);
        }
    }

    proptest! {
        #[test]
        fn a_snapshot_stays_as_it_was(steps in proptest::collection::vec(step(), 1..60)) {
            let engine = MemoryEngine::new();
            let mut model = Rows::new();
            let mut open: Vec<(Box<dyn Snapshot>, Rows)> = Vec::new();
            for step in steps {
                match step {
                    Step::Commit(rows) => {
                        let mut batch = Batch::default();
                        for (key, value) in rows {
                            let key = Bytes::from(vec![key]);
                            match value {
                                Some(value) => {
                                    model.insert(key.clone(), vec![value].into());
                                    batch.put(Table::Data, key, vec![value]);
                                }
                                None => {
                                    model.remove(&key);
                                    batch.remove(Table::Data, key);
                                }
                            }
                        }
                        engine.commit(batch, Durability::Synced).unwrap();
                    }
                    Step::Open => open.push((engine.snapshot().unwrap(), model.clone())),
                    Step::Close(which) if !open.is_empty() => drop(open.swap_remove(which % open.len())),
                    Step::Close(_) => {}
                }
                for (snapshot, expected) in &open {
                    let rows: Vec<_> = expected.clone().into_iter().collect();
                    prop_assert_eq!(&all(&**snapshot, PageLimit::rows(2)), &rows);
                    let back = snapshot.page_back(Table::Data, &KeyRange::prefix(""), PageLimit::rows(100)).unwrap();
                    prop_assert!(back.iter().rev().eq(&rows));
                    for key in 0..12 {
                        let key = [key];
                        prop_assert_eq!(snapshot.get(Table::Data, &key).unwrap(), expected.get(&key[..]).cloned());
                    }
                }
            }
            prop_assert_eq!(all(&*engine.snapshot().unwrap(), PageLimit::rows(5)), model.into_iter().collect::<Vec<_>>());
            open.clear();
            prop_assert!(engine.0.tables().outdated.is_empty());
        }
    }

    #[test]
    fn a_row_is_kept_once_for_a_snapshot_however_often_it_is_replaced() {
        let engine = MemoryEngine::new();
        let put = |value: u8| {
            let mut batch = Batch::default();
            batch.put(Table::Data, &b"row"[..], vec![value]);
            engine.commit(batch, Durability::Synced).unwrap();
        };
        put(0);
        let snapshot = engine.snapshot().unwrap();
        (1..100).for_each(put);
        assert_eq!(engine.0.tables().outdated.len(), 1);
        assert_eq!(snapshot.get(Table::Data, b"row").unwrap().unwrap(), vec![0]);
        // A later snapshot needs another one, and the commit after the first is closed removes what that needed.
        let later = engine.snapshot().unwrap();
        put(100);
        assert_eq!(engine.0.tables().outdated.len(), 2);
        drop(snapshot);
        put(101);
        assert_eq!(engine.0.tables().outdated.len(), 1);
        assert_eq!(later.get(Table::Data, b"row").unwrap().unwrap(), vec![99]);
    }
}

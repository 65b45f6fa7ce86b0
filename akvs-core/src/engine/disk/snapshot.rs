//! The tables as they were at one moment.
//!
//! fjall keeps replaced data, and the files open, as long as this exists. The owner of a snapshot therefore also owns
//! the engine.

use bytes::Bytes;
use fjall::{Guard, Keyspace, Readable};

use super::failure::{guarded, translate};
use super::{FjallStore, commit_markers};
use crate::Result;
use crate::engine::{KeyRange, PageLimit, Snapshot, Table};

pub(super) struct DiskSnapshot {
    snapshot: fjall::Snapshot,
    keyspaces: [Keyspace; Table::ALL.len()],
}

impl DiskSnapshot {
    pub(super) fn new(store: &FjallStore) -> DiskSnapshot {
        DiskSnapshot {
            snapshot: store.database.snapshot(),
            keyspaces: store.keyspaces.clone(),
        }
    }

    /// Returns the sequence number below which commits are visible.
    pub(super) fn sequence(&self) -> u64 {
        self.snapshot.seqno()
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table as usize]
    }

    /// Returns the rows of a range in order, from either end; none where the range is empty.
    fn rows(&self, table: Table, range: &KeyRange) -> Option<fjall::Iter> {
        let start = range
            .start
            .clone()
            .max(Bytes::from_static(&commit_markers::FIRST_ROW));
        let keyspace = self.keyspace(table);
        match &range.end {
            Some(end) if *end <= start => None,
            Some(end) => Some(self.snapshot.range(keyspace, start..end.clone())),
            None => Some(self.snapshot.range(keyspace, start..)),
        }
    }
}

impl Snapshot for DiskSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        guarded(|| {
            let value = self.snapshot.get(self.keyspace(table), key);
            Ok(value.map_err(translate)?.map(Bytes::from))
        })
    }

    fn page(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        guarded(|| match self.rows(table, range) {
            Some(rows) => limit.take(rows.map(read)),
            None => Ok(Vec::new()),
        })
    }

    fn page_back(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        guarded(|| match self.rows(table, range) {
            Some(rows) => limit.take(rows.rev().map(read)),
            None => Ok(Vec::new()),
        })
    }
}

fn read(row: Guard) -> Result<(Bytes, Bytes)> {
    let (key, value) = row.into_inner().map_err(translate)?;
    Ok((key.into(), value.into()))
}

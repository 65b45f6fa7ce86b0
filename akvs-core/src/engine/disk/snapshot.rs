//! The tables as they stood together at one moment.
//!
//! fjall keeps what is replaced for as long as this is kept. It also keeps the files open: whoever holds it holds the
//! engine as well.

use bytes::Bytes;
use fjall::{Keyspace, Readable};

use super::failure::{guarded, translate};
use super::{Store, marks};
use crate::Result;
use crate::engine::{Limit, Snapshot, Span, Table};

pub(super) struct DiskSnapshot {
    snapshot: fjall::Snapshot,
    keyspaces: [Keyspace; Table::ALL.len()],
}

impl DiskSnapshot {
    pub(super) fn new(store: &Store) -> DiskSnapshot {
        DiskSnapshot {
            snapshot: store.database.snapshot(),
            keyspaces: store.keyspaces.clone(),
        }
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table as usize]
    }
}

impl Snapshot for DiskSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        guarded(|| {
            let value = self.snapshot.get(self.keyspace(table), key);
            Ok(value.map_err(translate)?.map(Bytes::from))
        })
    }

    fn page(&self, table: Table, span: &Span, limit: Limit) -> Result<Vec<(Bytes, Bytes)>> {
        let start = span
            .start
            .clone()
            .max(Bytes::from_static(&marks::FIRST_ROW));
        if span.end.as_ref().is_some_and(|end| *end <= start) {
            return Ok(Vec::new());
        }
        guarded(|| {
            let rows = match &span.end {
                Some(end) => self
                    .snapshot
                    .range(self.keyspace(table), start..end.clone()),
                None => self.snapshot.range(self.keyspace(table), start..),
            };
            limit.take(rows.map(|row| {
                let (key, value) = row.into_inner().map_err(translate)?;
                Ok((key.into(), value.into()))
            }))
        })
    }
}

//! The tables as they were at one moment.
//!
//! Replaced data is kept, and the files open, as long as this exists. The owner of a snapshot therefore also owns the
//! engine.

use std::sync::Arc;

use bytes::Bytes;
use lsm_tree::{AbstractTree, Guard, IterGuardImpl};

use super::failure::{guarded, translate};
use super::snapshots::Registered;
use super::trees::Trees;
use crate::Result;
use crate::engine::{KeyRange, PageLimit, Snapshot, Table};

type Rows = Box<dyn DoubleEndedIterator<Item = IterGuardImpl> + Send>;

pub(super) struct DiskSnapshot {
    trees: Arc<Trees>,
    registered: Registered,
}

impl DiskSnapshot {
    pub(super) fn new(trees: Arc<Trees>, registered: Registered) -> DiskSnapshot {
        DiskSnapshot { trees, registered }
    }

    /// Returns the rows of a range in order, from either end; none where the range is empty.
    fn rows(&self, table: Table, range: &KeyRange) -> Option<Rows> {
        let (tree, number) = (self.trees.tree(table), self.registered.number());
        match &range.end {
            Some(end) if *end <= range.start => None,
            Some(end) => Some(tree.range(range.start.clone()..end.clone(), number, None)),
            None => Some(tree.range(range.start.clone().., number, None)),
        }
    }
}

impl Snapshot for DiskSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        guarded(|| {
            let value = self.trees.tree(table).get(key, self.registered.number());
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

fn read(row: IterGuardImpl) -> Result<(Bytes, Bytes)> {
    let (key, value) = row.into_inner().map_err(translate)?;
    Ok((key.into(), value.into()))
}

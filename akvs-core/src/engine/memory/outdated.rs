//! Rows that were replaced or removed while a snapshot was open.
//!
//! Invariant: the value of a row in a snapshot is that of the row's first version which a later commit than the
//! snapshot's replaced; without one it is the current value.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::bounds;
use crate::engine::{KeyRange, Table};

/// The versions that a commit removes at most, in addition to those that it adds.
const MAX_TRIMMED: usize = 64;

#[derive(Debug, Default)]
pub(super) struct OutdatedRows {
    tables: [BTreeMap<Bytes, Vec<Version>>; Table::ALL.len()],
    /// All versions, in the order of the commits that replaced them.
    order: VecDeque<(u64, Table, Bytes)>,
    /// The number of versions that were added since the last trimming.
    added: usize,
}

/// An earlier value of a row; none if there was no row.
#[derive(Debug)]
struct Version {
    value: Option<Bytes>,
    /// The number of the commit that replaced it.
    until: u64,
}

impl OutdatedRows {
    /// Keeps the value of a row that a commit replaces, if the newest snapshot needs it.
    pub(super) fn keep(
        &mut self,
        table: Table,
        key: Bytes,
        value: Option<Bytes>,
        until: u64,
        newest_snapshot: u64,
    ) {
        let versions = self.tables[table as usize].entry(key.clone()).or_default();
        // The value is newer than every snapshot.
        if versions
            .last()
            .is_some_and(|last| last.until > newest_snapshot)
        {
            return;
        }
        versions.push(Version { value, until });
        self.order.push_back((until, table, key));
        self.added += 1;
    }

    /// Removes versions that no snapshot needs, a bounded number of them.
    pub(super) fn trim(&mut self, oldest_snapshot: Option<u64>) {
        for _ in 0..2 * std::mem::take(&mut self.added) + MAX_TRIMMED {
            let is_needed = |until: u64| oldest_snapshot.is_some_and(|oldest| until > oldest);
            let Some((_, table, key)) = self.order.pop_front_if(|(until, ..)| !is_needed(*until))
            else {
                return;
            };
            let rows = &mut self.tables[table as usize];
            if let Some(versions) = rows.get_mut(&key) {
                versions.remove(0);
                if versions.is_empty() {
                    rows.remove(&key);
                }
            }
        }
    }

    /// Returns the value of a row in a snapshot, and none if it is the current value.
    pub(super) fn get(&self, table: Table, key: &[u8], snapshot: u64) -> Option<Option<&Bytes>> {
        let versions = self.tables[table as usize].get(key)?;
        Some(in_snapshot(versions, snapshot)?.as_ref())
    }

    /// Returns the rows of a range whose values in a snapshot are not the current ones, in order, from either end.
    pub(super) fn range<'a>(
        &'a self,
        table: Table,
        range: &'a KeyRange,
        snapshot: u64,
    ) -> impl DoubleEndedIterator<Item = (&'a Bytes, Option<&'a Bytes>)> {
        let rows = &self.tables[table as usize];
        let rows = bounds(range)
            .into_iter()
            .flat_map(|bounds| rows.range::<Bytes, _>(bounds));
        rows.filter_map(move |(key, versions)| {
            Some((key, in_snapshot(versions, snapshot)?.as_ref()))
        })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.tables.iter().all(BTreeMap::is_empty)
    }
}

fn in_snapshot(versions: &[Version], snapshot: u64) -> Option<&Option<Bytes>> {
    let version = versions.iter().find(|version| version.until > snapshot)?;
    Some(&version.value)
}

/// Merges the rows of a snapshot that are outdated with the current ones, where both are in this order. An outdated row
/// hides the current one.
pub(super) fn merge<'a>(
    outdated: impl Iterator<Item = (&'a Bytes, Option<&'a Bytes>)>,
    current: impl Iterator<Item = (&'a Bytes, &'a Bytes)>,
    order: impl Fn(&Bytes, &Bytes) -> Ordering,
) -> impl Iterator<Item = (&'a Bytes, &'a Bytes)> {
    let (mut outdated, mut current) = (outdated.peekable(), current.peekable());
    std::iter::from_fn(move || {
        loop {
            let next = match (outdated.peek(), current.peek()) {
                (None, _) => return current.next(),
                (Some(_), None) => Ordering::Less,
                (Some((old, _)), Some((new, _))) => order(old, new),
            };
            if next == Ordering::Greater {
                return current.next();
            }
            if next == Ordering::Equal {
                current.next();
            }
            if let Some((key, Some(value))) = outdated.next() {
                return Some((key, value));
            }
        }
    })
}

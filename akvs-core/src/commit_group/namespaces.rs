//! The settings and the drop of namespaces. A drop is visible at once; the garbage collector removes the rows later.
//!
//! The history of a name survives a drop, for watchers that were not connected. The oldest dropped names are purged
//! with their histories, so that they do not accumulate.

use bytes::Bytes;

use super::CommitGroup;
use super::pending::NamespaceRows;
use crate::encoding;
use crate::encoding::{CatalogueRow, Dropped, NamespaceId, NamespaceMeta, Swept};
use crate::engine::{Batch, PageLimit, Table};
use crate::store::Store;
use crate::{Namespace, Result, Revision, Settings, SettingsPatch, Timestamp};

/// The maximum number of dropped namespaces that are kept.
const MAX_DROPS: usize = 256;
/// The maximum number of changes kept for dropped namespaces: this many full histories, or this many changes. The
/// newest history is always kept.
const MAX_DROPPED_HISTORIES: u64 = 4;
const MAX_DROPPED_CHANGES: u64 = 100_000;

/// The drops of a group.
#[derive(Debug, Default)]
pub(super) struct DroppedNamespaces {
    dropped: usize,
    /// The number of changes in their histories.
    changes: u64,
    newest_purged: Revision,
}

impl DroppedNamespaces {
    /// Returns the newest drop that is purged; zero where none is.
    pub(super) fn purged(&self) -> Revision {
        self.newest_purged
    }
}

impl CommitGroup<'_> {
    /// Replaces the settings of a namespace, which is created if it does not exist. Returns whether it existed.
    pub fn configure(&mut self, store: &Store, settings: Settings, now: Timestamp) -> Result<bool> {
        let (existed, _) = self.change_settings(store, &settings.into(), now)?;
        Ok(existed)
    }

    /// Changes settings of a namespace, which is created if it does not exist. Returns whether it existed, and all its
    /// settings after the change. `invalid_request` where the settings would make every write fail.
    pub fn change_settings(
        &mut self,
        store: &Store,
        patch: &SettingsPatch,
        now: Timestamp,
    ) -> Result<(bool, Settings)> {
        let at = self.pending(store)?;
        self.evaluate(at, |namespace, context| {
            namespace.change_settings(context, patch, now)
        })
    }

    /// Drops a namespace with its keys, and returns whether it existed. Later operations on this store fail with
    /// `unavailable`; a new store starts empty. [`GarbageCollector`](crate::GarbageCollector) frees the space.
    pub fn drop_namespace(&mut self, store: &Store) -> Result<bool> {
        let at = self.pending(store)?;
        let dropped = self.evaluate(at, |namespace, context| namespace.drop_namespace(context))?;
        let pending = &mut self.stores[at];
        let (Some(revision), Some(id)) = (dropped, pending.rows.id) else {
            return Ok(false);
        };
        pending.rows.catalogue_row = None;
        pending.rows.dropped = Some(revision);
        let changes = pending.namespace.counts().history;
        self.drops.dropped += 1;
        self.drops.changes = self.drops.changes.saturating_add(changes);
        let swept = Swept {
            history: pending.rows.meta.history,
            below: Revision::ZERO,
        };
        let batch = &mut self.shared.batch;
        batch.put(
            Table::Catalogue,
            encoding::swept_key(id),
            encoding::swept_value(swept),
        );
        let row = encoding::dropped_value(changes, store.name());
        batch.put(Table::Meta, encoding::dropped_key(revision), row);
        Ok(true)
    }

    /// Purges the oldest dropped names once there are too many. It runs after all other changes, when it is known which
    /// names are created again. If they cannot be read, a later group purges them.
    pub(super) fn purge_oldest_drops(&mut self) {
        if self.drops.dropped == 0 {
            return;
        }
        for (key, name, row) in self.oldest_drops().unwrap_or_default() {
            self.shared.batch.remove(Table::Meta, key);
            if let Some(row) = row {
                self.purge(&name, &row);
            }
        }
    }

    /// Returns the dropped names that exceed the limits.
    fn oldest_drops(&self) -> Result<Vec<(Bytes, Namespace, Option<Dropped>)>> {
        let all = PageLimit::rows(MAX_DROPS + self.names.len() + self.drops.dropped);
        let mut candidates = Vec::new();
        for (key, row) in self.shared.database.oldest_drops(all)? {
            let (changes, name) = encoding::parse_dropped(&row)?;
            // A name that is created again in this group must not be purged.
            if !self.names.contains(&name) {
                candidates.push((key, name, changes));
            }
        }
        let (mut names, mut changes) = (self.drops.dropped, self.drops.changes);
        let history_changes = self.shared.database.options().history_changes;
        let limit = MAX_DROPPED_CHANGES.max(history_changes.saturating_mul(MAX_DROPPED_HISTORIES));
        let newest = candidates.iter().rev().take_while(|(_, _, more)| {
            (names, changes) = (names + 1, changes.saturating_add(*more));
            names <= MAX_DROPS && changes <= limit
        });
        // Not many more than are dropped, so that the group stays small.
        let excess = candidates.len() - newest.count();
        let oldest = candidates
            .into_iter()
            .take(excess.min(2 * self.drops.dropped));
        oldest
            .map(
                |(key, name, _)| match self.shared.database.catalogue_row(&name)? {
                    Some(CatalogueRow::Dropped(row)) => Ok((key, name, Some(row))),
                    Some(CatalogueRow::Live(_)) | None => Ok((key, name, None)),
                },
            )
            .collect()
    }

    fn purge(&mut self, name: &Namespace, row: &Dropped) {
        let name = Bytes::copy_from_slice(name.as_str().as_bytes());
        self.shared.batch.remove(Table::Catalogue, name);
        let all = Swept {
            history: row.history,
            below: Revision::new(u64::MAX),
        };
        self.shared.batch.put(
            Table::Catalogue,
            encoding::swept_key(row.history),
            encoding::swept_value(all),
        );
        self.drops.newest_purged = self.drops.newest_purged.max(row.revision);
        self.shared.summary.purged.push(row.history);
    }
}

impl NamespaceRows {
    /// Writes the rows that remain of a dropped namespace.
    pub(super) fn write_drop(&self, batch: &mut Batch, id: NamespaceId, meta: &NamespaceMeta) {
        batch.remove(Table::Meta, encoding::counts_key(id));
        let (Some(revision), Some(name)) = (self.dropped, &self.name) else {
            return;
        };
        let row = CatalogueRow::Dropped(Dropped {
            history: meta.history,
            compacted_revision: meta.compacted_revision,
            changes: meta.counts.history,
            revision,
        });
        let name = Bytes::copy_from_slice(name.as_str().as_bytes());
        batch.put(Table::Catalogue, name, encoding::catalogue_value(&row));
    }
}

//! How a namespace comes into being, and how it is dropped: at once for everybody, while its rows go by and by.
//!
//! A name keeps its history over a drop, as long as any, for those who watch and were not there. Names that were dropped
//! long ago are forgotten with their histories, so that they do not add up.

use bytes::Bytes;

use super::CommitGroup;
use super::load::opened_twice;
use super::pending::Pending;
use crate::encoding;
use crate::encoding::{CatalogueRow, Dropped, Live, NamespaceId, Swept};
use crate::engine::{Batch, PageLimit, Table};
use crate::store::Store;
use crate::{
    Code, Error, EventKind, Namespace, Result, Revision, Settings, SettingsPatch, Timestamp,
};

/// So many dropped namespaces are remembered, the newest.
const KEPT_DROPS: usize = 256;
/// So many histories of full length the dropped namespaces have together at most, or so many changes; but the newest is
/// kept whole.
const KEPT_HISTORIES: u64 = 4;
const KEPT_CHANGES: u64 = 100_000;

/// What a group drops.
#[derive(Debug, Default)]
pub(super) struct DroppedNamespaces {
    dropped: usize,
    /// How many changes those have.
    changes: u64,
    newest_purged: Revision,
}

impl DroppedNamespaces {
    /// The newest drop that is forgotten; zero where none is.
    pub(super) fn purged(&self) -> Revision {
        self.newest_purged
    }
}

impl CommitGroup<'_> {
    /// Lets the namespace come into being, where it has not.
    pub(super) fn create_namespace(
        &mut self,
        at: usize,
        store: &Store,
        now: Timestamp,
    ) -> Result<()> {
        if self.stores[at].id.is_some() {
            return Ok(());
        }
        let id = self.next.namespace + 1;
        let meta = &mut self.stores[at].known.meta;
        meta.revision = self.committed.revision;
        match self.database.catalogue_row(store.name())? {
            Some(CatalogueRow::Live(_)) => return Err(opened_twice()),
            // One of this name was dropped, and its history goes on.
            Some(CatalogueRow::Dropped(before)) => {
                meta.history = before.history;
                meta.compacted_revision = before.compacted_revision;
                meta.counts.history = before.rows;
                self.batch
                    .remove(Table::Meta, encoding::dropped_key(before.revision));
            }
            None => {
                meta.history = id;
                meta.compacted_revision = self.database.purged();
            }
        }
        self.next.namespace = id;
        self.stores[at].catalogue_row = Some(Live {
            id,
            created: now,
            settings: Settings::default(),
        });
        if self.recording {
            let history = self.stores[at].known.meta.history;
            self.summary.created.push((store.name().clone(), history));
        }
        self.stores[at].id = Some(id);
        Ok(())
    }

    /// Chooses the settings of a namespace, which comes into being where there is none; whether there was one.
    pub fn configure(&mut self, store: &Store, settings: Settings, now: Timestamp) -> Result<bool> {
        let (existed, _) = self.change_settings(store, &settings.into(), now)?;
        Ok(existed)
    }

    /// Changes some settings of a namespace, which is created where there is none; whether there was one, and all of its
    /// settings after the change. `invalid_request` for what no write could follow.
    pub fn change_settings(
        &mut self,
        store: &Store,
        patch: &SettingsPatch,
        now: Timestamp,
    ) -> Result<(bool, Settings)> {
        patch.check(now)?;
        self.check_growth()?;
        let at = self.pending(store)?;
        let existed = self.stores[at].id.is_some();
        self.create_namespace(at, store, now)?;
        let row = match self.stores[at].catalogue_row {
            Some(row) => row,
            None => match self.database.catalogue_row(store.name())? {
                Some(CatalogueRow::Live(row)) => row,
                Some(CatalogueRow::Dropped(_)) | None => return Err(opened_twice()),
            },
        };
        let pending = &mut self.stores[at];
        let settings = patch.apply(row.settings);
        pending.known.settings = settings;
        pending.catalogue_row = Some(Live { settings, ..row });
        Ok((existed, settings))
    }

    /// Drops a namespace with all it holds; whether there was one. Later operations on this store are refused with
    /// `unavailable`; a store made anew begins empty. The space comes back by [`GarbageCollector`](crate::GarbageCollector).
    pub fn drop_namespace(&mut self, store: &Store) -> Result<bool> {
        let at = self.pending(store)?;
        let Some(id) = self.stores[at].id else {
            return Ok(false);
        };
        if self.stores[at].state.id().is_none() {
            // Its birth is in this very group, and a row can stand in a batch only once.
            return Err(Error::new(
                Code::Unavailable,
                "the namespace is being created in the same commit: try again",
            ));
        }
        self.drops.dropped += 1;
        let revision = self.append_history(at, [EventKind::Drop]);
        let pending = &mut self.stores[at];
        // What was gathered for it so far is not wanted any more.
        pending.entries.clear();
        pending.catalogue_row = None;
        pending.dropped = Some(revision);
        let meta = &pending.known.meta;
        let changes = meta.counts.history;
        self.drops.changes = self.drops.changes.saturating_add(changes);
        let swept = Swept {
            history: meta.history,
            below: Revision::ZERO,
        };
        self.batch.put(
            Table::Catalogue,
            encoding::swept_key(id),
            encoding::swept_value(swept),
        );
        let row = encoding::dropped_value(changes, store.name());
        self.batch
            .put(Table::Meta, encoding::dropped_key(revision), row);
        Ok(true)
    }

    /// Forgets the names that were dropped before all others, once there are too many: when all else is gathered, so
    /// that it is known which names are made anew. Where they cannot be read, some later group does it.
    pub(super) fn purge_oldest_drops(&mut self) {
        if self.drops.dropped == 0 {
            return;
        }
        for (key, name, row) in self.oldest_drops().unwrap_or_default() {
            self.batch.remove(Table::Meta, key);
            if let Some(row) = row {
                self.purge(&name, &row);
            }
        }
    }

    /// The dropped names that are too many.
    fn oldest_drops(&self) -> Result<Vec<(Bytes, Namespace, Option<Dropped>)>> {
        let all = PageLimit::rows(KEPT_DROPS + self.names.len() + self.drops.dropped);
        let mut known = Vec::new();
        for (key, row) in self.database.oldest_drops(all)? {
            let (changes, name) = encoding::parse_dropped(&row)?;
            // One that is made anew in this very group is not to be forgotten.
            if !self.names.contains(&name) {
                known.push((key, name, changes));
            }
        }
        let (mut names, mut changes) = (self.drops.dropped, self.drops.changes);
        let history_changes = self.database.options().history_changes;
        let most = KEPT_CHANGES.max(history_changes.saturating_mul(KEPT_HISTORIES));
        let newest = known.iter().rev().take_while(|(_, _, more)| {
            (names, changes) = (names + 1, changes.saturating_add(*more));
            names <= KEPT_DROPS && changes <= most
        });
        // Not many more than are dropped, so that the group stays small.
        let excess = known.len() - newest.count();
        let oldest = known.into_iter().take(excess.min(2 * self.drops.dropped));
        oldest
            .map(|(key, name, _)| match self.database.catalogue_row(&name)? {
                Some(CatalogueRow::Dropped(row)) => Ok((key, name, Some(row))),
                Some(CatalogueRow::Live(_)) | None => Ok((key, name, None)),
            })
            .collect()
    }

    fn purge(&mut self, name: &Namespace, row: &Dropped) {
        let name = Bytes::copy_from_slice(name.as_str().as_bytes());
        self.batch.remove(Table::Catalogue, name);
        let all = Swept {
            history: row.history,
            below: Revision::new(u64::MAX),
        };
        self.batch.put(
            Table::Catalogue,
            encoding::swept_key(row.history),
            encoding::swept_value(all),
        );
        self.drops.newest_purged = self.drops.newest_purged.max(row.revision);
        self.summary.purged.push(row.history);
    }
}

impl Pending {
    /// Writes what is left of a namespace once it is dropped.
    pub(super) fn write_drop(&self, batch: &mut Batch, id: NamespaceId) {
        batch.remove(Table::Meta, encoding::counts_key(id));
        let (Some(revision), Some(name)) = (self.dropped, &self.name) else {
            return;
        };
        let row = CatalogueRow::Dropped(Dropped {
            history: self.known.meta.history,
            compacted_revision: self.known.meta.compacted_revision,
            rows: self.known.meta.counts.history,
            revision,
        });
        let name = Bytes::copy_from_slice(name.as_str().as_bytes());
        batch.put(Table::Catalogue, name, encoding::catalogue_value(&row));
    }
}

//! What the namespaces of a group share: the batch, the counters, and the result of the commit; and, with it, what the
//! evaluation of a namespace asks for.

use std::sync::MutexGuard;

use bytes::Bytes;

use super::CommitSummary;
use super::load::opened_twice;
use super::pending::NamespaceRows;
use crate::database::{Database, Writer};
use crate::encoding;
use crate::encoding::{CatalogueRow, Live, NamespaceId};
use crate::engine::{Batch, Table};
use crate::evaluation::Context;
use crate::types::counters::Counters;
use crate::{
    Code, Error, Event, Key, Result, Revision, Settings, SettingsPatch, StoredEntry, Timestamp,
};

/// What the namespaces of a group share.
pub(super) struct Shared<'a> {
    pub(super) database: &'a Database,
    pub(super) writer: MutexGuard<'a, Writer>,
    pub(super) committed: Counters,
    pub(super) next: Counters,
    pub(super) batch: Batch,
    /// The result of the check for disk space, once it was made.
    pub(super) growth: Option<Result<()>>,
    /// The bytes of values that were written into the group.
    pub(super) produced_bytes: usize,
    pub(super) recording: bool,
    pub(super) summary: CommitSummary,
}

impl<'a> Shared<'a> {
    pub(super) fn new(database: &'a Database, writer: MutexGuard<'a, Writer>) -> Shared<'a> {
        Shared {
            database,
            next: writer.counters,
            committed: writer.counters,
            writer,
            batch: Batch::default(),
            growth: None,
            produced_bytes: 0,
            recording: false,
            summary: CommitSummary::default(),
        }
    }
}

/// A namespace of a group, as its evaluation sees it.
pub(super) struct GroupContext<'g, 'a> {
    pub(super) shared: &'g mut Shared<'a>,
    pub(super) rows: &'g mut NamespaceRows,
}

impl Context for GroupContext<'_, '_> {
    fn entry(&mut self, key: &Key) -> Result<Option<StoredEntry>> {
        match self.rows.id {
            Some(id) => committed_entry(self.shared.database, id, key.as_bytes()),
            None => Ok(None),
        }
    }

    fn value(&mut self, key: &Key, stored: &StoredEntry) -> Result<Bytes> {
        match self.rows.id {
            Some(id) => self
                .shared
                .database
                .value(id, key.as_bytes(), stored.clone()),
            None => Ok(stored.entry.value.clone()),
        }
    }

    fn check_growth(&mut self) -> Result<()> {
        let engine = self.shared.database.engine();
        let checked = self
            .shared
            .growth
            .get_or_insert_with(|| engine.check_growth());
        checked.clone()
    }

    fn create(&mut self, now: Timestamp) -> Result<u64> {
        let (shared, rows) = (&mut *self.shared, &mut *self.rows);
        let Some(name) = &rows.name else {
            return Err(opened_twice());
        };
        let id = shared.next.namespace + 1;
        rows.meta.revision = shared.committed.revision;
        let changes = match shared.database.catalogue_row(name)? {
            Some(CatalogueRow::Live(_)) => return Err(opened_twice()),
            // A namespace of this name was dropped, and its history continues.
            Some(CatalogueRow::Dropped(before)) => {
                rows.meta.history = before.history;
                rows.meta.compacted_revision = before.compacted_revision;
                shared
                    .batch
                    .remove(Table::Meta, encoding::dropped_key(before.revision));
                before.changes
            }
            None => {
                rows.meta.history = id;
                rows.meta.compacted_revision = shared.database.purged();
                0
            }
        };
        shared.next.namespace = id;
        rows.catalogue_row = Some(Live {
            id,
            created: now,
            settings: Settings::default(),
        });
        if shared.recording {
            let created = (name.clone(), rows.meta.history);
            shared.summary.created.push(created);
        }
        rows.id = Some(id);
        Ok(changes)
    }

    fn configure(&mut self, patch: &SettingsPatch, _: Settings) -> Result<Settings> {
        let Some(name) = &self.rows.name else {
            return Err(opened_twice());
        };
        let row = match self.rows.catalogue_row {
            Some(row) => row,
            None => match self.shared.database.catalogue_row(name)? {
                Some(CatalogueRow::Live(row)) => row,
                Some(CatalogueRow::Dropped(_)) | None => return Err(opened_twice()),
            },
        };
        let settings = patch.apply(row.settings);
        self.rows.catalogue_row = Some(Live { settings, ..row });
        Ok(settings)
    }

    fn check_drop(&mut self) -> Result<()> {
        if self.rows.state.id().is_some() {
            return Ok(());
        }
        // It is created in this group, and a batch must not contain a row twice.
        Err(Error::new(
            Code::Unavailable,
            "the namespace is being created in the same commit: try again",
        ))
    }

    fn next_revision(&self) -> Revision {
        self.shared.next.revision.next()
    }

    fn take_revision(&mut self) {
        let revision = self.next_revision();
        self.shared.next.revision = revision;
        let (meta, block) = (&mut self.rows.meta, &mut self.rows.history_block);
        meta.revision = revision;
        if block.is_full() {
            block.write(&mut self.shared.batch, meta.history);
        }
    }

    fn append(&mut self, event: Event, place: Option<usize>) {
        self.rows.history_block.push(&event, place);
        if self.shared.recording {
            let recorded = (self.rows.meta.history, event);
            self.shared.summary.events.push(recorded);
        }
    }
}

/// Returns the committed entry; without its value where that is separated and not in the cache.
fn committed_entry(
    database: &Database,
    id: NamespaceId,
    key: &[u8],
) -> Result<Option<StoredEntry>> {
    let cached = database.cached(id, key);
    if let Some(entry) = &cached
        && entry.value.len() < encoding::MIN_SEPARATED_BYTES
    {
        let entry = entry.clone();
        return Ok(Some(StoredEntry {
            entry,
            separated: None,
        }));
    }
    let mut stored = database.stored(id, key)?;
    if let (Some(stored), Some(cached)) = (&mut stored, cached)
        && stored.separated.is_some()
        && stored.entry.revision == cached.revision
    {
        stored.entry.value = cached.value;
    }
    Ok(stored)
}

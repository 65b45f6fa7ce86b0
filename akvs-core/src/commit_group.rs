//! Groups of changes: each operation is evaluated in order against the state after those before it, and all changes are
//! committed in one batch.
//!
//! A group owns its uncommitted state until it is committed or dropped. What an operation means is decided in `op`, and
//! when to commit by the caller. Invariant: an outcome is valid only once [`CommitGroup::commit`] has returned.

mod evaluate;
mod expiry;
mod load;
mod namespaces;
mod pending;
mod transact;
mod trim;

use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use foldhash::{HashMap, HashSet};

pub use self::expiry::ExpiryTask;
use self::namespaces::DroppedNamespaces;
use self::pending::Pending;
use crate::database::store_state::StoreState;
use crate::database::{Database, Writer};
use crate::encoding;
use crate::encoding::{CatalogueRow, HistoryId, NamespaceId};
use crate::engine::{Batch, Durability, Engine, Table};
use crate::recovery;
use crate::store::Store;
use crate::types::counters::Counters;
use crate::{Entry, Event, Key, Namespace, Op, Outcome, Result, Revision, Timestamp};

/// The result of a commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitSummary {
    /// The newest revision.
    pub revision: Revision,
    /// The changes in order, each with its history; empty unless they are [recorded](CommitGroup::record).
    pub events: Vec<(HistoryId, Event)>,
    /// The namespaces that were created, with their histories.
    pub created: Vec<(Namespace, HistoryId)>,
    /// The histories that were purged.
    pub purged: Vec<HistoryId>,
    /// The number of entries that were removed because their deadline had passed.
    pub expired: u64,
    /// The number of oldest changes that were trimmed from histories.
    pub trimmed: u64,
}

/// Changes that are committed together.
///
/// ```
/// use akvs_core::engine::Durability;
/// use akvs_core::{Database, Key, MemoryEngine, Namespace, Op, Options, Store, Timestamp};
///
/// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
/// let store = Store::new(&database, Namespace::new("ns")?)?;
/// let (key, now) = (Key::new("k")?, Timestamp::from_millis(0));
///
/// let mut group = database.group();
/// let first = group.apply(&store, &key, Op::set("1"), now)?;
/// let second = group.apply(&store, &key, Op::set("2"), now)?;
/// group.commit(Durability::Synced)?;
/// assert!(!first.existed && second.existed && first.revision < second.revision);
/// # Ok::<(), akvs_core::Error>(())
/// ```
pub struct CommitGroup<'a> {
    database: &'a Database,
    writer: MutexGuard<'a, Writer>,
    committed: Counters,
    next: Counters,
    batch: Batch,
    stores: Vec<Pending>,
    index: HashMap<usize, usize>,
    earliest_deadline: Option<Timestamp>,
    /// The namespaces of the group's stores, to detect two stores of one namespace.
    names: HashSet<Namespace>,
    drops: DroppedNamespaces,
    /// The result of the check for disk space, once it was made.
    growth: Option<Result<()>>,
    /// The bytes of values that were written into the group.
    produced_bytes: usize,
    recording: bool,
    summary: CommitSummary,
}

impl Database {
    /// Opens a group of changes that are committed together. At most one group is open at a time: this waits for the
    /// one before it.
    pub fn group(&self) -> CommitGroup<'_> {
        CommitGroup::new(self, self.lock_writer())
    }
}

impl<'a> CommitGroup<'a> {
    pub(crate) fn new(database: &'a Database, writer: MutexGuard<'a, Writer>) -> CommitGroup<'a> {
        CommitGroup {
            database,
            next: writer.counters,
            committed: writer.counters,
            writer,
            batch: Batch::default(),
            stores: Vec::new(),
            index: HashMap::default(),
            earliest_deadline: None,
            names: HashSet::default(),
            drops: DroppedNamespaces::default(),
            growth: None,
            produced_bytes: 0,
            recording: false,
            summary: CommitSummary::default(),
        }
    }

    /// Records the changes for [`CommitSummary::events`]; without this they are only written.
    pub fn record(&mut self) {
        self.recording = true;
    }

    /// Evaluates an operation and stages its change, if any.
    ///
    /// An error concerns this operation only and leaves the group unchanged. A namespace is created with its first
    /// change.
    pub fn apply(&mut self, store: &Store, key: &Key, op: Op, now: Timestamp) -> Result<Outcome> {
        let at = self.pending(store)?;
        let (place, mut outcome, change) = self.evaluate(at, key, op, now)?;
        let Some((entry, kind)) = change else {
            return Ok(outcome);
        };
        let pending = &self.stores[at];
        let counts = pending.counts_with([(place, entry.as_ref())].into_iter());
        let meta = &pending.updated.meta;
        pending.updated.settings.check(&meta.counts, &counts)?;
        self.create_namespace(at, store, now)?;
        outcome.entry = entry.as_ref().map(|stored| stored.entry.clone());
        self.stage(at, counts, [(place, entry)]);
        outcome.revision = Some(self.append_history(at, [(kind, Some(place))]));
        Ok(outcome)
    }

    /// Returns whether the namespace of a store was dropped, in an earlier commit or in this group. Operations on it fail.
    pub fn is_dropped(&self, store: &Store) -> bool {
        let address = Arc::as_ptr(store.state()) as usize;
        let pending = self.index.get(&address);
        store.is_dropped() || pending.is_some_and(|at| self.stores[*at].dropped.is_some())
    }

    /// Returns the bytes of values that were written into the group, including those that later operations replaced.
    pub fn produced_bytes(&self) -> usize {
        self.produced_bytes
    }

    /// Returns whether an operation was refused for lack of disk space.
    pub fn lacks_space(&self) -> bool {
        self.growth.as_ref().is_some_and(Result::is_err)
    }

    /// Removes a row that belongs to no open store.
    pub(crate) fn remove_row(&mut self, table: Table, key: Bytes) {
        self.batch.remove(table, key);
    }

    /// Commits all changes at once and makes them visible to readers.
    ///
    /// `outcome_unknown` means that the changes may have been applied; every later commit is then refused. After any
    /// other error they were not applied.
    pub fn commit(self, durability: Durability) -> Result<CommitSummary> {
        self.commit_by(durability, |engine, batch| engine.commit(batch, durability))
    }

    /// Commits as [`commit`](Self::commit) does, but lets the caller pass the batch to the engine, for example to
    /// measure it. `write` is not called where there is nothing to write or the engine does not admit the batch.
    pub fn commit_by(
        mut self,
        durability: Durability,
        write: impl FnOnce(&dyn Engine, Batch) -> Result<()>,
    ) -> Result<CommitSummary> {
        if let Some(failure) = self.database.failure() {
            return Err(failure.clone());
        }
        for at in 0..self.stores.len() {
            self.trim_history(at);
        }
        self.purge_oldest_drops();
        let committed_entries = self.write_rows();
        self.summary.revision = self.next.revision;
        if self.batch.is_empty() {
            return Ok(self.summary);
        }
        let batch = std::mem::take(&mut self.batch);
        debug_assert!(!batch.repeats_a_row(), "{batch:?}");
        if self.next.revision > Revision::MAX {
            return Err(recovery::exhausted());
        }
        if durability == Durability::Buffered && self.next.revision > self.committed.revision {
            self.database.engine().reserve(self.next.revision)?;
        }
        self.database.admit(&batch)?;
        if let Some(deadline) = self.earliest_deadline {
            // Before the entry is visible, so that the expiry task does not miss it.
            self.database.note_deadline(deadline);
        }
        for (id, key, _) in &committed_entries {
            self.database.invalidate(*id, key);
        }
        write(self.database.engine(), batch).map_err(|error| self.database.fail_unknown(error))?;
        self.writer.counters = self.next;
        // The format is written with a revision; a commit that only sweeps has none.
        self.writer.format_is_written |= self.next.revision > self.committed.revision;
        for (id, key, entry) in committed_entries {
            self.database.insert_committed(id, &key, entry);
        }
        for pending in self.stores {
            self.writer.note_loaded(&pending);
            let id = match pending.dropped {
                Some(_) => StoreState::DROPPED,
                None => pending.id.unwrap_or(StoreState::UNCREATED),
            };
            pending.state.commit(id, pending.updated);
        }
        self.database.note_purged(self.drops.purged());
        self.database.advance(self.next.revision);
        Ok(self.summary)
    }

    /// Refuses to add data where there is too little disk space.
    fn check_growth(&mut self) -> Result<()> {
        let engine = self.database.engine();
        self.growth
            .get_or_insert_with(|| engine.check_growth())
            .clone()
    }

    /// Encodes the pending state of the namespaces as rows, and returns the entries that readers will see.
    fn write_rows(&mut self) -> Vec<(NamespaceId, Key, Option<Entry>)> {
        let mut committed_entries = Vec::new();
        for pending in &mut self.stores {
            let Some(id) = pending.id else { continue };
            let entries = pending.write_entries(&mut self.batch, id).into_iter();
            committed_entries.extend(entries.map(|(key, entry)| (id, key, entry)));
            if let (Some(row), Some(name)) = (pending.catalogue_row, &pending.name) {
                self.batch.put(
                    Table::Catalogue,
                    Bytes::copy_from_slice(name.as_str().as_bytes()),
                    encoding::catalogue_value(&CatalogueRow::Live(row)),
                );
            }
            if pending.dropped.is_some() {
                pending.write_drop(&mut self.batch, id);
            } else if pending.updated.meta != pending.committed {
                self.batch.put(
                    Table::Meta,
                    encoding::counts_key(id),
                    encoding::counts_value(&pending.updated.meta),
                );
            }
        }
        if self.next.namespace > self.committed.namespace {
            self.batch.put(
                Table::Meta,
                encoding::META_NAMESPACE,
                encoding::number_value(self.next.namespace),
            );
        }
        if self.next.revision > self.committed.revision {
            if !self.writer.format_is_written {
                self.batch.put(
                    Table::Meta,
                    encoding::META_FORMAT,
                    encoding::number_value(encoding::FORMAT),
                );
            }
            let purged = self.database.purged().max(self.drops.purged());
            if !self.writer.format_is_written || self.drops.purged() > Revision::ZERO {
                self.batch.put(
                    Table::Meta,
                    encoding::META_PURGED,
                    encoding::number_value(purged.get()),
                );
            }
            self.batch.put(
                Table::Meta,
                encoding::META_REVISION,
                encoding::number_value(self.next.revision.get()),
            );
        }
        committed_entries
    }
}

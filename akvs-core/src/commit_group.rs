//! Changes that are committed together: each judged in order against the state with all those before it, all of
//! them written, or none.
//!
//! A group owns its judgements until it is committed or dropped. It does not decide what an operation means (`op`
//! does), nor when to commit. Invariant: whatever it tells a caller holds only once [`CommitGroup::commit`] has returned.

mod evaluate;
mod expiry;
mod load;
mod namespaces;
mod pending;
mod transact;
mod trim;

use std::collections::{HashMap, HashSet};
use std::sync::MutexGuard;

use bytes::Bytes;

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

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitSummary {
    /// The newest revision.
    pub revision: Revision,
    /// What changed, in order, each with the history it belongs to; empty unless it was [recorded](CommitGroup::record).
    pub events: Vec<(HistoryId, Event)>,
    /// The namespaces that have come into being, with their histories.
    pub created: Vec<(Namespace, HistoryId)>,
    /// The histories that are not known any more.
    pub purged: Vec<HistoryId>,
    /// How many entries were taken out because their deadline had passed.
    pub expired: u64,
    /// How many changes the histories no longer hold, because they were the oldest.
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
    /// The namespaces of the group's stores, to find two stores of one.
    names: HashSet<Namespace>,
    drops: DroppedNamespaces,
    /// Whether data may be added, once that was asked.
    growth: Option<Result<()>>,
    /// How many bytes of values the changes have that were taken into it.
    produced_bytes: usize,
    recording: bool,
    summary: CommitSummary,
}

impl Database {
    /// Begins to gather changes that are to be committed together. Only one group can be open at a time: this waits
    /// for the one before it.
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
            index: HashMap::new(),
            earliest_deadline: None,
            names: HashSet::new(),
            drops: DroppedNamespaces::default(),
            growth: None,
            produced_bytes: 0,
            recording: false,
            summary: CommitSummary::default(),
        }
    }

    /// Keeps what changes, for [`CommitSummary::events`]; without this it is only written.
    pub fn record(&mut self) {
        self.recording = true;
    }

    /// Judges an operation and, where it changes something, takes the change into the group.
    ///
    /// An error is this operation's alone and leaves the group as it was. The namespace comes into being with its
    /// first change.
    pub fn apply(&mut self, store: &Store, key: &Key, op: Op, now: Timestamp) -> Result<Outcome> {
        let at = self.pending(store)?;
        let (mut outcome, change) = self.evaluate(at, key, op, now)?;
        let Some((entry, kind)) = change else {
            return Ok(outcome);
        };
        let pending = &self.stores[at];
        let counts = pending.counts_with([(key, entry.as_ref())].into_iter());
        let meta = &pending.known.meta;
        pending.known.settings.check(&meta.counts, &counts)?;
        self.create_namespace(at, store, now)?;
        outcome.entry = entry.as_ref().map(|stored| stored.entry.clone());
        self.stage(at, counts, [(key.clone(), entry)]);
        outcome.revision = Some(self.append_history(at, [kind]));
        Ok(outcome)
    }

    /// How many bytes of values it has been given to write, those that it no longer writes included.
    pub fn produced_bytes(&self) -> usize {
        self.produced_bytes
    }

    /// Whether something was refused because there is too little disk space.
    pub fn lacks_space(&self) -> bool {
        self.growth.as_ref().is_some_and(Result::is_err)
    }

    /// Removes a row that no store speaks of any more.
    pub(crate) fn remove_row(&mut self, table: Table, key: Bytes) {
        self.batch.remove(table, key);
    }

    /// Commits everything at once and shows it to readers.
    ///
    /// `outcome_unknown` where it may have been applied: then nothing is committed any more. After any other error it
    /// was not applied.
    pub fn commit(self, durability: Durability) -> Result<CommitSummary> {
        self.commit_by(durability, |engine, batch| engine.commit(batch, durability))
    }

    /// The same, where the caller hands the batch to the engine: to see how long that takes. It is not asked where
    /// there is nothing to write, or the engine does not admit the batch.
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
            // Before it can be read: who expires must not look too late.
            self.database.note_deadline(deadline);
        }
        for (id, key, _) in &committed_entries {
            self.database.invalidate(*id, key);
        }
        write(self.database.engine(), batch).map_err(|error| self.database.fail_unknown(error))?;
        self.writer.counters = self.next;
        // Written with the revision; sweeping, for one, has none.
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
            pending.state.commit(id, pending.known);
        }
        self.database.note_purged(self.drops.purged());
        self.database.advance(self.next.revision);
        Ok(self.summary)
    }

    /// Refuses what adds data where there is too little disk space.
    fn check_growth(&mut self) -> Result<()> {
        let engine = self.database.engine();
        self.growth
            .get_or_insert_with(|| engine.check_growth())
            .clone()
    }

    /// Turns the namespaces' pending state into rows, and says what readers are to be shown.
    fn write_rows(&mut self) -> Vec<(NamespaceId, Key, Option<Entry>)> {
        let mut committed_entries = Vec::new();
        for pending in &mut self.stores {
            let Some(id) = pending.id else { continue };
            for (key, slot) in pending.entries.drain().filter(|(_, slot)| slot.changed) {
                committed_entries.push((id, key.clone(), slot.write(&mut self.batch, id, &key)));
            }
            if let (Some(row), Some(name)) = (pending.catalogue_row, &pending.name) {
                self.batch.put(
                    Table::Catalogue,
                    Bytes::copy_from_slice(name.as_str().as_bytes()),
                    encoding::catalogue_value(&CatalogueRow::Live(row)),
                );
            }
            if pending.dropped.is_some() {
                pending.write_drop(&mut self.batch, id);
            } else if pending.known.meta != pending.committed {
                self.batch.put(
                    Table::Meta,
                    encoding::counts_key(id),
                    encoding::counts_value(&pending.known.meta),
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

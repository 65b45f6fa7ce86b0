//! Groups of changes: each operation is evaluated in order against the state after those before it, and all changes are
//! committed in one batch.
//!
//! A group owns its uncommitted state until it is committed or dropped. What a change means is decided in `evaluation`,
//! and when to commit by the caller. Invariant: an outcome is valid only once [`CommitGroup::commit`] has returned.

mod context;
mod expiry;
mod load;
mod namespaces;
mod pending;
mod trim;

use std::sync::{Arc, MutexGuard};

use bytes::Bytes;
use foldhash::{HashMap, HashSet};

use self::context::Shared;
pub use self::expiry::ExpiryTask;
use self::namespaces::DroppedNamespaces;
use self::pending::{CommittedEntry, Pending};
use crate::database::store_state::StoreState;
use crate::database::{Database, Writer};
use crate::encoding;
use crate::encoding::HistoryId;
use crate::engine::{Batch, Durability, Engine, Table};
use crate::recovery;
use crate::store::Store;
use crate::{Event, Key, Namespace, Op, Outcome, Result, Revision, Timestamp, Txn};

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
    shared: Shared<'a>,
    stores: Vec<Pending>,
    index: HashMap<usize, usize>,
    /// The namespaces of the group's stores, to detect two stores of one namespace.
    names: HashSet<Namespace>,
    drops: DroppedNamespaces,
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
            shared: Shared::new(database, writer),
            stores: Vec::new(),
            index: HashMap::default(),
            names: HashSet::default(),
            drops: DroppedNamespaces::default(),
        }
    }

    /// Records the changes for [`CommitSummary::events`]; without this they are only written.
    pub fn record(&mut self) {
        self.shared.recording = true;
    }

    /// Evaluates an operation and stages its change, if any.
    ///
    /// An error concerns this operation only and leaves the group unchanged. A namespace is created with its first
    /// change.
    pub fn apply(&mut self, store: &Store, key: &Key, op: Op, now: Timestamp) -> Result<Outcome> {
        let at = self.pending(store)?;
        self.evaluate(at, |namespace, context| {
            namespace.apply(context, key, op, now)
        })
    }

    /// Evaluates a transaction, and stages all its changes under one revision, or none. Returns the outcome of each
    /// operation, in order.
    ///
    /// The context of an error names the check or the operation that failed.
    ///
    /// ```
    /// use akvs_core::engine::Durability;
    /// use akvs_core::{Condition, Database, Key, MemoryEngine, Namespace, Op, Options, Store, Timestamp, Txn};
    ///
    /// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
    /// let store = Store::new(&database, Namespace::new("ns")?)?;
    /// let (a, b, now) = (Key::new("a")?, Key::new("b")?, Timestamp::from_millis(0));
    ///
    /// let mut group = database.group();
    /// let txn = Txn::new(vec![(a.clone(), Condition::Absent)], vec![(a.clone(), Op::set("1")), (b, Op::set("2"))])?;
    /// let outcomes = group.transact(&store, txn.clone(), now)?;
    /// assert_eq!(outcomes[0].revision, outcomes[1].revision);
    /// assert!(group.transact(&store, txn, now).is_err(), "the key exists");
    /// group.commit(Durability::Synced)?;
    /// # Ok::<(), akvs_core::Error>(())
    /// ```
    pub fn transact(&mut self, store: &Store, txn: Txn, now: Timestamp) -> Result<Vec<Outcome>> {
        let at = self.pending(store)?;
        self.evaluate(at, |namespace, context| {
            namespace.transact(context, txn, now)
        })
    }

    /// Returns whether the namespace of a store was dropped, in an earlier commit or in this group. Operations on it fail.
    pub fn is_dropped(&self, store: &Store) -> bool {
        let address = Arc::as_ptr(store.state()) as usize;
        let pending = self.index.get(&address);
        store.is_dropped() || pending.is_some_and(|at| self.stores[*at].namespace.is_dropped())
    }

    /// Returns the bytes of values that were written into the group, including those that later operations replaced.
    pub fn produced_bytes(&self) -> usize {
        self.shared.produced_bytes
    }

    /// Returns whether an operation was refused for lack of disk space.
    pub fn lacks_space(&self) -> bool {
        self.shared.growth.as_ref().is_some_and(Result::is_err)
    }

    /// Removes a row that belongs to no open store.
    pub(crate) fn remove_row(&mut self, table: Table, key: Bytes) {
        self.shared.batch.remove(table, key);
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
        if let Some(failure) = self.shared.database.failure() {
            return Err(failure.clone());
        }
        for at in 0..self.stores.len() {
            self.trim_history(at);
        }
        self.purge_oldest_drops();
        let (committed_entries, earliest_deadline) = self.write_rows();
        let Shared {
            database,
            mut writer,
            committed,
            next,
            batch,
            mut summary,
            ..
        } = self.shared;
        summary.revision = next.revision;
        if batch.is_empty() {
            return Ok(summary);
        }
        debug_assert!(!batch.repeats_a_row(), "{batch:?}");
        if next.revision > Revision::MAX {
            return Err(recovery::exhausted());
        }
        if durability == Durability::Buffered && next.revision > committed.revision {
            database.engine().reserve(next.revision)?;
        }
        database.admit(&batch)?;
        if let Some(deadline) = earliest_deadline {
            // Before the entry is visible, so that the expiry task does not miss it.
            database.note_deadline(deadline);
        }
        for (id, key, _) in &committed_entries {
            database.invalidate(*id, key);
        }
        write(database.engine(), batch).map_err(|error| database.fail_unknown(error))?;
        writer.counters = next;
        // The format is written with a revision; a commit that only sweeps has none.
        writer.format_is_written |= next.revision > committed.revision;
        for (id, key, entry) in committed_entries {
            database.insert_committed(id, &key, entry);
        }
        for pending in self.stores {
            writer.note_loaded(&pending);
            let id = match pending.namespace.is_dropped() {
                true => StoreState::DROPPED,
                false => pending.rows.id.unwrap_or(StoreState::UNCREATED),
            };
            let state = Arc::clone(&pending.rows.state);
            state.commit(id, pending.into_state());
        }
        database.note_purged(self.drops.purged());
        database.advance(next.revision);
        Ok(summary)
    }

    /// Encodes the pending state of the namespaces as rows. Returns the entries that readers will see, and the earliest
    /// deadline of these.
    fn write_rows(&mut self) -> (Vec<CommittedEntry>, Option<Timestamp>) {
        let (mut entries, mut earliest) = (Vec::new(), None);
        for pending in &mut self.stores {
            let deadline = pending.write(&mut self.shared, &mut entries);
            earliest = deadline.into_iter().chain(earliest).min();
        }
        let shared = &mut self.shared;
        let (batch, next, committed) = (&mut shared.batch, &shared.next, &shared.committed);
        if next.namespace > committed.namespace {
            batch.put(
                Table::Meta,
                encoding::META_NAMESPACE,
                encoding::number_value(next.namespace),
            );
        }
        if next.revision > committed.revision {
            let format_is_written = shared.writer.format_is_written;
            if !format_is_written {
                batch.put(
                    Table::Meta,
                    encoding::META_FORMAT,
                    encoding::number_value(encoding::FORMAT),
                );
            }
            let purged = shared.database.purged().max(self.drops.purged());
            if !format_is_written || self.drops.purged() > Revision::ZERO {
                batch.put(
                    Table::Meta,
                    encoding::META_PURGED,
                    encoding::number_value(purged.get()),
                );
            }
            batch.put(
                Table::Meta,
                encoding::META_REVISION,
                encoding::number_value(next.revision.get()),
            );
        }
        (entries, earliest)
    }
}

//! One namespace's keys: `new`, `dispose`, `set`, `get`, `get_or`, `del`.
//!
//! A store owns the name and shares the state of its namespace. It defines no order between callers and has no clock.
//! At most one store of a namespace may be used at a time; the registry ensures that.

use std::sync::Arc;

use bytes::Bytes;

use crate::database::store_state::{NamespaceState, StoreState};
use crate::encoding::CatalogueRow;
use crate::engine::Durability;
use crate::{
    Counts, Database, Entry, Error, Key, Namespace, Op, Outcome, PeekedEntry, Result, Settings,
    Timestamp,
};

/// One namespace's keys in a database; cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    name: Namespace,
    state: Arc<StoreState>,
}

impl Store {
    /// Opens a namespace of the database. Nothing is written: a namespace is created with its first change.
    pub fn new(database: &Database, name: Namespace) -> Result<Store> {
        let row = database.catalogue_row(&name)?;
        let (id, state) = match row.and_then(CatalogueRow::live) {
            Some(row) => (
                row.id,
                NamespaceState::new(database.meta(row.id)?, row.settings),
            ),
            None => (StoreState::UNCREATED, NamespaceState::default()),
        };
        Ok(Store {
            database: database.clone(),
            name,
            state: Arc::new(StoreState::new(id, state)),
        })
    }

    /// Closes the store: when it returns, all changes are durable.
    pub fn dispose(self) -> Result<()> {
        self.database.sync()
    }

    /// Stores a value.
    pub fn set(&self, key: &Key, value: impl Into<Bytes>, now: Timestamp) -> Result<Outcome> {
        self.apply(key, Op::set(value), now)
    }

    /// Returns the entry of a key, or the error `not_found`.
    pub fn get(&self, key: &Key, now: Timestamp) -> Result<Entry> {
        self.find(key.as_bytes(), now)?.ok_or_else(Error::not_found)
    }

    /// Returns the value of a key, or this default where there is none.
    pub fn get_or(&self, key: &Key, default: Bytes, now: Timestamp) -> Result<Bytes> {
        Ok(self
            .find(key.as_bytes(), now)?
            .map_or(default, |entry| entry.value))
    }

    /// Deletes a key, whether or not it exists.
    pub fn del(&self, key: &Key, now: Timestamp) -> Result<Outcome> {
        self.apply(key, Op::delete(), now)
    }

    /// Applies an operation and commits it.
    pub fn apply(&self, key: &Key, op: Op, now: Timestamp) -> Result<Outcome> {
        let mut group = self.database.group();
        let outcome = group.apply(self, key, op, now)?;
        group.commit(Durability::Synced)?;
        Ok(outcome)
    }

    /// Returns the entry of a key, if it exists at this time.
    pub fn find(&self, key: &[u8], now: Timestamp) -> Result<Option<Entry>> {
        let Some(id) = self.state.id() else {
            return Ok(None);
        };
        let entry = self.database.current(id, key)?;
        Ok(entry.filter(|entry| entry.is_live(now)))
    }

    /// Returns the same, without a look-up in the cache, for a caller that has just missed it there.
    pub fn find_stored(&self, key: &[u8], now: Timestamp) -> Result<Option<Entry>> {
        let found = self.peek_stored(key, usize::MAX, now)?;
        Ok(found.map(|found| found.entry))
    }

    /// Returns the same; a separated value of more than `max_bytes` bytes is not read.
    pub fn peek_stored(
        &self,
        key: &[u8],
        max_bytes: usize,
        now: Timestamp,
    ) -> Result<Option<PeekedEntry>> {
        let Some(id) = self.state.id() else {
            return Ok(None);
        };
        let found = self.database.peek(id, key, max_bytes)?;
        Ok(found.filter(|found| found.entry.is_live(now)))
    }

    /// Returns the entry of a key from the cache, if it is there, expired or not. Never waits for a disk.
    pub fn find_cached(&self, key: &[u8]) -> Option<Entry> {
        self.database.cached(self.state.id()?, key)
    }

    /// Returns the namespace's name.
    pub fn name(&self) -> &Namespace {
        &self.name
    }

    /// Returns the database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Returns the size of the namespace.
    pub fn counts(&self) -> Counts {
        self.state.namespace_state().meta.counts
    }

    /// Returns the settings of the namespace.
    pub fn settings(&self) -> Settings {
        self.state.namespace_state().settings
    }

    /// Returns whether the namespace exists.
    pub fn exists(&self) -> bool {
        self.state.id().is_some()
    }

    /// Returns whether the namespace was dropped while this store was open.
    pub fn is_dropped(&self) -> bool {
        self.state.is_dropped()
    }

    pub(crate) fn state(&self) -> &Arc<StoreState> {
        &self.state
    }
}

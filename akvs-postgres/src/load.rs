//! What a group is evaluated against: the namespace as the lock found it, and the entries of its keys.

use std::collections::HashMap;

use akvs_core::evaluation::{Context, PendingNamespace};
use akvs_core::{
    Code, Error, Event, Key, Result, Revision, Settings, SettingsPatch, StoredEntry, Timestamp,
};
use akvs_server::Command;
use bytes::Bytes;
use futures_util::future::join4;
use tokio_postgres::Row;

use crate::connection::Prepared;
use crate::failure::not_applied;
use crate::rows::{column, counts, key, number, optional, settings, stored_entry};
use crate::statements::WriteStatements;

/// A change to evaluate.
#[derive(Clone, Copy)]
pub(crate) enum Change<'a> {
    Command(&'a Command),
    /// The removal of an entry whose deadline has passed.
    Expire(&'a Key, Timestamp),
}

impl Change<'_> {
    fn for_each_read<'a>(&'a self, mut read: impl FnMut(&'a Key, bool)) {
        match self {
            Change::Command(command) => command.for_each_read(read),
            Change::Expire(key, _) => read(key, false),
        }
    }
}

/// A namespace as the lock found it.
pub(crate) struct Loaded {
    pub(crate) life: i32,
    pub(crate) created: u64,
    pub(crate) trimmed: u64,
    settings: Settings,
    pub(crate) revision: Revision,
    changes: u64,
    keys: Option<u64>,
    bytes: Option<u64>,
    /// The time of the database, and never before the newest change.
    pub(crate) now: Timestamp,
    entries: HashMap<Key, StoredEntry>,
}

impl Loaded {
    fn new(lock: &Row, last: &Row, load: &[Row]) -> Result<Loaded> {
        let mut entries = HashMap::with_capacity(load.len());
        for row in load {
            entries.insert(key(row, 0)?, stored_entry(row, 1)?);
        }
        let compacted = number(lock, 1)?;
        let newest = optional(last, 1)?.unwrap_or_default();
        let modified = optional(last, 2)?.unwrap_or_default();
        Ok(Loaded {
            life: column(lock, 0)?,
            created: number(lock, 8)?,
            trimmed: number(lock, 2)?,
            settings: settings(lock, 4)?,
            revision: Revision::new(newest.max(compacted)),
            keys: optional(last, 3)?,
            bytes: optional(last, 4)?,
            changes: optional(last, 5)?.unwrap_or_default(),
            now: Timestamp::from_millis(number(last, 0)?.max(modified)),
            entries,
        })
    }

    /// Returns whether the namespace exists.
    pub(crate) fn exists(&self) -> bool {
        self.life % 2 != 0
    }

    pub(crate) fn namespace(&self) -> PendingNamespace {
        let exists = self.exists();
        let settings = if exists {
            self.settings
        } else {
            Settings::default()
        };
        let counts = counts(self.keys, self.bytes, Some(self.changes), self.trimmed);
        PendingNamespace::new(exists, settings, counts)
    }
}

/// What the evaluation of a group asks for, and what it has appended.
pub(crate) struct GroupContext<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) revision: Revision,
    pub(crate) events: Vec<Event>,
    /// When the namespace was created by the group, if it was.
    pub(crate) created: Option<Timestamp>,
    pub(crate) is_configured: bool,
}

impl<'a> GroupContext<'a> {
    pub(crate) fn new(loaded: &'a Loaded) -> GroupContext<'a> {
        GroupContext {
            loaded,
            revision: loaded.revision,
            events: Vec::new(),
            created: None,
            is_configured: false,
        }
    }

    /// Returns whether the group has changed something.
    pub(crate) fn has_changes(&self) -> bool {
        !self.events.is_empty() || self.created.is_some() || self.is_configured
    }
}

impl Context for GroupContext<'_> {
    fn entry(&mut self, key: &Key) -> Result<Option<StoredEntry>> {
        Ok(self
            .loaded
            .entries
            .get(key)
            .filter(|_| self.loaded.exists())
            .cloned())
    }

    fn value(&mut self, _: &Key, _: &StoredEntry) -> Result<Bytes> {
        // The values that a command needs are loaded with its keys.
        Err(Error::new(Code::Storage, "a value was not loaded"))
    }

    fn check_growth(&mut self) -> Result<()> {
        Ok(())
    }

    fn create(&mut self, now: Timestamp) -> Result<u64> {
        self.created = Some(now);
        Ok(self.loaded.changes.saturating_sub(self.loaded.trimmed))
    }

    fn configure(&mut self, patch: &SettingsPatch, current: Settings) -> Result<Settings> {
        self.is_configured = true;
        Ok(patch.apply(current))
    }

    fn check_drop(&mut self) -> Result<()> {
        Ok(())
    }

    fn next_revision(&self) -> Revision {
        self.revision.next()
    }

    fn take_revision(&mut self) {
        self.revision = self.revision.next();
    }

    fn append(&mut self, event: Event, _: Option<usize>) {
        self.events.push(event);
    }
}

/// Locks a namespace, and loads what the evaluation of the changes needs.
pub(crate) async fn load(
    connection: &Prepared<WriteStatements>,
    ns: i64,
    changes: &[Change<'_>],
) -> Result<Loaded> {
    let (client, statements) = (connection.client(), &connection.statements);
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut with_value: Vec<&[u8]> = Vec::new();
    for change in changes {
        change.for_each_read(|key, needs_value| {
            keys.push(key.as_bytes());
            if needs_value {
                with_value.push(key.as_bytes());
            }
        });
    }
    keys.sort_unstable();
    keys.dedup();
    connection.session.take_warning();
    let (begin, lock, last, load) = join4(
        client.execute(&statements.begin, &[]),
        client.query_opt(&statements.lock, &[&ns]),
        client.query_one(&statements.last, &[&ns]),
        client.query(&statements.load, &[&ns, &keys, &with_value]),
    )
    .await;
    begin.map_err(not_applied)?;
    let lock = lock.map_err(not_applied)?.ok_or_else(unknown_number)?;
    let (last, load) = (last.map_err(not_applied)?, load.map_err(not_applied)?);
    Loaded::new(&lock, &last, &load)
}

/// Returns the error of a number that is not in use any more: the name has another one by now.
pub(crate) fn unknown_number() -> Error {
    Error::new(Code::Unavailable, "the namespace was created again")
}

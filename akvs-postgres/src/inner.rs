//! What the tasks and the callers of a database share: its connections, and what this node knows of it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use akvs_core::{Namespace, PeekedEntry, Result, Revision};
use akvs_server::Attempt;
use tokio::sync::Notify;

use crate::connection::{Connector, within};
use crate::failure::{not_applied, unavailable};
use crate::group::group;
use crate::health::Health;
use crate::hints::Hints;
use crate::load::Change;
use crate::lock::lock;
use crate::names::Names;
use crate::pool::{Pool, SharedPool};
use crate::rows::{column, int, revision, stored_entry};
use crate::schema::DatabaseId;
use crate::statements::{ReadStatements, WriteStatements};

/// What the tasks of a database share.
pub(crate) struct Inner {
    pub(crate) connector: Arc<Connector>,
    pub(crate) reads: SharedPool<ReadStatements>,
    pub(crate) writes: Pool<WriteStatements>,
    pub(crate) names: Names,
    pub(crate) health: Health,
    pub(crate) hints: Hints,
    /// The namespaces whose histories are too long.
    pub(crate) untrimmed: Mutex<HashSet<i64>>,
    /// The namespaces that this node has changed, and their newest revisions.
    pub(crate) changed: Mutex<HashMap<i64, i64>>,
    pub(crate) has_changed: Notify,
}

impl Inner {
    /// Returns what is shared of a database with this identity.
    pub(crate) fn new(connector: Arc<Connector>, id: DatabaseId) -> Inner {
        let options = connector.options();
        Inner {
            reads: SharedPool::new(&connector, options.read_connections),
            writes: Pool::new(&connector, options.write_connections),
            names: Names::default(),
            health: Health::new(id, options.min_standbys),
            hints: Hints::default(),
            untrimmed: Mutex::default(),
            changed: Mutex::default(),
            has_changed: Notify::new(),
            connector,
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.connector.options().timeout
    }

    /// Returns the number of a name, if it has one.
    pub(crate) async fn number(&self, name: &Namespace) -> Result<Option<i64>> {
        if let Some(number) = self.names.number(name) {
            return Ok(Some(number));
        }
        let connection = self.reads.get().await?;
        let names = &connection.statements.names;
        let number = within(self.timeout(), names.find(connection.client(), name)).await?;
        if let Some(number) = number {
            self.names.insert(name, number);
        }
        Ok(number)
    }

    /// Returns the number of a name, and assigns one if it has none.
    pub(crate) async fn assigned_number(&self, name: &Namespace) -> Result<i64> {
        if let Some(number) = self.number(name).await? {
            return Ok(number);
        }
        let connection = self.reads.get().await?;
        let names = &connection.statements.names;
        let number = within(self.timeout(), names.assign(connection.client(), name)).await?;
        self.names.insert(name, number);
        Ok(number)
    }

    pub(crate) async fn find(
        &self,
        name: &Namespace,
        key: &[u8],
        max_bytes: usize,
    ) -> Result<Option<PeekedEntry>> {
        let max_bytes = i32::try_from(max_bytes).unwrap_or(i32::MAX);
        // A number may be out of use, but only once since the name was looked up.
        for _ in 0..2 {
            let Some(number) = self.number(name).await? else {
                return Ok(None);
            };
            let connection = self.reads.get().await?;
            let statement = &connection.statements.find;
            let found = within(self.timeout(), async {
                let row = connection
                    .client()
                    .query_opt(statement, &[&number, &key, &max_bytes])
                    .await;
                row.map_err(not_applied)
            });
            let found = found.await;
            if found.is_err() && !connection.is_closed() {
                self.reads.forget(&connection).await;
            }
            let Some(row) = found? else {
                self.names.forget(name);
                continue;
            };
            if column::<Option<i64>>(&row, 0)?.is_none() {
                return Ok(None);
            }
            let stored = stored_entry(&row, 0)?;
            return Ok(Some(PeekedEntry {
                left_bytes: stored.separated.map(|_| stored.value_bytes()),
                entry: stored.entry,
            }));
        }
        Ok(None)
    }

    /// Commits changes of a namespace.
    pub(crate) async fn commit(&self, number: i64, changes: &[Change<'_>]) -> Attempt {
        let lease = match self.writes.get().await {
            Ok(lease) => lease,
            Err(error) => return Attempt::NotApplied(error),
        };
        let done = group(lease, self.timeout(), number, changes).await;
        if done.history_changes > self.max_history() {
            lock(&self.untrimmed).insert(number);
        }
        done.attempt
    }

    /// Tells other nodes that a namespace has changed.
    pub(crate) fn announce(&self, number: i64, revision: Revision) {
        lock(&self.changed).insert(number, int(revision.get()));
        self.has_changed.notify_one();
    }

    /// Returns the number of changes from which a history is trimmed: some more than are kept.
    pub(crate) fn max_history(&self) -> u64 {
        let keep = self.connector.options().history_changes;
        keep.saturating_add((keep / 8).clamp(1, 2_000))
    }

    pub(crate) async fn newest(&self, names: &[Namespace]) -> Result<Vec<Revision>> {
        let connection = self.reads.get().await?;
        let (client, statements) = (connection.client(), &connection.statements);
        let unknown: Vec<&str> = names
            .iter()
            .filter(|name| self.names.number(name).is_none())
            .map(Namespace::as_str)
            .collect();
        let read = async {
            if !unknown.is_empty() {
                let rows = client.query(&statements.names.numbers, &[&unknown]).await;
                for row in rows.map_err(unavailable)? {
                    let name = Namespace::new(column::<&str>(&row, 0)?)?;
                    self.names.insert(&name, column(&row, 1)?);
                }
            }
            let numbers: Vec<Option<i64>> =
                names.iter().map(|name| self.names.number(name)).collect();
            let known: Vec<i64> = numbers.iter().flatten().copied().collect();
            let rows = client.query(&statements.newest, &[&known]).await;
            let mut newest = HashMap::new();
            for row in rows.map_err(unavailable)? {
                newest.insert(column::<i64>(&row, 0)?, revision(&row, 1)?);
            }
            let purged = client.query_one(&statements.purged, &[]).await;
            let purged = revision(&purged.map_err(unavailable)?, 0)?;
            let newest = numbers.into_iter().map(|number| {
                let newest = number.and_then(|number| newest.get(&number));
                newest.copied().unwrap_or(purged)
            });
            Ok(newest.collect())
        };
        within(self.timeout(), read).await
    }
}

//! The database as the executor of a node uses it.

use std::sync::Arc;

use akvs_core::engine::{Capabilities, PageLimit};
use akvs_core::{
    Changes, DatabaseSnapshot, Namespace, NamespaceInfo, NamespaceSnapshot, PeekedEntry, Result,
    Revision, StorageStats,
};
use akvs_server::{Attempt, Backend, Command, LostCommit};
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::connection::{Connector, within};
use crate::failure::unavailable;
use crate::group::resolve;
use crate::history::{ChangeReader, state};
use crate::inner::Inner;
use crate::load::Change;
use crate::options::PostgresOptions;
use crate::rows::revision;
use crate::snapshot::Snapshots;
use crate::{maintenance, schema, tasks};

/// A PostgreSQL database.
pub struct Postgres {
    inner: Arc<Inner>,
    snapshots: Snapshots,
}

impl Postgres {
    /// Connects to a database, and creates the schema in an empty one. Its connections are served by tasks of `runtime`.
    /// Blocks; it must not be called in a task.
    pub fn connect(options: &PostgresOptions, runtime: &Handle) -> Result<Postgres> {
        let connector = Arc::new(Connector::new(options.clone(), runtime.clone()));
        let id = runtime.block_on(schema::open(&connector))?;
        let snapshots = Snapshots::new(&connector);
        let inner = Arc::new(Inner::new(connector, id));
        runtime.block_on(inner.health.measure(&inner.reads))?;
        runtime.spawn(tasks::send_hints(Arc::downgrade(&inner)));
        runtime.spawn(tasks::watch_health(Arc::downgrade(&inner)));
        if options.listen {
            runtime.spawn(tasks::receive_hints(Arc::downgrade(&inner)));
        }
        Ok(Postgres { inner, snapshots })
    }
}

impl Backend for Postgres {
    fn find<'a>(
        &'a self,
        name: &'a Namespace,
        key: &'a [u8],
        max_bytes: usize,
    ) -> BoxFuture<'a, Result<Option<PeekedEntry>>> {
        Box::pin(self.inner.find(name, key, max_bytes))
    }

    fn group<'a>(&'a self, name: &'a Namespace, commands: &'a [Command]) -> BoxFuture<'a, Attempt> {
        Box::pin(async move {
            if let Err(error) = self.inner.health.check() {
                return Attempt::NotApplied(error);
            }
            let number = match self.inner.assigned_number(name).await {
                Ok(number) => number,
                Err(error) => return Attempt::NotApplied(error),
            };
            let changes: Vec<Change<'_>> = commands.iter().map(Change::Command).collect();
            self.inner.commit(number, &changes).await
        })
    }

    fn resolve<'a>(
        &'a self,
        name: &'a Namespace,
        lost: &'a LostCommit,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let number = self.inner.assigned_number(name).await?;
            let lease = self.inner.writes.get().await?;
            resolve(lease, self.inner.timeout(), number, lost).await
        })
    }

    fn newest<'a>(&'a self, names: &'a [Namespace]) -> BoxFuture<'a, Result<Vec<Revision>>> {
        Box::pin(self.inner.newest(names))
    }

    fn changes<'a>(
        &'a self,
        name: &'a Namespace,
        after: Revision,
        limit: PageLimit,
    ) -> BoxFuture<'a, Result<Changes>> {
        Box::pin(async move {
            let connection = self.inner.reads.get().await?;
            let (client, statements) = (connection.client(), &connection.statements);
            let read = async {
                let state = state(client, &statements.state, name).await?;
                let purged = match state {
                    Some(_) => Revision::ZERO,
                    None => {
                        let row = client.query_one(&statements.purged, &[]).await;
                        revision(&row.map_err(unavailable)?, 0)?
                    }
                };
                let changes = ChangeReader {
                    client,
                    statement: &statements.changes,
                    state: state.as_ref(),
                    purged,
                };
                changes.read(after, limit).await
            };
            within(self.inner.timeout(), read).await
        })
    }

    fn hints(&self) -> BoxFuture<'_, Vec<Namespace>> {
        Box::pin(self.inner.hints.wait())
    }

    fn notify(&self, name: &Namespace, revision: Revision) {
        if let Some(number) = self.inner.names.number(name) {
            self.inner.announce(number, revision);
        }
    }

    fn maintain(&self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(maintenance::step(&self.inner))
    }

    fn namespace_snapshot(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        self.snapshots.namespace(name)
    }

    fn database_snapshot(&self) -> Result<DatabaseSnapshot> {
        self.snapshots.database()
    }

    fn namespaces(&self, after: Option<&Namespace>, limit: usize) -> Result<Vec<NamespaceInfo>> {
        self.snapshots.list(after, limit)
    }

    fn storage_stats(&self, largest: usize) -> Result<StorageStats> {
        self.snapshots.storage_stats(largest)
    }

    fn stored_bytes(&self) -> Result<u64> {
        self.snapshots.stored_bytes()
    }

    fn check(&self) -> Result<()> {
        self.inner.health.check()
    }

    fn durability(&self) -> String {
        self.inner.health.durability()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The tasks end with what they share.
        self.inner.has_changed.notify_one();
    }
}

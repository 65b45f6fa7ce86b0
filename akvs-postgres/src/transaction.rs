//! A transaction that reads, on a connection of its own.

use std::sync::Arc;

use akvs_core::{Code, Error, Result};
use tokio_postgres::{Client, Statement};

use crate::connection::{Connector, Statements, within};
use crate::failure::not_applied;
use crate::pool::Lease;
use crate::sql;

/// The statements of a connection for snapshots.
pub(crate) struct SnapshotStatements {
    pub(crate) begin: Statement,
    pub(crate) rollback: Statement,
    pub(crate) state: Statement,
    pub(crate) states: Statement,
    pub(crate) count: Statement,
    pub(crate) purged: Statement,
    pub(crate) entries: Statement,
    pub(crate) entries_back: Statement,
    pub(crate) entry: Statement,
    pub(crate) changes: Statement,
    pub(crate) totals: Statement,
    pub(crate) largest: Statement,
    pub(crate) size: Statement,
}

impl Statements for SnapshotStatements {
    async fn prepare(client: &Client) -> Result<SnapshotStatements, tokio_postgres::Error> {
        Ok(SnapshotStatements {
            begin: client.prepare(sql::BEGIN_SNAPSHOT).await?,
            rollback: client.prepare(sql::ROLLBACK).await?,
            state: client.prepare(sql::STATE).await?,
            states: client.prepare(sql::STATES).await?,
            count: client.prepare(sql::COUNT).await?,
            purged: client.prepare(sql::PURGED).await?,
            entries: client.prepare(sql::ENTRIES).await?,
            entries_back: client.prepare(sql::ENTRIES_BACK).await?,
            entry: client.prepare(sql::ENTRY).await?,
            changes: client.prepare(sql::CHANGES).await?,
            totals: client.prepare(sql::TOTALS).await?,
            largest: client.prepare(sql::LARGEST).await?,
            size: client.prepare(sql::SIZE).await?,
        })
    }
}

/// A transaction that reads.
pub(crate) struct Transaction {
    pub(crate) connector: Arc<Connector>,
    /// None only while this is dropped.
    pub(crate) lease: Option<Lease<SnapshotStatements>>,
}

impl Transaction {
    /// Runs statements in the transaction. Blocks.
    pub(crate) fn run<T>(
        &self,
        work: impl AsyncFnOnce(&Lease<SnapshotStatements>) -> Result<T>,
    ) -> Result<T> {
        let Some(lease) = &self.lease else {
            return Err(Error::new(Code::Unavailable, "the snapshot is closed"));
        };
        let timeout = self.connector.options().timeout;
        // Within the runtime, whose clock ends it.
        self.connector
            .runtime()
            .block_on(async { within(timeout, work(lease)).await })
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        let timeout = self.connector.options().timeout;
        self.connector.runtime().spawn(async move {
            let ended = within(timeout, async {
                let ended = lease
                    .client()
                    .execute(&lease.statements.rollback, &[])
                    .await;
                ended.map_err(not_applied)
            });
            if ended.await.is_ok() {
                lease.keep();
            }
        });
    }
}

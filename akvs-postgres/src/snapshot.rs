//! Snapshots: each is a transaction on a connection of its own, from which everything is read as it was at one moment.
//!
//! The calls block, and are made by threads that may wait. Old rows keep their space while a snapshot is open, so its time
//! is limited by the database.

use std::sync::Arc;

use akvs_core::{
    Counts, DatabaseReader, DatabaseSnapshot, Namespace, NamespaceInfo, NamespaceSnapshot, Result,
    Revision, StorageStats,
};
use futures_util::future::join3;
use tokio_postgres::Client;

use crate::connection::{Connector, within};
use crate::failure::not_applied;
use crate::history::{State, state};
use crate::pool::Pool;
use crate::reader::Reader;
use crate::rows::{column, number, optional};
use crate::transaction::{SnapshotStatements, Transaction};

/// Snapshots of a database.
pub(crate) struct Snapshots {
    connector: Arc<Connector>,
    pool: Arc<Pool<SnapshotStatements>>,
}

impl Snapshots {
    pub(crate) fn new(connector: &Arc<Connector>) -> Snapshots {
        let connections = connector.options().snapshot_connections;
        Snapshots {
            connector: Arc::clone(connector),
            pool: Arc::new(Pool::new(connector, connections)),
        }
    }

    fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.connector.runtime().block_on(work)
    }

    /// Begins a transaction, and reads the state of a namespace in it.
    fn begin(&self, name: Option<&Namespace>) -> Result<(Transaction, Option<State>)> {
        let options = self.connector.options();
        let idle = options.snapshot_timeout.as_millis();
        let limit = format!("set local idle_in_transaction_session_timeout = {idle}");
        self.block_on(async {
            let lease = self.pool.get().await?;
            let state = within(options.timeout, async {
                let (client, statements) = (lease.client(), &lease.statements);
                let state = async {
                    match name {
                        Some(name) => state(client, &statements.state, name).await,
                        None => Ok(None),
                    }
                };
                let (begin, limit, state) = join3(
                    client.execute(&statements.begin, &[]),
                    client.batch_execute(&limit),
                    state,
                )
                .await;
                begin.map_err(not_applied)?;
                limit.map_err(not_applied)?;
                state
            });
            let state = state.await?;
            let transaction = Transaction {
                connector: Arc::clone(&self.connector),
                lease: Some(lease),
            };
            Ok((transaction, state))
        })
    }

    /// Returns a namespace as it is now.
    pub(crate) fn namespace(&self, name: &Namespace) -> Result<NamespaceSnapshot> {
        let (transaction, state) = self.begin(Some(name))?;
        let reader = Reader::new(Arc::new(transaction), state)?;
        Ok(NamespaceSnapshot::new(reader))
    }

    /// Returns all namespaces as they are now.
    pub(crate) fn database(&self) -> Result<DatabaseSnapshot> {
        let (transaction, _) = self.begin(None)?;
        let reader = AllReader {
            transaction: Arc::new(transaction),
        };
        // The first statement takes the snapshot.
        reader.count()?;
        Ok(DatabaseSnapshot::new(reader))
    }

    /// Runs a statement outside of a transaction.
    fn query<T>(
        &self,
        decode: impl AsyncFnOnce(&Client, &SnapshotStatements) -> Result<T>,
    ) -> Result<T> {
        let timeout = self.connector.options().timeout;
        self.block_on(async {
            let lease = self.pool.get().await?;
            let read = within(timeout, decode(lease.client(), &lease.statements)).await?;
            lease.keep();
            Ok(read)
        })
    }

    /// Returns up to `limit` namespaces in the order of their names, after the name `after`.
    pub(crate) fn list(
        &self,
        after: Option<&Namespace>,
        limit: usize,
    ) -> Result<Vec<NamespaceInfo>> {
        let after = after.map_or("", Namespace::as_str);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.query(async |client, statements| {
            let rows = client.query(&statements.states, &[&after, &limit]).await;
            let mut found = Vec::new();
            for row in rows.map_err(not_applied)? {
                found.extend(State::new(&row)?.info);
            }
            Ok(found)
        })
    }

    /// Returns statistics of all namespaces, and of the largest ones.
    pub(crate) fn storage_stats(&self, largest: usize) -> Result<StorageStats> {
        let limit = i64::try_from(largest).unwrap_or(i64::MAX);
        self.query(async |client, statements| {
            let totals = client.query_one(&statements.totals, &[]).await;
            let totals = totals.map_err(not_applied)?;
            let rows = client.query(&statements.largest, &[&limit]).await;
            let mut largest = Vec::new();
            for row in rows.map_err(not_applied)? {
                let name = Namespace::new(column::<&str>(&row, 0)?)?;
                let counts = Counts {
                    keys: optional(&row, 1)?.unwrap_or_default(),
                    bytes: optional(&row, 2)?.unwrap_or_default(),
                    history: optional(&row, 3)?.unwrap_or_default(),
                };
                largest.push((name, counts));
            }
            Ok(StorageStats {
                namespaces: number(&totals, 0)?,
                counts: Counts {
                    keys: number(&totals, 1)?,
                    bytes: number(&totals, 2)?,
                    history: number(&totals, 3)?,
                },
                largest,
            })
        })
    }

    /// Returns the size of the tables and their indexes.
    pub(crate) fn stored_bytes(&self) -> Result<u64> {
        self.query(async |client, statements| {
            let row = client.query_one(&statements.size, &[]).await;
            number(&row.map_err(not_applied)?, 0)
        })
    }
}

/// All namespaces at one moment.
struct AllReader {
    transaction: Arc<Transaction>,
}

impl DatabaseReader for AllReader {
    fn revision(&self) -> Revision {
        // Each namespace counts its own.
        Revision::ZERO
    }

    fn count(&self) -> Result<u64> {
        self.transaction.run(async |lease| {
            let row = lease.client().query_one(&lease.statements.count, &[]).await;
            number(&row.map_err(not_applied)?, 0)
        })
    }

    fn after(&self, name: Option<&Namespace>) -> Result<Option<NamespaceSnapshot>> {
        let after = name.map_or("", Namespace::as_str);
        let state = self.transaction.run(async |lease| {
            let limit = 1_i64;
            let row = lease
                .client()
                .query_opt(&lease.statements.states, &[&after, &limit])
                .await;
            row.map_err(not_applied)?
                .map(|row| State::new(&row))
                .transpose()
        })?;
        let Some(state) = state else { return Ok(None) };
        let reader = Reader::new(Arc::clone(&self.transaction), Some(state))?;
        Ok(Some(NamespaceSnapshot::new(reader)))
    }
}

//! The statements of connections that read, and of those that write.

use tokio_postgres::{Client, Statement};

use crate::connection::Statements;
use crate::names::NameStatements;
use crate::sql;

/// The statements of a connection that writes.
pub(crate) struct WriteStatements {
    pub(crate) begin: Statement,
    pub(crate) commit: Statement,
    pub(crate) rollback: Statement,
    pub(crate) lock: Statement,
    pub(crate) last: Statement,
    pub(crate) load: Statement,
    pub(crate) put: Statement,
    pub(crate) touch: Statement,
    pub(crate) delete: Statement,
    pub(crate) append: Statement,
    pub(crate) update_row: Statement,
    pub(crate) discard: Statement,
    pub(crate) token: Statement,
    pub(crate) confirm: Statement,
}

impl Statements for WriteStatements {
    async fn prepare(client: &Client) -> Result<WriteStatements, tokio_postgres::Error> {
        Ok(WriteStatements {
            begin: client.prepare(sql::BEGIN).await?,
            commit: client.prepare(sql::COMMIT).await?,
            rollback: client.prepare(sql::ROLLBACK).await?,
            lock: client.prepare(sql::LOCK).await?,
            last: client.prepare(sql::LAST).await?,
            load: client.prepare(sql::LOAD).await?,
            put: client.prepare(sql::PUT).await?,
            touch: client.prepare(sql::TOUCH).await?,
            delete: client.prepare(sql::DELETE).await?,
            append: client.prepare(sql::APPEND).await?,
            update_row: client.prepare(sql::UPDATE_ROW).await?,
            discard: client.prepare(sql::DISCARD).await?,
            token: client.prepare(sql::TOKEN).await?,
            confirm: client.prepare(sql::CONFIRM).await?,
        })
    }
}

/// The statements of a connection that reads.
pub(crate) struct ReadStatements {
    pub(crate) find: Statement,
    pub(crate) newest: Statement,
    pub(crate) purged: Statement,
    pub(crate) changes: Statement,
    pub(crate) state: Statement,
    pub(crate) names: NameStatements,
}

impl Statements for ReadStatements {
    async fn prepare(client: &Client) -> Result<ReadStatements, tokio_postgres::Error> {
        Ok(ReadStatements {
            find: client.prepare(sql::FIND).await?,
            newest: client.prepare(sql::NEWEST).await?,
            purged: client.prepare(sql::PURGED).await?,
            changes: client.prepare(sql::CHANGES).await?,
            state: client.prepare(sql::STATE).await?,
            names: NameStatements::prepare(client).await?,
        })
    }
}

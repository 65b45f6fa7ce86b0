//! The schema: it is created in an empty database, and its version is checked.

use akvs_core::Result;

use crate::connection::{Connector, within};
use crate::failure::{not_applied, refused};
use crate::rows::column;

/// The version of the schema.
const FORMAT: i32 = 1;
/// The key of the lock under which the schema is created.
const SCHEMA_LOCK: i64 = 0x616b_7673;

/// The identity of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DatabaseId(pub(crate) String);

/// Creates the schema, if there is none, and checks its version. Returns the identity of the database.
pub(crate) async fn open(connector: &Connector) -> Result<DatabaseId> {
    let session = connector.connect().await?;
    let client = &session.client;
    let opened = async {
        client.batch_execute("begin").await.map_err(not_applied)?;
        let locked = client
            .execute("select pg_advisory_xact_lock($1)", &[&SCHEMA_LOCK])
            .await;
        locked.map_err(not_applied)?;
        let found = client
            .query_one("select to_regclass('akvs.store') is not null", &[])
            .await;
        if !column::<bool>(&found.map_err(not_applied)?, 0)? {
            let created = client.batch_execute(include_str!("schema.sql")).await;
            created.map_err(not_applied)?;
            let named = client
                .execute("insert into akvs.store (format) values ($1)", &[&FORMAT])
                .await;
            named.map_err(not_applied)?;
        }
        let row = client
            .query_opt("select format, id::text from akvs.store", &[])
            .await;
        let row = row.map_err(not_applied)?;
        let row = row.ok_or_else(|| refused("the schema akvs of the database has no version"))?;
        let format: i32 = column(&row, 0)?;
        if format != FORMAT {
            return Err(refused(format!(
                "the schema akvs of the database has version {format}; this release reads version {FORMAT}"
            )));
        }
        let id = DatabaseId(column(&row, 1)?);
        client.batch_execute("commit").await.map_err(not_applied)?;
        Ok(id)
    };
    within(connector.options().timeout, opened).await
}

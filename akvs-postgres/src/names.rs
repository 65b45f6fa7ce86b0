//! The numbers of names. A node keeps those that it has used: a number is never used again for another name.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use akvs_core::{Namespace, Result};
use tokio_postgres::{Client, Statement};

use crate::failure::not_applied;
use crate::rows::column;

/// The number of names that are kept; then all are forgotten.
const MAX_NAMES: usize = 100_000;

/// The names and numbers that this node has used.
#[derive(Default)]
pub(crate) struct Names {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    numbers: HashMap<Namespace, i64>,
    names: HashMap<i64, Namespace>,
}

impl Names {
    pub(crate) fn number(&self, name: &Namespace) -> Option<i64> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.numbers.get(name).copied()
    }

    pub(crate) fn name(&self, number: i64) -> Option<Namespace> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.names.get(&number).cloned()
    }

    pub(crate) fn insert(&self, name: &Namespace, number: i64) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.numbers.len() >= MAX_NAMES {
            *known = Known::default();
        }
        known.numbers.insert(name.clone(), number);
        known.names.insert(number, name.clone());
    }

    pub(crate) fn forget(&self, name: &Namespace) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = known.numbers.remove(name) {
            known.names.remove(&number);
        }
    }
}

/// The statements that find and assign numbers.
pub(crate) struct NameStatements {
    pub(crate) number: Statement,
    pub(crate) numbers: Statement,
    pub(crate) assign: Statement,
    pub(crate) create_row: Statement,
}

impl NameStatements {
    pub(crate) async fn prepare(client: &Client) -> Result<NameStatements, tokio_postgres::Error> {
        Ok(NameStatements {
            number: client.prepare(crate::sql::NUMBER).await?,
            numbers: client.prepare(crate::sql::NUMBERS).await?,
            assign: client.prepare(crate::sql::ASSIGN_NUMBER).await?,
            create_row: client.prepare(crate::sql::CREATE_ROW).await?,
        })
    }

    /// Returns the number of a name, if it has one.
    pub(crate) async fn find(&self, client: &Client, name: &Namespace) -> Result<Option<i64>> {
        let row = client.query_opt(&self.number, &[&name.as_str()]).await;
        let row = row.map_err(not_applied)?;
        row.map(|row| column(&row, 0)).transpose()
    }

    /// Returns the number of a name, and assigns one if it has none. Each statement sees what others have committed
    /// before it, so that two nodes agree.
    pub(crate) async fn assign(&self, client: &Client, name: &Namespace) -> Result<i64> {
        let assigned = client.execute(&self.assign, &[&name.as_str()]).await;
        assigned.map_err(not_applied)?;
        let row = client.query_one(&self.number, &[&name.as_str()]).await;
        let number = column(&row.map_err(not_applied)?, 0)?;
        let created = client
            .execute(&self.create_row, &[&number, &name.as_str()])
            .await;
        created.map_err(not_applied)?;
        Ok(number)
    }
}

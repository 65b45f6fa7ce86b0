//! The health of the database: whether it answers, and how durable its commits are.

use std::sync::Mutex;
use std::time::Duration;

use akvs_core::{Code, Error, Result};

use crate::connection::within;
use crate::failure::unavailable;
use crate::lock::lock;
use crate::pool::SharedPool;
use crate::rows::column;
use crate::schema::DatabaseId;
use crate::statements::ReadStatements;

/// The maximum wait for an answer, and after how many failures in a row writes are refused.
const TIMEOUT: Duration = Duration::from_secs(2);
const MAX_FAILURES: u32 = 3;

const QUERY: &str = "\
    select id::text, current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'), \
      (select count(*) from pg_stat_replication where sync_state in ('sync', 'quorum') and state = 'streaming') \
    from akvs.store";

/// The health of the database.
pub(crate) struct Health {
    id: DatabaseId,
    min_standbys: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// What makes commits less durable than they should be.
    weakness: Option<String>,
    standbys: i64,
}

impl Health {
    pub(crate) fn new(id: DatabaseId, min_standbys: u32) -> Health {
        Health {
            id,
            min_standbys,
            state: Mutex::default(),
        }
    }

    /// Returns why writes are refused, if they are.
    pub(crate) fn check(&self) -> Result<()> {
        let state = lock(&self.state);
        let refuse = |text: String| Error::new(Code::Unavailable, text).with("retry_after_s", 1);
        if state.failures >= MAX_FAILURES {
            return Err(refuse("the database cannot be reached".to_owned()));
        }
        match &state.weakness {
            Some(weakness) => Err(refuse(weakness.clone())),
            None => Ok(()),
        }
    }

    /// Notes that the database did not answer.
    pub(crate) fn note_failure(&self) {
        let mut state = lock(&self.state);
        state.failures = state.failures.saturating_add(1);
    }

    /// Returns how durable commits are.
    pub(crate) fn durability(&self) -> String {
        match lock(&self.state).standbys {
            0 => "fsync".to_owned(),
            1 => "fsync on the primary and 1 synchronous standby".to_owned(),
            count => format!("fsync on the primary and {count} synchronous standbys"),
        }
    }

    /// Measures the health of the database.
    pub(crate) async fn measure(&self, reads: &SharedPool<ReadStatements>) -> Result<()> {
        let connection = reads.get().await?;
        let asked = within(TIMEOUT, async {
            let row = connection.client().query_one(QUERY, &[]).await;
            row.map_err(unavailable)
        });
        let row = match asked.await {
            Ok(row) => row,
            Err(error) => {
                reads.forget(&connection).await;
                return Err(error);
            }
        };
        let id = DatabaseId(column(&row, 0)?);
        let setting = |index| column::<&str>(&row, index);
        let standbys: i64 = column(&row, 4)?;
        let is_off = |text: &str| text == "off";
        let weakness = if id != self.id {
            Some("the database is another one than at the start".to_owned())
        } else if is_off(setting(1)?) {
            Some("the database does not write to disk: fsync is off".to_owned())
        } else if is_off(setting(2)?) {
            Some("the database may be damaged by a power loss: full_page_writes is off".to_owned())
        } else if matches!(setting(3)?, "off" | "local" | "remote_write") {
            let text = "the database answers commits too early: synchronous_commit is";
            Some(format!("{text} {}", setting(3)?))
        } else if standbys < i64::from(self.min_standbys) {
            Some(format!(
                "the database has {standbys} synchronous standbys of the {} that engine.min_standbys demands",
                self.min_standbys
            ))
        } else {
            None
        };
        *lock(&self.state) = State {
            failures: 0,
            weakness,
            standbys,
        };
        Ok(())
    }
}

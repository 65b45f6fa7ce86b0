//! The state of a namespace and its changes, read by any connection.

use akvs_core::engine::PageLimit;
use akvs_core::{
    Changes, Counts, Event, Namespace, NamespaceInfo, Result, Revision, Settings, Timestamp,
    history_gone,
};
use tokio_postgres::{Client, Row, Statement};

use crate::failure::not_applied;
use crate::rows::{column, corrupted, counts, event, int, number, optional, revision, settings};

/// A namespace at one moment.
pub(crate) struct State {
    pub(crate) number: i64,
    pub(crate) life: i32,
    pub(crate) compacted: Revision,
    pub(crate) newest: Revision,
    pub(crate) now: Timestamp,
    pub(crate) info: Option<NamespaceInfo>,
}

impl State {
    pub(crate) fn new(row: &Row) -> Result<State> {
        let (life, compacted) = (column::<i32>(row, 1)?, revision(row, 3)?);
        let newest = optional(row, 10)?.map(Revision::new).unwrap_or_default();
        let newest = newest.max(compacted);
        let counts: Counts = counts(
            optional(row, 11)?,
            optional(row, 12)?,
            optional(row, 13)?,
            number(row, 4)?,
        );
        let settings: Settings = settings(row, 5)?;
        let info = NamespaceInfo {
            name: Namespace::new(column::<&str>(row, 9)?)?,
            created: Timestamp::from_millis(number(row, 2)?),
            counts,
            revision: newest,
            settings,
        };
        Ok(State {
            number: column(row, 0)?,
            life,
            compacted,
            newest,
            now: Timestamp::from_millis(number(row, 14)?),
            // The number is odd while the namespace exists.
            info: Some(info).filter(|_| life % 2 != 0),
        })
    }

    /// Returns whether a namespace of this name was ever created.
    pub(crate) fn is_known(&self) -> bool {
        self.life > 0
    }
}

/// Returns the state of a namespace.
pub(crate) async fn state(
    client: &Client,
    statement: &Statement,
    name: &Namespace,
) -> Result<Option<State>> {
    let row = client.query_opt(statement, &[&name.as_str()]).await;
    let row = row.map_err(not_applied)?;
    row.map(|row| State::new(&row)).transpose()
}

/// The changes of a namespace.
pub(crate) struct ChangeReader<'a> {
    pub(crate) client: &'a Client,
    pub(crate) statement: &'a Statement,
    /// None where the namespace has no number.
    pub(crate) state: Option<&'a State>,
    /// The newest revision of a namespace without a number.
    pub(crate) purged: Revision,
}

impl ChangeReader<'_> {
    fn compacted(&self) -> Revision {
        self.state.map_or(self.purged, |state| state.compacted)
    }

    fn newest(&self) -> Revision {
        self.state.map_or(self.purged, |state| state.newest)
    }

    /// Refuses a revision after which not all changes are kept.
    pub(crate) fn check_since(&self, after: Revision) -> Result<()> {
        if after < self.compacted() || after > self.newest() {
            return Err(history_gone(after, self.compacted(), None, self.newest()));
        }
        Ok(())
    }

    /// Returns the changes after a revision, up to the limit but always whole revisions.
    pub(crate) async fn read(&self, after: Revision, limit: PageLimit) -> Result<Changes> {
        self.check_since(after)?;
        let mut events: Vec<Event> = Vec::new();
        let Some(state) = self.state else {
            let until = self.newest();
            return Ok(Changes { events, until });
        };
        let rows = i64::try_from(limit.rows.max(1)).unwrap_or(i64::MAX);
        // The number of changes that end with a revision and are within the limit, and their bytes.
        let (mut whole, mut bytes) = (0, 0);
        let mut from = (int(after.get()), i16::MAX);
        loop {
            let page = self
                .client
                .query(self.statement, &[&state.number, &from.0, &from.1, &rows])
                .await;
            let page = page.map_err(not_applied)?;
            let is_end = (page.len() as u64) < int_rows(rows);
            for row in &page {
                from = (column(row, 0)?, column(row, 1)?);
                let event = event(row)?;
                bytes += event.bytes();
                let is_last = event.is_last;
                events.push(event);
                let fits = events.len() <= limit.rows && bytes <= limit.bytes;
                // At least one revision.
                if is_last && (whole == 0 || fits) {
                    whole = events.len();
                }
            }
            let is_full = events.len() >= limit.rows || bytes >= limit.bytes;
            if is_end && whole == events.len() {
                let last = events.last().map(|event| event.revision);
                let until = last.map_or(state.newest, |last| last.max(state.newest));
                return Ok(Changes { events, until });
            }
            if (is_full || is_end) && whole > 0 {
                events.truncate(whole);
                let until = events.last().map_or(after, |event| event.revision);
                return Ok(Changes { events, until });
            }
            if is_end {
                return Err(corrupted("history"));
            }
        }
    }
}

fn int_rows(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

//! The removal of entries whose deadline has passed, as changes in the history, in bounded steps.
//!
//! Only space and the history depend on it: from its deadline on, an entry does not exist for readers and operations.
//! Namespaces without an open store expire as well.

use std::sync::Arc;

use bytes::Bytes;

use super::CommitGroup;
use crate::database::Database;
use crate::database::store_state::{NamespaceState, StoreState};
use crate::encoding;
use crate::encoding::NamespaceId;
use crate::engine::{Durability, KeyRange, PageLimit, Table};
use crate::{CommitSummary, Key, Result, Settings, Timestamp};

/// The position of the expiry. It need not be kept: a new task starts from the earliest deadline.
///
/// ```
/// use akvs_core::engine::Durability;
/// use akvs_core::{Action, Database, ExpiryTask, Key, MemoryEngine, Namespace, Op, Options, Store, Timestamp, Ttl};
///
/// let database = Database::open(std::sync::Arc::new(MemoryEngine::new()), Options::default())?;
/// let store = Store::new(&database, Namespace::new("ns")?)?;
/// let action = Action::Set { value: "v".into(), representation: Default::default(), ttl: Ttl::Millis(10) };
/// store.apply(&Key::new("k")?, Op::from(action), Timestamp::from_millis(0))?;
/// assert_eq!(database.next_deadline(), Some(Timestamp::from_millis(10)));
///
/// ExpiryTask::default().step(&database, Timestamp::from_millis(10), 100, Durability::Synced, false)?;
/// assert_eq!(store.counts().keys, 0);
/// # Ok::<(), akvs_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct ExpiryTask {
    /// The time of the last step, and the last row that it removed.
    reached: Option<(Timestamp, Bytes)>,
}

impl ExpiryTask {
    /// Removes at most `rows` entries whose deadline has passed, and [records](CommitGroup::record) the changes if
    /// `record` is set. [`Database::next_deadline`] returns when the next step is due.
    pub fn step(
        &mut self,
        database: &Database,
        now: Timestamp,
        rows: usize,
        durability: Durability,
        record: bool,
    ) -> Result<CommitSummary> {
        let mut group = database.group();
        let range = KeyRange {
            start: self.start(database, now),
            ..encoding::deadlines_until(now)
        };
        if record {
            group.record();
        }
        let page = database
            .engine()
            .page(Table::Deadlines, &range, PageLimit::rows(rows))?;
        let full = page.len() >= rows;
        let mut last = None;
        for (row, _) in page {
            let (deadline, id, key) = encoding::parse_deadline_key(row.clone())?;
            group.expire(id, &key, deadline, row.clone(), now)?;
            last = Some(row);
        }
        if let Some(last) = last {
            self.reached = Some((now, Bytes::copy_from_slice(&last)));
        }
        let next = if full {
            Some(now)
        } else {
            let after = encoding::deadlines_until(now).end.unwrap_or_default();
            encoding::first_deadline(database.engine(), after)?
        };
        group.shared.database.set_next_deadline(next);
        group.commit(durability)
    }
}

impl ExpiryTask {
    /// Returns the row to start from. The group must be open, so that no commit comes in between.
    fn start(&mut self, database: &Database, now: Timestamp) -> Bytes {
        match self.reached.take_if(|(then, _)| *then > now) {
            // The clock stepped back: entries stored since may be due before the reached row.
            Some(_) => Bytes::new(),
            None => {
                let reached = self.reached.as_ref().map(|(_, start)| start.clone());
                // A deadline that had passed when its key was stored, for example by an import, is before the reached
                // row.
                let due = database.next_deadline().map(encoding::deadline_prefix);
                reached.map_or_else(Bytes::new, |start| match due {
                    Some(due) => due.min(start),
                    None => start,
                })
            }
        }
    }
}

impl CommitGroup<'_> {
    /// Removes an entry whose deadline has passed, and the row of its deadline.
    fn expire(
        &mut self,
        id: NamespaceId,
        key: &Key,
        deadline: Timestamp,
        row: Bytes,
        now: Timestamp,
    ) -> Result<()> {
        let engine = self.shared.database.engine();
        let swept = engine.get(Table::Catalogue, &encoding::swept_key(id))?;
        let is_expired = match swept {
            // The garbage collector removes the other rows.
            Some(_) => false,
            None => {
                let at = self.pending_by_id(id)?;
                self.evaluate(at, |namespace, context| {
                    namespace.expire(context, key, deadline, now)
                })?
            }
        };
        if is_expired {
            self.shared.summary.expired += 1;
        } else {
            // The entry was replaced or removed, and this row is stale.
            self.shared.batch.remove(Table::Deadlines, row);
        }
        Ok(())
    }

    fn pending_by_id(&mut self, id: NamespaceId) -> Result<usize> {
        let open = self
            .shared
            .writer
            .loaded
            .get(&id)
            .and_then(std::sync::Weak::upgrade);
        let state = match open {
            Some(state) => state,
            // No store is open: the state lasts as long as the group.
            None => match self
                .stores
                .iter()
                .position(|pending| pending.rows.id == Some(id))
            {
                Some(at) => return Ok(at),
                None => Arc::new(StoreState::new(
                    id,
                    NamespaceState::new(self.shared.database.meta(id)?, Settings::default()),
                )),
            },
        };
        let address = Arc::as_ptr(&state) as usize;
        if let Some(at) = self.index.get(&address) {
            return Ok(*at);
        }
        let current = state.namespace_state();
        Ok(self.push(&state, None, current))
    }
}

//! A namespace in a snapshot: its entries and its changes.

use std::sync::Arc;

use akvs_core::engine::PageLimit;
use akvs_core::{
    Changes, Entries, Event, EventKind, HistoryId, Key, NamespaceInfo, NamespaceReader,
    PeekedEntry, Result, Revision, StoredEntry, Timestamp,
};
use bytes::Bytes;

use crate::failure::not_applied;
use crate::history::{ChangeReader, State};
use crate::pool::Lease;
use crate::rows::{corrupted, key, revision, stored_entry};
use crate::transaction::{SnapshotStatements, Transaction};

/// Longer values are read one by one, so that a page does not have too many of them.
const MAX_INLINE_BYTES: usize = 4 << 10;

/// A namespace at one moment.
pub(crate) struct Reader {
    transaction: Arc<Transaction>,
    state: Option<State>,
    purged: Revision,
}

impl Reader {
    pub(crate) fn new(transaction: Arc<Transaction>, state: Option<State>) -> Result<Reader> {
        let purged = match state {
            Some(_) => Revision::ZERO,
            None => transaction.run(async |lease| {
                let row = lease
                    .client()
                    .query_one(&lease.statements.purged, &[])
                    .await;
                revision(&row.map_err(not_applied)?, 0)
            })?,
        };
        Ok(Reader {
            transaction,
            state,
            purged,
        })
    }

    /// Returns the state of the namespace, if it existed.
    fn existing(&self) -> Option<&State> {
        self.state.as_ref().filter(|state| state.info.is_some())
    }

    fn change_reader<'a>(&'a self, lease: &'a Lease<SnapshotStatements>) -> ChangeReader<'a> {
        ChangeReader {
            client: lease.client(),
            statement: &lease.statements.changes,
            state: self.state.as_ref(),
            purged: self.purged,
        }
    }

    /// Returns an entry with up to `max_bytes` bytes of its value, expired or not.
    fn entry(&self, key: &[u8], max_bytes: usize) -> Result<Option<StoredEntry>> {
        let Some(state) = self.existing() else {
            return Ok(None);
        };
        let max_bytes = i32::try_from(max_bytes).unwrap_or(i32::MAX);
        self.transaction.run(async |lease| {
            let row = lease
                .client()
                .query_opt(
                    &lease.statements.entry,
                    &[&state.number, &state.life, &key, &max_bytes],
                )
                .await;
            let row = row.map_err(not_applied)?;
            row.map(|row| stored_entry(&row, 1)).transpose()
        })
    }
}

fn peeked(stored: StoredEntry) -> PeekedEntry {
    PeekedEntry {
        left_bytes: stored.separated.map(|_| stored.value_bytes()),
        entry: stored.entry,
    }
}

impl NamespaceReader for Reader {
    fn revision(&self) -> Revision {
        self.state
            .as_ref()
            .map_or(self.purged, |state| state.newest)
    }

    fn compacted_revision(&self) -> Revision {
        self.state
            .as_ref()
            .map_or(self.purged, |state| state.compacted)
    }

    fn history(&self) -> Option<HistoryId> {
        let state = self.state.as_ref().filter(|state| state.is_known())?;
        HistoryId::try_from(state.number).ok()
    }

    fn info(&self) -> Option<&NamespaceInfo> {
        self.state.as_ref()?.info.as_ref()
    }

    fn find(&self, key: &[u8], max_bytes: usize, _: Timestamp) -> Result<Option<PeekedEntry>> {
        let stored = self.entry(key, max_bytes)?;
        let now = self.state.as_ref().map(|state| state.now);
        // The time of the database decides, as it does about writes.
        let live = stored.filter(|stored| now.is_some_and(|now| stored.entry.is_live(now)));
        Ok(live.map(peeked))
    }

    fn peek_entries(
        &self,
        (start, end): (&[u8], Option<&[u8]>),
        reverse: bool,
        max_bytes: usize,
        limit: PageLimit,
        _: Timestamp,
    ) -> Result<Entries<PeekedEntry>> {
        let mut found = Entries::default();
        let Some(state) = self.existing() else {
            return Ok(found);
        };
        let inline = i32::try_from(max_bytes.min(MAX_INLINE_BYTES)).unwrap_or(i32::MAX);
        let rows = i64::try_from(limit.rows).unwrap_or(i64::MAX);
        let page = self.transaction.run(async |lease| {
            let statement = match reverse {
                true => &lease.statements.entries_back,
                false => &lease.statements.entries,
            };
            let rows = lease
                .client()
                .query(
                    statement,
                    &[&state.number, &state.life, &start, &end, &rows, &inline],
                )
                .await;
            rows.map_err(not_applied)
        })?;
        let mut last = None;
        for row in &page {
            let (key, mut stored): (Key, _) = (key(row, 0)?, stored_entry(row, 1)?);
            let is_live = stored.entry.is_live(state.now);
            if is_live && !stored.is_loaded() && stored.value_bytes() <= max_bytes {
                let whole = self.entry(key.as_bytes(), usize::MAX)?;
                stored = whole.ok_or_else(|| corrupted("entry"))?;
            }
            found.read_bytes += key.as_bytes().len() + stored.entry.value.len();
            last = Some(key.clone());
            if is_live {
                found.entries.push((key, peeked(stored)));
            }
            if found.read_bytes >= limit.bytes {
                break;
            }
        }
        found.next = last.map(|last| match reverse {
            true => Bytes::copy_from_slice(last.as_bytes()),
            false => [last.as_bytes(), &[0]].concat().into(),
        });
        Ok(found)
    }

    fn check_since(&self, after: Revision) -> Result<()> {
        self.transaction
            .run(async |lease| self.change_reader(lease).check_since(after))
    }

    fn changes(&self, after: Revision, limit: PageLimit, values: bool) -> Result<Changes> {
        let mut changes = self
            .transaction
            .run(async |lease| self.change_reader(lease).read(after, limit).await)?;
        if values {
            let (mut attached, count) = (0, changes.events.len());
            let mut whole = None;
            for (index, event) in changes.events.iter_mut().enumerate() {
                if attached < limit.bytes.max(1) && !event.has_value() {
                    self.complete(event)?;
                    attached += event.bytes();
                }
                // Only whole revisions.
                if attached >= limit.bytes.max(1) && event.is_last && index + 1 < count {
                    whole = Some(index + 1);
                    break;
                }
            }
            if let Some(whole) = whole {
                changes.events.truncate(whole);
                let last = changes.events.last().map(|event| event.revision);
                changes.until = last.unwrap_or(changes.until);
            }
        }
        Ok(changes)
    }

    fn complete(&self, event: &mut Event) -> Result<()> {
        if event.has_value() {
            return Ok(());
        }
        let revision = event.revision;
        let EventKind::Set { key, entry, .. } = &mut event.kind else {
            return Ok(());
        };
        let current = self.entry(key.as_bytes(), usize::MAX)?;
        if let Some(current) = current.filter(|current| current.entry.revision == revision) {
            *entry = current.entry;
        }
        Ok(())
    }
}

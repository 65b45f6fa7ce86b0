//! The changes of a namespace after a revision, for watchers.
//!
//! They are returned in whole revisions and without a gap, or refused with `history_gone`.

use super::rows::NamespaceRows;
use crate::encoding;
use crate::engine::{KeyRange, PageLimit, Table, successor};
use crate::{Code, Error, Event, EventKind, Result, Revision};

/// Changes in the order of their revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The changes.
    pub events: Vec<Event>,
    /// The revision up to which all changes are in this page or those before it.
    pub until: Revision,
}

impl NamespaceRows {
    /// Refuses a revision after which not all changes are kept.
    pub(super) fn refuse_gap(&self, after: Revision) -> Result<()> {
        let is_gap = || self.database.before_gap(after).is_some();
        if after < self.compacted_revision || after > self.revision || is_gap() {
            return Err(self.gone(after));
        }
        Ok(())
    }

    /// Returns the changes after a revision, see [`NamespaceSnapshot::changes`](crate::NamespaceSnapshot::changes).
    pub(super) fn changes_after(
        &self,
        after: Revision,
        limit: PageLimit,
        values: bool,
    ) -> Result<Changes> {
        self.refuse_gap(after)?;
        let until = self.revision;
        let Some(history) = self.history else {
            let events = Vec::new();
            return Ok(Changes { events, until });
        };
        let range = encoding::history_range(history, after, until.next());
        let (mut events, mut is_end) = self.read_changes(after, range, limit)?;
        if values && let Some(enough) = self.attach(&mut events, limit.bytes.max(1))? {
            events.truncate(enough);
            is_end = false;
        }
        let last = events.last().map(|event| event.revision);
        Ok(Changes {
            events,
            until: if is_end { until } else { last.unwrap_or(until) },
        })
    }

    /// Reads the changes after a revision, up to the limit but always whole revisions. Returns whether they are all.
    fn read_changes(
        &self,
        after: Revision,
        mut range: KeyRange,
        limit: PageLimit,
    ) -> Result<(Vec<Event>, bool)> {
        let (mut events, mut bytes): (Vec<Event>, usize) = (Vec::new(), 0);
        // The number of changes that end with a revision and are within the limit.
        let mut whole = 0;
        loop {
            let page_limit = PageLimit {
                rows: limit.rows.saturating_sub(events.len()).max(1),
                bytes: limit.bytes.saturating_sub(bytes).max(1),
            };
            let rows = self.snapshot.page(Table::History, &range, page_limit)?;
            let read_bytes: usize = rows.iter().map(|(key, row)| key.len() + row.len()).sum();
            let is_end = rows.len() < page_limit.rows && read_bytes < page_limit.bytes;
            bytes += read_bytes;
            if let Some((last, _)) = rows.last() {
                range.start = successor(last);
            }
            for (key, row) in rows {
                for event in encoding::parse_changes(&key, &row)? {
                    // The changes of a commit begin before the reader's revision, if that is one of them.
                    if event.revision <= after {
                        continue;
                    }
                    let is_last = event.is_last;
                    events.push(event);
                    // At least one revision.
                    if is_last && (whole == 0 || events.len() <= limit.rows) {
                        whole = events.len();
                    }
                }
            }
            let is_full = events.len() >= limit.rows || bytes >= limit.bytes;
            if is_end && (!is_full || whole == events.len() || whole == 0) {
                return Ok((events, true));
            }
            if is_full && whole > 0 {
                events.truncate(whole);
                return Ok((events, false));
            }
        }
    }

    /// Completes changes until their values have `max_bytes` bytes, and returns their number if others follow.
    fn attach(&self, events: &mut [Event], max_bytes: usize) -> Result<Option<usize>> {
        let (mut attached, count) = (0, events.len());
        for (index, event) in events.iter_mut().enumerate() {
            if attached < max_bytes && !event.has_value() {
                self.attach_value(event)?;
                attached += event.bytes();
            }
            // Only whole revisions.
            if attached >= max_bytes && event.is_last && index + 1 < count {
                return Ok(Some(index + 1));
            }
        }
        Ok(None)
    }

    /// Adds the value that the history does not keep to a change, if the value was not replaced.
    pub(super) fn attach_value(&self, event: &mut Event) -> Result<()> {
        let (Some(id), false) = (self.id, event.has_value()) else {
            return Ok(());
        };
        let revision = event.revision;
        let EventKind::Set { key, entry, .. } = &mut event.kind else {
            return Ok(());
        };
        // The same revision has the same value in any snapshot. The cached one is shared by all readers.
        let cached = self.database.cached(id, key.as_bytes());
        if let Some(cached) = cached.filter(|cached| cached.revision == revision) {
            *entry = cached;
            return Ok(());
        }
        let row = self
            .snapshot
            .get(Table::Data, &encoding::data_key(id, key.as_bytes()))?;
        let current = row.map(encoding::parse_stored).transpose()?;
        if let Some(current) = current.filter(|current| current.entry.revision == revision) {
            *entry = encoding::read_entry(&*self.snapshot, id, key.as_bytes(), current)?;
        }
        Ok(())
    }

    fn gone(&self, after: Revision) -> Error {
        let lost_after = self.database.before_gap(after);
        history_gone(after, self.compacted_revision, lost_after, self.revision)
    }
}

/// Returns the error of a revision after which not all changes are kept. `lost_after` is the last revision before those
/// that were lost, if the revision is one of them.
pub fn history_gone(
    after: Revision,
    compacted: Revision,
    lost_after: Option<Revision>,
    newest: Revision,
) -> Error {
    let text = if after < compacted {
        format!(
            "revision {after} is compacted: only the changes after revision {compacted} are kept"
        )
    } else if let Some(last) = lost_after {
        format!(
            "unknown revision {after}: the revisions after {last} were lost by a restore or a loss of data"
        )
    } else {
        format!("unknown revision {after}: the newest is {newest}")
    };
    Error::new(Code::HistoryGone, text)
        .with("since", after.get())
        .with("oldest", compacted.get().min(newest.get()))
        .with("newest", newest.get())
}

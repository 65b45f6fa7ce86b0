//! The bound of the history: a commit that adds changes also removes the oldest.

use bytes::Bytes;

use super::CommitGroup;
use super::pending::Pending;
use crate::encoding;
use crate::engine::{Batch, KeyRange, PageLimit, Table, successor};

/// The changes after which a group trims no further row of a namespace, or twice as many as it adds. They are few,
/// because the callers of the commit wait for them.
const MAX_TRIMMED_CHANGES: u64 = 128;
/// The minimum and the maximum rows that are read at once.
const MIN_PAGE_ROWS: usize = 8;
const MAX_PAGE_ROWS: usize = 128;
/// The size of a row that is trimmed in part: this many times the changes of the current commit.
const MIN_TRIMMED_ROW: u64 = 4;
/// The bytes after which no further row is read at once.
const MAX_PAGE_BYTES: usize = 1 << 20;

impl CommitGroup<'_> {
    /// Removes the oldest changes, mostly in whole rows, once there are clearly more than the setting allows.
    pub(super) fn trim_history(&mut self, at: usize) {
        let keep = self.shared.database.options().history_changes;
        let pending = &mut self.stores[at];
        let slack = (keep / 8).clamp(1, MAX_TRIMMED_CHANGES);
        let held = pending.namespace.counts().history;
        if !pending.namespace.exists() || held <= keep.saturating_add(slack) {
            return;
        }
        let meta = &pending.rows.meta;
        let mut range = KeyRange::prefix(encoding::history_prefix(meta.history));
        // Earlier rows are removed or being swept; their tombstones are not read again.
        range.start = match &pending.rows.history_start {
            Some(start) => start.clone(),
            None => encoding::history_key(meta.history, meta.compacted_revision, 0),
        };
        let mut excess = held - keep;
        // More than the group adds, so that large groups do not outrun the trimming.
        let added = held.saturating_sub(pending.rows.committed.counts.history);
        let mut budget = MAX_TRIMMED_CHANGES.max(2 * added);
        // A row has the changes of one commit: the older ones were probably as many as these.
        let rows = usize::try_from(excess.min(budget) / added.max(1)).unwrap_or(usize::MAX);
        let limit = PageLimit {
            rows: rows.clamp(MIN_PAGE_ROWS, MAX_PAGE_ROWS),
            bytes: MAX_PAGE_BYTES,
        };
        'pages: loop {
            let page = self
                .shared
                .database
                .engine()
                .page(Table::History, &range, limit);
            // A row that cannot be read must not block writes. Its readers get the error.
            let oldest = page.unwrap_or_default();
            if oldest.is_empty() {
                break;
            }
            for (key, row) in oldest {
                let changes = encoding::change_count(&key, &row).unwrap_or(1).max(1);
                if budget == 0 {
                    break 'pages;
                }
                if changes > excess {
                    // Else the changes of a large old commit would exceed the setting for long.
                    if changes > MIN_TRIMMED_ROW * added.max(slack) {
                        let trimmed = trim_row(pending, &mut self.shared.batch, (key, row), excess);
                        self.shared.summary.trimmed += trimmed.unwrap_or_default();
                    }
                    break 'pages;
                }
                excess -= changes;
                budget = budget.saturating_sub(changes);
                pending.namespace.trimmed(changes);
                self.shared.summary.trimmed += changes;
                if let Ok((_, revision)) = encoding::parse_history_key(&key) {
                    let compacted = &mut pending.rows.meta.compacted_revision;
                    *compacted = revision.max(*compacted);
                }
                range.start = successor(&key);
                pending.rows.history_start = Some(range.start.clone());
                self.shared.batch.remove(Table::History, key);
            }
        }
    }
}

/// Removes up to this many of the oldest changes from a row, always whole revisions. Returns how many it removed.
fn trim_row(
    pending: &mut Pending,
    batch: &mut Batch,
    (key, row): (Bytes, Bytes),
    changes: u64,
) -> Option<u64> {
    let mut events = encoding::parse_changes(&key, &row).ok()?;
    let changes = usize::try_from(changes).map_or(events.len(), |most| most.min(events.len()));
    let last = events[..changes].iter().rposition(|event| event.is_last)?;
    let meta = &mut pending.rows.meta;
    meta.compacted_revision = meta.compacted_revision.max(events[last].revision);
    events.drain(..=last);
    let (rest_key, rest) = encoding::changes_row(meta.history, &events)?;
    let trimmed = last as u64 + 1;
    pending.namespace.trimmed(trimmed);
    pending.rows.history_start = Some(rest_key.clone());
    batch.remove(Table::History, key);
    batch.put(Table::History, rest_key, rest);
    Some(trimmed)
}

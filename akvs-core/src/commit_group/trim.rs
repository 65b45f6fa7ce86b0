//! The bound of the history: a commit that adds changes also removes the oldest.

use super::CommitGroup;
use crate::encoding;
use crate::engine::{KeyRange, PageLimit, Table};

/// The maximum rows that one group trims for a namespace, or twice as many as it adds. They are few because the callers
/// of the commit wait for them.
const MAX_TRIMMED_ROWS: u64 = 128;

impl CommitGroup<'_> {
    /// Removes the oldest changes once there are clearly more than the setting allows.
    pub(super) fn trim_history(&mut self, at: usize) {
        let keep = self.database.options().history_changes;
        let pending = &mut self.stores[at];
        let slack = (keep / 8).clamp(1, MAX_TRIMMED_ROWS);
        let held = pending.updated.meta.counts.history;
        if pending.id.is_none() || pending.dropped.is_some() || held <= keep.saturating_add(slack) {
            return;
        }
        let meta = &pending.updated.meta;
        let mut range = KeyRange::prefix(encoding::history_prefix(meta.history));
        // Earlier rows are removed or being swept; their tombstones are not read again.
        range.start = match &pending.updated.history_start {
            Some(start) => start.clone(),
            None => encoding::history_key(meta.history, meta.compacted_revision, 0),
        };
        // More than the group adds, so that large groups do not outrun the trimming.
        let added = held.saturating_sub(pending.committed.counts.history);
        let excess = (held - keep).min(MAX_TRIMMED_ROWS.max(2 * added));
        let limit = PageLimit::rows(usize::try_from(excess).unwrap_or(usize::MAX));
        let Ok(oldest) = self.database.engine().page(Table::History, &range, limit) else {
            // A change that cannot be read must not block writes. Its readers get the error.
            return;
        };
        pending.updated.meta.counts.history = held.saturating_sub(oldest.len() as u64);
        self.summary.trimmed += oldest.len() as u64;
        for (key, _) in oldest {
            if let Ok((_, revision)) = encoding::parse_history_key(&key) {
                pending.updated.meta.compacted_revision =
                    pending.updated.meta.compacted_revision.max(revision);
            }
            pending.updated.history_start = Some(key.clone());
            self.batch.remove(Table::History, key);
        }
    }
}

//! Keeping the history bounded: the oldest changes go in the same commit that adds new ones.

use super::CommitGroup;
use crate::encoding;
use crate::engine::{KeyRange, PageLimit, Table};

/// So many history rows one group trims for a namespace, or twice as many as it adds: few at a time, because those who
/// wait for the commit wait for that too.
const TRIM_ROWS: u64 = 128;

impl CommitGroup<'_> {
    /// Forgets the oldest changes once there are clearly more than are to be remembered.
    pub(super) fn trim_history(&mut self, at: usize) {
        let keep = self.database.options().history_changes;
        let pending = &mut self.stores[at];
        let slack = (keep / 8).clamp(1, TRIM_ROWS);
        let held = pending.known.meta.counts.history;
        if pending.id.is_none() || pending.dropped.is_some() || held <= keep.saturating_add(slack) {
            return;
        }
        let meta = &pending.known.meta;
        let mut range = KeyRange::prefix(encoding::history_prefix(meta.history));
        // Everything before is removed already, or for others to remove; not to read over its tombstones again.
        range.start = match &pending.known.history_start {
            Some(start) => start.clone(),
            None => encoding::history_key(meta.history, meta.compacted_revision, 0),
        };
        // More than the group adds, so that large groups do not outrun the trimming.
        let added = held.saturating_sub(pending.committed.counts.history);
        let excess = (held - keep).min(TRIM_ROWS.max(2 * added));
        let limit = PageLimit::rows(usize::try_from(excess).unwrap_or(usize::MAX));
        let Ok(oldest) = self.database.engine().page(Table::History, &range, limit) else {
            // An old change that cannot be read must not keep others from being written. Who reads it gets the error.
            return;
        };
        pending.known.meta.counts.history = held.saturating_sub(oldest.len() as u64);
        self.summary.trimmed += oldest.len() as u64;
        for (key, _) in oldest {
            if let Ok((_, revision)) = encoding::parse_history_key(&key) {
                pending.known.meta.compacted_revision =
                    pending.known.meta.compacted_revision.max(revision);
            }
            pending.known.history_start = Some(key.clone());
            self.batch.remove(Table::History, key);
        }
    }
}

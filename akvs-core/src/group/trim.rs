//! Keeping the history bounded: the oldest changes go in the same commit that adds new ones.

use super::Group;
use crate::engine::rows;
use crate::engine::{Limit, Span, Table};

/// The most history rows that one group trims for a namespace.
const TRIM_ROWS: u64 = 2_000;

impl Group<'_> {
    /// Forgets the oldest changes once there are clearly more than are to be remembered.
    pub(super) fn trim_history(&mut self, at: usize) {
        let keep = self.database.options().history_changes;
        let pending = &mut self.stores[at];
        let slack = (keep / 8).clamp(1, 1_000);
        let held = pending.counts.history;
        let (Some(id), true) = (pending.id, held > keep.saturating_add(slack)) else {
            return;
        };
        let mut span = Span::prefix(rows::data_key(id, b""));
        if let Some(start) = &pending.history_start {
            // Everything before is removed already; not to read over its tombstones again.
            span.start = start.clone();
        }
        // More than the group adds, so that large groups do not outrun the trimming.
        let added = held.saturating_sub(pending.committed_counts.history);
        let excess = (held - keep).min(TRIM_ROWS.max(2 * added));
        let limit = Limit::rows(usize::try_from(excess).unwrap_or(usize::MAX));
        let Ok(oldest) = self.database.engine().page(Table::History, &span, limit) else {
            // An old change that cannot be read must not keep others from being written. Who reads it gets the error.
            return;
        };
        pending.counts.history = held.saturating_sub(oldest.len() as u64);
        for (key, _) in oldest {
            pending.history_start = Some(key.clone());
            self.batch.remove(Table::History, key);
        }
    }
}

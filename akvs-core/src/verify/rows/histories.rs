//! The check that histories are readable, belong to a namespace, and have the expected length.
//!
//! A history is complete above its compacted revision. Older changes may exist only where they will be swept.

use super::each_row;
use super::expected::ExpectedState;
use crate::Report;
use crate::encoding;
use crate::engine::{Snapshot, Table};

/// Checks all histories.
pub(super) fn check(snapshot: &dyn Snapshot, state: &mut ExpectedState, report: &mut Report<'_>) {
    let highest = state.revision;
    let histories = &mut state.histories;
    let all = each_row(snapshot, Table::History, report, |key, value, report| {
        let (id, revision) = match encoding::parse_history_key(key) {
            Ok(parsed) => parsed,
            Err(error) => return report.row(Table::History, key, error.message()),
        };
        if revision > highest {
            report.row(
                Table::History,
                key,
                "its revision is higher than the newest revision",
            );
        }
        let Some(history) = histories.get_mut(&id) else {
            return report.row(Table::History, key, "unknown history");
        };
        history.changes += encoding::change_count(key, &value).unwrap_or_default();
        if revision < history.swept_below {
            return;
        }
        if revision < history.compacted_revision {
            report.row(
                Table::History,
                key,
                "it is older than the compacted revision of its history",
            );
        }
        if !history.is_kept {
            report.row(Table::History, key, "its history is no longer kept");
        }
        if revision > history.compacted_revision {
            let first = encoding::first_revision(key, &value);
            match first.and_then(|first| encoding::parse_changes(key, &value).map(|_| first)) {
                Err(error) => report.row(Table::History, key, error.message()),
                Ok(first) if first < history.newest => {
                    report.row(
                        Table::History,
                        key,
                        "its changes are older than the row before",
                    );
                }
                Ok(_) => {}
            }
        }
        history.newest = revision;
    });
    for (id, history) in histories.iter().filter(|_| all) {
        let changes = history.changes;
        if let Some(expected) = history.expected_changes
            && expected != changes
        {
            report.rows(format!(
                "the history {id} has {changes} changes, but its namespace counts {expected}"
            ));
        }
    }
}

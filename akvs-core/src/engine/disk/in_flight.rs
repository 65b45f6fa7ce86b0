//! The commit in progress, so that no snapshot contains a part of it.
//!
//! fjall assigns a number to a commit, writes it, and makes it visible at the end. But a background flush or compaction
//! takes a later number, and makes everything below it visible, including a commit in progress. Invariant: a returned
//! snapshot contains each commit completely or not at all.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that no commit has.
const NONE: u64 = u64::MAX;

/// The commit in progress; there is at most one.
pub(super) struct InFlightCommit(AtomicU64);

impl Default for InFlightCommit {
    fn default() -> InFlightCommit {
        InFlightCommit(AtomicU64::new(NONE))
    }
}

impl InFlightCommit {
    /// Records that a commit begins, with at least this number. Must be called before it takes its number.
    pub(super) fn begin(&self, least: u64) {
        self.0.store(least, Ordering::SeqCst);
    }

    /// Records that the commit ended and is visible.
    pub(super) fn end(&self) {
        self.0.store(NONE, Ordering::SeqCst);
    }

    /// Returns whether a snapshot with this number contains no part of a commit in progress: it contains the numbers
    /// below its own. It contains a commit that has ended since completely, and a commit that began since not at all.
    pub(super) fn is_consistent_at(&self, snapshot: u64) -> bool {
        snapshot <= self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_snapshot_after_the_beginning_of_a_commit_is_inconsistent() {
        let flight = InFlightCommit::default();
        assert!(flight.is_consistent_at(7));
        flight.begin(7);
        assert!(flight.is_consistent_at(6) && flight.is_consistent_at(7));
        assert!(!flight.is_consistent_at(8));
        flight.end();
        assert!(flight.is_consistent_at(8));
    }
}

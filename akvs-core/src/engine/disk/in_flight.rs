//! Commits that are under way, so that no snapshot has a part of one.
//!
//! fjall numbers a commit, writes it, and makes it visible at the end. But a file that it writes or joins behind the
//! writer's back takes a later number, and makes everything visible up to that, also a commit that has only begun.
//! Invariant: a snapshot that is handed out holds each commit whole or not at all.

use std::sync::atomic::{AtomicU64, Ordering};

/// What no number of a commit is.
const NONE: u64 = u64::MAX;

/// The commit that is under way; there is one at a time.
pub(super) struct InFlightCommit(AtomicU64);

impl Default for InFlightCommit {
    fn default() -> InFlightCommit {
        InFlightCommit(AtomicU64::new(NONE))
    }
}

impl InFlightCommit {
    /// A commit begins, whose number is this at least. Before it takes its number.
    pub(super) fn begin(&self, least: u64) {
        self.0.store(least, Ordering::SeqCst);
    }

    /// It has ended: all of it can be seen.
    pub(super) fn end(&self) {
        self.0.store(NONE, Ordering::SeqCst);
    }

    /// Whether a snapshot that was taken before this was requested shows nothing of a commit that is under way: it sees the
    /// numbers below its own. One that has ended meanwhile it sees whole, and one that begins later not at all.
    pub(super) fn is_consistent_at(&self, snapshot: u64) -> bool {
        snapshot <= self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_moment_behind_a_beginning_is_not_clear() {
        let flight = InFlightCommit::default();
        assert!(flight.is_consistent_at(7));
        flight.begin(7);
        assert!(flight.is_consistent_at(6) && flight.is_consistent_at(7));
        assert!(!flight.is_consistent_at(8));
        flight.end();
        assert!(flight.is_consistent_at(8));
    }
}

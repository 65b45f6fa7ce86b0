//! What readers see: the sequence number up to which commits are visible, and the snapshots that readers hold.
//!
//! Invariant: a commit is visible as a whole or not at all, and what a snapshot may read is kept as long as it exists. So
//! a snapshot takes its number under the lock under which the lowest one is determined.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsm_tree::SeqNo;

/// The visible commits, and the registered snapshots.
pub(super) struct Snapshots {
    /// The sequence number of the newest visible commit, and one more.
    visible: AtomicU64,
    /// The numbers of the snapshots, and how many have each.
    held: Mutex<BTreeMap<SeqNo, usize>>,
}

impl Snapshots {
    /// Makes everything up to this sequence number visible.
    pub(super) fn new(newest: SeqNo) -> Arc<Snapshots> {
        Arc::new(Snapshots {
            visible: AtomicU64::new(newest.saturating_add(1)),
            held: Mutex::default(),
        })
    }

    /// Makes a commit visible, with all before it.
    pub(super) fn publish(&self, sequence: SeqNo) {
        self.visible.store(sequence + 1, Ordering::Release);
    }

    /// Returns the number below which commits are visible.
    pub(super) fn visible(&self) -> SeqNo {
        self.visible.load(Ordering::Acquire)
    }

    /// Registers a snapshot of what is visible now.
    pub(super) fn register(self: &Arc<Self>) -> Registered {
        let mut held = self.held();
        let number = self.visible();
        *held.entry(number).or_default() += 1;
        drop(held);
        Registered {
            number,
            snapshots: Arc::clone(self),
        }
    }

    /// Returns the number from which on every state may still be read. Of what is older only the newest is needed.
    pub(super) fn watermark(&self) -> SeqNo {
        let held = self.held();
        let lowest = held.keys().next().copied();
        lowest.map_or(self.visible(), |lowest| lowest.min(self.visible()))
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<SeqNo, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registered snapshot.
pub(super) struct Registered {
    number: SeqNo,
    snapshots: Arc<Snapshots>,
}

impl Registered {
    /// Returns the number below which commits are visible.
    pub(super) fn number(&self) -> SeqNo {
        self.number
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut held = self.snapshots.held();
        if let Some(count) = held.get_mut(&self.number) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_is_at_the_oldest_snapshot() {
        let snapshots = Snapshots::new(4);
        assert_eq!((snapshots.visible(), snapshots.watermark()), (5, 5));
        let old = snapshots.register();
        let same = snapshots.register();
        snapshots.publish(7);
        let new = snapshots.register();
        assert_eq!((old.number(), new.number()), (5, 8));
        assert_eq!(snapshots.watermark(), 5);
        drop(old);
        assert_eq!(snapshots.watermark(), 5, "another one is there");
        drop(same);
        assert_eq!(snapshots.watermark(), 8);
        snapshots.publish(9);
        assert_eq!(snapshots.watermark(), 8);
        drop(new);
        assert_eq!(snapshots.watermark(), 10);
    }
}

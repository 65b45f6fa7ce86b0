//! The latest census of the namespaces. Taking one costs about a microsecond for each namespace, so that it is taken
//! anew only once so much time has passed that all of them together cost a small part of one processor.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use akvs_core::{Result, StorageStats};
use akvs_registry::Registry;

/// The most namespaces that are named.
pub(crate) const NAMED: usize = 100;
/// A census is good for so many times as long as it took.
const WORTH: u32 = 50;

/// The latest census.
#[derive(Default)]
pub(crate) struct NamespaceStatsCache {
    taken: Mutex<Option<Taken>>,
    turn: Mutex<()>,
}

#[derive(Clone)]
struct Taken {
    census: Arc<StorageStats>,
    /// Until then it is good enough.
    until: Duration,
}

impl NamespaceStatsCache {
    /// The latest census, or a new one where that is too old. Where somebody else is taking one, the one before it is
    /// good enough. Blocks.
    pub(crate) fn get(&self, registry: &Registry) -> Result<Arc<StorageStats>> {
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => match self.latest() {
                Some(taken) => return Ok(taken.census),
                None => self.turn.lock().unwrap_or_else(PoisonError::into_inner),
            },
        };
        let start = registry.elapsed();
        if let Some(taken) = self.latest().filter(|taken| start < taken.until) {
            return Ok(taken.census);
        }
        let census = Arc::new(registry.storage_stats(NAMED)?);
        let end = registry.elapsed();
        let taken = Taken {
            census: Arc::clone(&census),
            until: end + end.saturating_sub(start) * WORTH,
        };
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
        Ok(census)
    }

    fn latest(&self) -> Option<Taken> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.clone()
    }
}

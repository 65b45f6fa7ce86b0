//! A cache of the statistics of all namespaces. Computing them costs about a microsecond per namespace, so they are
//! computed again only after a multiple of that time, and cost a small part of one processor.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use akvs_core::{Result, StorageStats};
use akvs_registry::Registry;

/// The maximum number of namespaces that are labels.
pub(crate) const NAMED: usize = 100;
/// The time that statistics are valid, as a multiple of the time that computing them took.
const VALIDITY_FACTOR: u32 = 50;

/// A cache of the statistics of all namespaces.
#[derive(Default)]
pub(crate) struct NamespaceStatsCache {
    latest: Mutex<Option<CachedStats>>,
    /// Held while the statistics are computed.
    computing: Mutex<()>,
}

#[derive(Clone)]
struct CachedStats {
    stats: Arc<StorageStats>,
    /// The time until which they are valid.
    until: Duration,
}

impl NamespaceStatsCache {
    /// Returns the latest statistics, or new ones if those are too old. While another caller computes new ones, it returns
    /// the old ones. Blocks.
    pub(crate) fn get(&self, registry: &Registry) -> Result<Arc<StorageStats>> {
        let _computing = match self.computing.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => match self.latest() {
                Some(cached) => return Ok(cached.stats),
                None => self
                    .computing
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            },
        };
        let start = registry.elapsed();
        if let Some(cached) = self.latest().filter(|cached| start < cached.until) {
            return Ok(cached.stats);
        }
        let stats = Arc::new(registry.storage_stats(NAMED)?);
        let end = registry.elapsed();
        let cached = CachedStats {
            stats: Arc::clone(&stats),
            until: end + end.saturating_sub(start) * VALIDITY_FACTOR,
        };
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(cached);
        Ok(stats)
    }

    fn latest(&self) -> Option<CachedStats> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.clone()
    }
}

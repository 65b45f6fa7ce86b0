//! Time: the only place that asks the operating system for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use akvs_core::Timestamp;

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. It never steps back, so that what has expired stays so: a clock that is set back stands
    /// still until it is as late again.
    fn now(&self) -> Timestamp;

    /// How long this clock has been running. It never steps back.
    fn elapsed(&self) -> Duration;
}

/// The operating system's clocks.
///
/// ```
/// use akvs_server::{Clock, SystemClock};
/// let clock = SystemClock::new();
/// let before = clock.elapsed();
/// assert!(clock.now().as_millis() > 1_600_000_000_000 && clock.elapsed() >= before);
/// ```
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    /// The latest time that was told, in ms.
    latest: AtomicU64,
}

impl SystemClock {
    /// A clock that runs from now on.
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    pub fn new() -> SystemClock {
        SystemClock {
            start: Instant::now(),
            latest: AtomicU64::new(0),
        }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    fn now(&self) -> Timestamp {
        // Before 1970 it is 1970.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(not_before(&self.latest, since.as_millis() as u64))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The later one of this time and the latest that was told.
fn not_before(latest: &AtomicU64, millis: u64) -> u64 {
    latest.fetch_max(millis, Ordering::AcqRel).max(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_stands_still() {
        let latest = AtomicU64::new(0);
        let told: Vec<u64> = [5, 7, 3, 6, 8]
            .map(|millis| not_before(&latest, millis))
            .into();
        assert_eq!(told, [5, 7, 7, 7, 8]);
    }
}

//! Time: the only module that asks the operating system for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use akvs_core::Timestamp;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Returns the time of day. It never goes back, so that an expired entry stays expired: after a clock was set back,
    /// the time stands still until the clock has caught up.
    fn now(&self) -> Timestamp;

    /// Returns how long this clock has been running. It never goes back.
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
    /// The latest time that was returned, in ms.
    latest: AtomicU64,
}

impl SystemClock {
    /// Creates a clock that starts now.
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
        // A time before 1970 becomes 1970.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(not_before(&self.latest, since.as_millis() as u64))
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Returns the later of this time and the latest that was returned before.
fn not_before(latest: &AtomicU64, millis: u64) -> u64 {
    latest.fetch_max(millis, Ordering::AcqRel).max(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_stands_still() {
        let latest = AtomicU64::new(0);
        let times: Vec<u64> = [5, 7, 3, 6, 8]
            .map(|millis| not_before(&latest, millis))
            .into();
        assert_eq!(times, [5, 7, 7, 7, 8]);
    }
}

//! Time: the only place that asks the operating system for it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use akvs_core::Timestamp;

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The time of day. It may step back.
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
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock that runs from now on.
    #[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
    pub fn new() -> SystemClock {
        SystemClock {
            start: Instant::now(),
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
        Timestamp::from_millis(since.as_millis() as u64)
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

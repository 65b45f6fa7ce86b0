//! The stopwatch: the only file of this crate that reads a clock.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Returns the time of the stopwatch.
#[expect(clippy::disallowed_methods, reason = "a stopwatch")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Returns the CPU time that this thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

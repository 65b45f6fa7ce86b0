//! The time of day, for verbs that run without a server, and the running times of the system and of this process.

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::error::CliError;

/// Returns the time of day.
#[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Checks that the clock can be used: neither HTTP nor the store has dates before 1970.
pub(crate) fn check(now: SystemTime) -> Result<(), CliError> {
    if now < SystemTime::UNIX_EPOCH {
        Err(CliError::failed(
            "the system clock is before 1970: set the clock and try again",
        ))
    } else {
        Ok(())
    }
}

/// Returns the time of day, in milliseconds since 1970.
pub(crate) fn now_millis() -> u64 {
    let since = now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Returns the time of day that is `millis` milliseconds after 1970.
pub(crate) fn from_millis(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// Measures how long `work` takes.
#[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// Returns how long the system has been running, by the clock of its service manager.
pub(crate) fn since_boot() -> Duration {
    read(ClockId::Monotonic)
}

/// Returns the CPU time that this process has used.
pub(crate) fn cpu_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    // Neither clock is ever negative.
    clock_gettime(clock).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_is_refused_in_one_line() {
        let second = Duration::from_secs(1);
        let refused = check(SystemTime::UNIX_EPOCH - second).unwrap_err();
        assert_eq!(refused.code(), 1);
        assert!(refused.to_string().contains("before 1970"), "{refused}");
        assert!(check(SystemTime::UNIX_EPOCH).is_ok() && check(now()).is_ok());
    }
}

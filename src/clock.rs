//! The time of day, for verbs that run without a server, and how long the system and this process have been running.

use std::time::{Duration, Instant, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::error::CliError;

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Checks that the clock can be used: HTTP has no dates before 1970, and what is stored neither.
pub(crate) fn check(now: SystemTime) -> Result<(), CliError> {
    match now < SystemTime::UNIX_EPOCH {
        true => Err(CliError::failed(
            "the system's clock says a time before 1970: set it, then start again",
        )),
        false => Ok(()),
    }
}

/// The time of day, in milliseconds since 1970.
pub(crate) fn now_millis() -> u64 {
    let since = now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// The time of day of so many milliseconds since 1970.
pub(crate) fn from_millis(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

/// How long something takes.
#[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

/// How long the system has been running, as its service manager counts.
pub(crate) fn since_boot() -> Duration {
    read(ClockId::Monotonic)
}

/// How long this process has been at work, on all processors together.
pub(crate) fn cpu_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    // Neither is ever negative.
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

//! Extension of the service manager's timeout during long work: opening and closing much data.
//!
//! Invariant: only a process that uses CPU time asks for an extension, so the service manager ends a hung process after
//! its own timeout.

use std::time::Duration;

use super::sd_notify::{Notification, Notifier};
use crate::clock;

/// Interval of the extensions, and their length.
const INTERVAL: Duration = Duration::from_secs(10);
const EXTENSION: Duration = Duration::from_secs(60);
/// Minimum CPU time per interval of a process that makes progress: less than a slow disk causes, more than this task.
const MIN_CPU_TIME: Duration = Duration::from_millis(5);

/// Runs `work`, and extends the timeout as long as it makes progress.
pub(crate) async fn while_running<T>(notifier: &Notifier, work: impl Future<Output = T>) -> T {
    if !notifier.is_enabled() {
        return work.await;
    }
    let ask = async {
        let mut used = CpuTime(clock::cpu_time());
        loop {
            notifier.send(&[Notification::ExtendTimeout(EXTENSION)]);
            loop {
                tokio::time::sleep(INTERVAL).await;
                if used.has_grown(clock::cpu_time()) {
                    break;
                }
            }
        }
    };
    tokio::select! {
        // The first notification is sent however short the work is.
        biased;
        never = ask => never,
        done = work => done,
    }
}

/// The CPU time of the process at the last check.
struct CpuTime(Duration);

impl CpuTime {
    /// Returns true if the process has made progress since the last check.
    fn has_grown(&mut self, now: Duration) -> bool {
        let before = std::mem::replace(&mut self.0, now);
        now.saturating_sub(before) >= MIN_CPU_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_progress_extends_the_timeout() {
        let mut used = CpuTime(Duration::from_millis(7));
        for (millis, goes_on) in [
            (12, true),
            (12, false),
            (15, false),
            (19, false),
            (24, true),
        ] {
            assert_eq!(used.has_grown(Duration::from_millis(millis)), goes_on);
        }
    }
}

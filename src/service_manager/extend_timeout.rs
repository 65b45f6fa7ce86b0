//! Has a service manager wait for what takes long: opening much data, closing it.
//!
//! It does not promise an end, which nobody knows. Invariant: only a process that does something asks for more time, so
//! that one which hangs is ended as soon as the manager's own limit says.

use std::time::Duration;

use super::sd_notify::{Notification, Notifier};
use crate::clock;

/// How often more time is asked for, and how much.
const INTERVAL: Duration = Duration::from_secs(10);
const EXTENSION: Duration = Duration::from_secs(60);
/// Who reads much from a slow disk still takes so much of the processor in that time; waking up for this takes less.
const MIN_CPU_TIME: Duration = Duration::from_millis(5);

/// Does the work; as long as it goes on, the manager is to wait.
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
        done = work => done,
        never = ask => never,
    }
}

/// How much of the processor the process had used.
struct CpuTime(Duration);

impl CpuTime {
    /// Whether it has done something since it was asked before.
    fn has_grown(&mut self, now: Duration) -> bool {
        let before = std::mem::replace(&mut self.0, now);
        now.saturating_sub(before) >= MIN_CPU_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_does_something_goes_on() {
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

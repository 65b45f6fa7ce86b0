//! The watchdog: notifies the service manager regularly, so that it restarts a hung server.
//!
//! Invariant: a notification is sent only after all workers and the committer have answered.

use std::time::Duration;

use akvs_http::ServerHandle;
use tokio::time::MissedTickBehavior;

use super::sd_notify::{Notification, Notifier};

/// Notifies a manager that expects a notification at least every `timeout`; ends with the runtime.
pub(crate) async fn watch(notifier: Notifier, handle: ServerHandle, timeout: Duration) {
    let interval = timeout / 2;
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut is_healthy = std::pin::pin!(handle.is_healthy());
        let in_time = tokio::time::timeout(interval, &mut is_healthy).await;
        let is_healthy = match in_time {
            Ok(is_healthy) => is_healthy,
            Err(_) => {
                log::error!(
                    "not all threads have answered within {interval:?}; no watchdog notification is sent"
                );
                let is_healthy = is_healthy.await;
                log::warn!("all threads answer again");
                is_healthy
            }
        };
        if !is_healthy {
            // This is final: the manager must restart the server.
            log::error!("the committer has stopped; no further watchdog notification is sent");
            return;
        }
        notifier.send(&[Notification::Watchdog]);
    }
}

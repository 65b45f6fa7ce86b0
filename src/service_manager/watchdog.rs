//! Tells a service manager again and again that all is well, so that it starts a hung server anew.
//!
//! Invariant: it is told only after the server itself has answered, workers and committer alike.

use std::time::Duration;

use akvs_http::ServerHandle;
use tokio::time::MissedTickBehavior;

use super::sd_notify::{Notification, Notifier};

/// Tells it as often as a manager needs that must hear it at least each `time`; ends with the runtime.
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
                    "not all threads have answered for {interval:?}; the service manager's watchdog waits"
                );
                let is_healthy = is_healthy.await;
                log::warn!("all threads answer again");
                is_healthy
            }
        };
        if !is_healthy {
            // It stays so: the manager is to start the server anew.
            log::error!("nobody is left to commit; the service manager's watchdog is left alone");
            return;
        }
        notifier.send(&[Notification::Watchdog]);
    }
}

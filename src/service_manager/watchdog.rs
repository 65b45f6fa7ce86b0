//! Tells a service manager again and again that all is well, so that it starts a hung server anew.
//!
//! Invariant: it is told only after the server itself has answered, workers and committer alike.

use std::time::Duration;

use akvs_http::ServerHandle;
use tokio::time::MissedTickBehavior;

use super::sd_notify::{Notice, Notifier};

/// Tells it as often as a manager needs that must hear it at least each `time`; ends with the runtime.
pub(crate) async fn watch(notifier: Notifier, handle: ServerHandle, time: Duration) {
    let each = time / 2;
    let mut ticks = tokio::time::interval(each);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut works = std::pin::pin!(handle.is_healthy());
        let in_time = tokio::time::timeout(each, &mut works).await;
        let works = match in_time {
            Ok(works) => works,
            Err(_) => {
                log::error!(
                    "not all threads have answered for {each:?}; the service manager's watchdog waits"
                );
                let works = works.await;
                log::warn!("all threads answer again");
                works
            }
        };
        if !works {
            // It stays so: the manager is to start the server anew.
            log::error!("nobody is left to commit; the service manager's watchdog is left alone");
            return;
        }
        notifier.tell(&[Notice::Well]);
    }
}

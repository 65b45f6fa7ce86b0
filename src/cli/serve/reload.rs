//! The task that reloads the credentials and settings of a running server.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::credentials::Reloader;
use crate::service_manager::{Notification, Notifier};

/// Interval of the checks of the token file.
const TOKENS_INTERVAL: Duration = Duration::from_secs(1);

/// Reloads the tokens when their file changes, and everything else on request; the service manager is notified of the
/// latter. Ends with the runtime.
pub(super) async fn reload(
    mut reloader: Reloader,
    requested: Rc<Notify>,
    notifier: Notifier,
    status: String,
) {
    let mut ticks = tokio::time::interval(TOKENS_INTERVAL);
    loop {
        let all = tokio::select! {
            _ = ticks.tick() => false,
            () = requested.notified() => true,
        };
        if all {
            notifier.send(&[Notification::Reloading, Notification::Status("reloading")]);
        }
        // Reading may wait for a disk.
        let reloaded = tokio::task::spawn_blocking(move || {
            let result = if all {
                reloader.reload_all()
            } else {
                reloader.reload_tokens();
                Ok(())
            };
            (reloader, result)
        });
        let result = match reloaded.await {
            Ok((again, result)) => {
                reloader = again;
                result
            }
            Err(error) => {
                log::error!("reloading has stopped: {error}");
                return;
            }
        };
        if all {
            // The server continues with its previous settings.
            let status = match result {
                Ok(()) => status.clone(),
                Err(why) => format!("{status}; reload incomplete: {why}"),
            };
            notifier.send(&[Notification::Ready, Notification::Status(&status)]);
        }
    }
}

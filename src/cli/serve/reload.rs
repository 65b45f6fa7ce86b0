//! What a server reads again while it runs, and when; it owns the task that does so.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::credentials::Reloader;
use crate::service_manager::{Notification, Notifier};

/// How often the file of tokens is looked at.
const TOKENS_INTERVAL: Duration = Duration::from_secs(1);

/// Has a server heed new tokens, and all that can be renewed when it is asked to, which a service manager is told.
/// Ends with the runtime.
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
            notifier.send(&[
                Notification::Reloading,
                Notification::Status("reading the settings again"),
            ]);
        }
        // It may have to wait for a disk.
        let reloaded = tokio::task::spawn_blocking(move || {
            let result = match all {
                true => reloader.reload_all(),
                false => {
                    reloader.reload_tokens();
                    Ok(())
                }
            };
            (reloader, result)
        });
        let result = match reloaded.await {
            Ok((again, result)) => {
                reloader = again;
                result
            }
            Err(error) => {
                log::error!("tokens and certificates are not renewed any more: {error}");
                return;
            }
        };
        if all {
            // It serves as before, whatever could not be read.
            let status = match result {
                Ok(()) => status.clone(),
                Err(why) => format!("{status}; not all was read again: {why}"),
            };
            notifier.send(&[Notification::Ready, Notification::Status(&status)]);
        }
    }
}

//! What a server reads again while it runs, and when; it owns the task that does so.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::credentials::Renewal;
use crate::service_manager::{Notice, Notifier};

/// How often the file of tokens is looked at.
const LOOK_AT_TOKENS: Duration = Duration::from_secs(1);

/// Has a server heed new tokens, and all that can be renewed when it is asked to, which a service manager is told.
/// Ends with the runtime.
pub(super) async fn renew(
    mut renewal: Renewal,
    asked: Rc<Notify>,
    notifier: Notifier,
    status: String,
) {
    let mut ticks = tokio::time::interval(LOOK_AT_TOKENS);
    loop {
        let all = tokio::select! {
            _ = ticks.tick() => false,
            () = asked.notified() => true,
        };
        if all {
            notifier.tell(&[
                Notice::Reloading,
                Notice::Status("reading the settings again"),
            ]);
        }
        // It may have to wait for a disk.
        let renewed = tokio::task::spawn_blocking(move || {
            let result = match all {
                true => renewal.all(),
                false => {
                    renewal.tokens();
                    Ok(())
                }
            };
            (renewal, result)
        });
        let result = match renewed.await {
            Ok((again, result)) => {
                renewal = again;
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
            notifier.tell(&[Notice::Ready, Notice::Status(&status)]);
        }
    }
}

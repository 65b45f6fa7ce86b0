//! What the first process of a system, such as a container's only one, has to do for others: processes whose parent has
//! ended fall to it, and would stay as zombies.
//!
//! A server starts no processes of its own, so nobody else waits for any.

use rustix::process::{WaitOptions, getpid, wait};
use tokio::signal::unix::{SignalKind, signal};

/// Whether this process is the first one.
pub(crate) fn is_init() -> bool {
    getpid().is_init()
}

/// Lets those go that have ended; ends with the runtime.
pub(crate) async fn reap() {
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => {
            log::warn!("processes that fall to this one are not waited for: {error}");
            return;
        }
    };
    loop {
        // One signal may stand for many, and some may have come before it was listened for.
        while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
            log::debug!("process {pid} has ended, which had fallen to this one");
        }
        ended.recv().await;
    }
}

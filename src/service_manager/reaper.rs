//! The reaper of orphans, for a server that is process 1, as in a container: it inherits processes whose parent has
//! ended, which would stay as zombies.
//!
//! A server has no child processes of its own.

use rustix::process::{WaitOptions, getpid, wait};
use tokio::signal::unix::{SignalKind, signal};

/// Returns true if this is process 1.
pub(crate) fn is_init() -> bool {
    getpid().is_init()
}

/// Waits for ended processes; ends with the runtime.
pub(crate) async fn reap() {
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => {
            log::warn!("cannot reap orphaned processes: {error}");
            return;
        }
    };
    loop {
        // One signal may stand for several processes, and some may have ended before the handler was installed.
        while let Ok(Some((pid, _))) = wait(WaitOptions::NOHANG) {
            log::debug!("reaped orphaned process {pid}");
        }
        ended.recv().await;
    }
}

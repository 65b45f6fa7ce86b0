//! What the system asks of a running server, by signals.
//!
//! It owns which signal means what. From `listen` on, none of them ends the process by itself.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Some programs send a signal to the process and then to its group (`timeout`), or forward what the terminal has sent
/// to both already (`cargo run`): what comes so close together was meant once.
const TOGETHER: Duration = Duration::from_millis(200);

/// The signals that a server heeds.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes them over; within the runtime.
    pub(crate) fn listen() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until the server is to stop; gives the signal's name.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => log::info!("SIGHUP: there is nothing to reload"),
            }
        }
    }

    /// Waits until whatever came together with the last signal has come.
    pub(crate) async fn settle(&mut self) {
        let mut settled = std::pin::pin!(tokio::time::sleep(TOGETHER));
        loop {
            tokio::select! {
                () = &mut settled => return,
                _ = self.stop() => {}
            }
        }
    }
}

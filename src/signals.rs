//! The signals of a running server.
//!
//! It owns the meaning of each signal. After `listen`, none of them ends the process by itself.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals within this time count as one: `timeout` signals the process and then its group, and `cargo run` forwards
/// what the terminal has sent to both.
const SAME_EVENT: Duration = Duration::from_millis(200);

/// The request of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalEvent {
    /// A stop, by the signal of this name.
    Stop(&'static str),
    /// A reload of what can change without a restart.
    Reload,
}

/// The signals that a server handles.
pub(crate) struct Signals {
    terminate: Signal,
    /// None if Ctrl-C belongs to a prompt.
    interrupt: Option<Signal>,
    hang_up: Signal,
}

impl Signals {
    /// Handles the signals, and SIGINT only if `interrupt` is set; must be called within the runtime.
    pub(crate) fn listen(interrupt: bool) -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: if interrupt {
                Some(signal(SignalKind::interrupt())?)
            } else {
                None
            },
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> SignalEvent {
        let interrupt = &mut self.interrupt;
        let interrupted = async {
            match interrupt {
                Some(interrupt) => drop(interrupt.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => SignalEvent::Stop("SIGTERM"),
            () = interrupted => SignalEvent::Stop("SIGINT"),
            _ = self.hang_up.recv() => SignalEvent::Reload,
        }
    }

    /// Waits for a signal that stops the server, and returns its name.
    pub(crate) async fn wait_for_stop(&mut self) -> &'static str {
        loop {
            if let SignalEvent::Stop(name) = self.next().await {
                return name;
            }
        }
    }

    /// Waits until the signals that belong to the last one have arrived.
    pub(crate) async fn settle(&mut self) {
        let mut settled = std::pin::pin!(tokio::time::sleep(SAME_EVENT));
        loop {
            tokio::select! {
                () = &mut settled => return,
                _ = self.wait_for_stop() => {}
            }
        }
    }
}

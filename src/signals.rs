//! What the system asks of a running server, by signals.
//!
//! It owns which signal means what. From `listen` on, none of them ends the process by itself.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Some programs send a signal to the process and then to its group (`timeout`), or forward what the terminal has sent
/// to both already (`cargo run`): what comes so close together was meant once.
const SAME_EVENT: Duration = Duration::from_millis(200);

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalEvent {
    /// To stop, by the signal of this name.
    Stop(&'static str),
    /// To read again what can be changed without a restart.
    Reload,
}

/// The signals that a server heeds.
pub(crate) struct Signals {
    terminate: Signal,
    /// None where Ctrl-C is meant for something else.
    interrupt: Option<Signal>,
    hang_up: Signal,
}

impl Signals {
    /// Takes them over, that of Ctrl-C only where it is meant; within the runtime.
    pub(crate) fn listen(interrupt: bool) -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: match interrupt {
                true => Some(signal(SignalKind::interrupt())?),
                false => None,
            },
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits until something is asked.
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

    /// Waits until the server is to stop, whatever else is asked; gives the signal's name.
    pub(crate) async fn wait_for_stop(&mut self) -> &'static str {
        loop {
            if let SignalEvent::Stop(name) = self.next().await {
                return name;
            }
        }
    }

    /// Waits until whatever came together with the last signal has come.
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

//! Notifications to a service manager (sd_notify(3)): a datagram of lines to its socket.
//!
//! The library for this has no abstract sockets, which containers use. Invariant: a manager that does not receive costs
//! a warning, and never stops the server.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock;

/// Maximum time to wait for a manager that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// A notification.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notification<'a> {
    /// The server is ready: at the start, and after each reload.
    Ready,
    /// A reload has begun.
    Reloading,
    /// The shutdown has begun.
    Stopping,
    /// A description of the state.
    Status(&'a str),
    /// The current operation may take this much longer.
    ExtendTimeout(Duration),
    /// The server is healthy.
    Watchdog,
}

impl Notification<'_> {
    fn line(self) -> String {
        match self {
            Notification::Ready => "READY=1".into(),
            Notification::Reloading => {
                // The time by which the manager matches this to its request.
                let now = clock::since_boot().as_micros();
                format!("RELOADING=1\nMONOTONIC_USEC={now}")
            }
            Notification::Stopping => "STOPPING=1".into(),
            // A second line would be another notification.
            Notification::Status(text) => format!("STATUS={}", text.replace(['\n', '\r'], " ")),
            Notification::ExtendTimeout(time) => {
                format!("EXTEND_TIMEOUT_USEC={}", time.as_micros())
            }
            Notification::Watchdog => "WATCHDOG=1".into(),
        }
    }
}

/// The sender of notifications; cheap to clone. The default sends none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notifier(Option<Arc<Target>>);

#[derive(Debug)]
struct Target {
    name: OsString,
    /// True if the last notification failed. A failure is logged once.
    has_failed: AtomicBool,
}

impl Notifier {
    /// A sender to the socket of this name: a path, or `@` and an abstract name.
    pub(crate) fn to(name: OsString) -> Notifier {
        if name.is_empty() {
            return Notifier::default();
        }
        Notifier(Some(Arc::new(Target {
            name,
            has_failed: AtomicBool::new(false),
        })))
    }

    /// Returns true if there is a service manager.
    pub(crate) fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Sends notifications in one datagram.
    pub(crate) fn send(&self, notices: &[Notification<'_>]) {
        let Some(target) = &self.0 else { return };
        let lines: Vec<String> = notices.iter().map(|notice| notice.line()).collect();
        let sent = target.send(lines.join("\n").as_bytes());
        let had_failed = target.has_failed.swap(sent.is_err(), Ordering::Relaxed);
        if let Err(error) = sent
            && !had_failed
        {
            let name = target.name.display();
            log::warn!("cannot notify the service manager at {name}: {error}");
        }
    }
}

impl Target {
    /// Connects for each datagram: a restarted manager has a new socket at the same path.
    fn send(&self, text: &[u8]) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        socket.send_to_addr(text, &self.address()?).map(drop)
    }

    fn address(&self) -> io::Result<SocketAddr> {
        match self.name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(&self.name),
            _ => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "neither a path nor an abstract name",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_one_line() {
        let line = Notification::Status("bad:\n  READY=1").line();
        assert_eq!(line, "STATUS=bad:   READY=1");
    }

    #[test]
    fn an_unusable_socket_is_ignored() {
        for name in ["", "vsock:2:1", "/nowhere/at/all"] {
            Notifier::to(name.into()).send(&[Notification::Ready]);
        }
        assert!(!Notifier::to("".into()).is_enabled());
    }
}

//! What a service manager is told (sd_notify(3)): a datagram of lines, to the socket that it has named.
//!
//! It owns the words of that. The library for them knows no abstract sockets, which containers have. Invariant: a
//! manager that does not listen costs a warning, and never the server.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock;

/// A manager that reads nothing is not waited for any longer.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Something to be told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notification<'a> {
    /// It serves: at the start, and again after settings were read again.
    Ready,
    /// Settings are being read again.
    Reloading,
    /// The end has begun.
    Stopping,
    /// What it does, in words.
    Status(&'a str),
    /// What is under way may take so much longer from now on.
    ExtendTimeout(Duration),
    /// All is well.
    Watchdog,
}

impl Notification<'_> {
    fn line(self) -> String {
        match self {
            Notification::Ready => "READY=1".into(),
            Notification::Reloading => {
                // By it the manager knows which of its wishes this answers.
                let now = clock::since_boot().as_micros();
                format!("RELOADING=1\nMONOTONIC_USEC={now}")
            }
            Notification::Stopping => "STOPPING=1".into(),
            // A line of its own would be another notice.
            Notification::Status(text) => format!("STATUS={}", text.replace(['\n', '\r'], " ")),
            Notification::ExtendTimeout(time) => {
                format!("EXTEND_TIMEOUT_USEC={}", time.as_micros())
            }
            Notification::Watchdog => "WATCHDOG=1".into(),
        }
    }
}

/// The way to tell it; cheap to clone. The default tells nobody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notifier(Option<Arc<Target>>);

#[derive(Debug)]
struct Target {
    name: OsString,
    /// Whether the last notice did not get there, which is told once.
    has_failed: AtomicBool,
}

impl Notifier {
    /// To the socket of this name: a path, or `@` and an abstract name.
    pub(crate) fn to(name: OsString) -> Notifier {
        if name.is_empty() {
            return Notifier::default();
        }
        Notifier(Some(Arc::new(Target {
            name,
            has_failed: AtomicBool::new(false),
        })))
    }

    /// Whether there is somebody to be told.
    pub(crate) fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Tells these together.
    pub(crate) fn send(&self, notices: &[Notification<'_>]) {
        let Some(target) = &self.0 else { return };
        let lines: Vec<String> = notices.iter().map(|notice| notice.line()).collect();
        let sent = target.send(lines.join("\n").as_bytes());
        let had_failed = target.has_failed.swap(sent.is_err(), Ordering::Relaxed);
        if let Err(error) = sent
            && !had_failed
        {
            let name = target.name.display();
            log::warn!("the service manager is not told how the server is: {name}: {error}");
        }
    }
}

impl Target {
    /// The socket is found anew each time: a manager that was started anew has another one there.
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
                "it is neither a path nor an abstract name",
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
    fn what_is_no_socket_is_no_failure() {
        for name in ["", "vsock:2:1", "/nowhere/at/all"] {
            Notifier::to(name.into()).send(&[Notification::Ready]);
        }
        assert!(!Notifier::to("".into()).is_enabled());
    }
}

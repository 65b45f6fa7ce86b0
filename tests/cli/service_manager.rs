//! The protocol with a service manager such as systemd; the test is the manager.
//!
//! A [`Manager`] owns the notification socket.

mod events;
mod reaper;
mod socket_activation;
mod watchdog;

use std::io::{ErrorKind, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::{TIMEOUT, akvs};

/// A service manager, and the directory of its socket.
struct Manager {
    socket: UnixDatagram,
    name: String,
    folder: TempDir,
}

impl Manager {
    /// Creates a manager with a socket in a directory.
    fn new() -> Manager {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Manager::with_socket(socket, path.display().to_string(), folder)
    }

    /// Creates a manager with an abstract socket.
    fn with_abstract_name() -> Manager {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("akvs{}", folder.path().display());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Manager::with_socket(socket, format!("@{name}"), folder)
    }

    fn with_socket(socket: UnixDatagram, name: String, folder: TempDir) -> Manager {
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        Manager {
            socket,
            name,
            folder,
        }
    }

    /// Returns the data directory of its server.
    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the program, with this manager.
    fn akvs(&self) -> Command {
        let mut command = akvs();
        command.env("NOTIFY_SOCKET", &self.name);
        command
    }

    /// Returns the command of a server on a free port, with this manager.
    fn serve(&self) -> Command {
        let mut command = self.akvs();
        serve(&mut command, &self.data());
        command
    }

    /// Receives the next notification.
    #[track_caller]
    fn notification(&self) -> Vec<String> {
        self.notification_within(TIMEOUT).expect("no notification")
    }

    /// Receives the next notification, if one arrives within this time.
    fn notification_within(&self, time: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut bytes = [0; 4_096];
        match self.socket.recv(&mut bytes) {
            Ok(length) => {
                let text = std::str::from_utf8(&bytes[..length]).unwrap();
                Some(text.lines().map(str::to_owned).collect())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Waits until the server is ready; returns its address.
    #[track_caller]
    fn ready(&self) -> String {
        loop {
            if let [ready, status] = &self.notification()[..]
                && ready == "READY=1"
            {
                let address = status.strip_prefix("STATUS=listening on http://");
                return address.unwrap_or_else(|| panic!("{status}")).to_owned();
            }
        }
    }
}

/// Sends a request over a Unix socket; returns the raw response.
fn ask(socket: &Path, method: &str, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: akvs\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Adds the arguments of a server on a free port with this data directory.
fn serve(command: &mut Command, data: &Path) {
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data);
}

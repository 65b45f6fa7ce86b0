//! What a service manager such as systemd and the server tell each other; the test is the manager.
//!
//! A [`Manager`] owns the socket that a server tells how it is.

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

use crate::common::{PATIENCE, akvs};

/// Who is told, and the folder of its socket.
struct Manager {
    socket: UnixDatagram,
    name: String,
    folder: TempDir,
}

impl Manager {
    /// One that has a socket in a folder.
    fn new() -> Manager {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Manager::of(socket, path.display().to_string(), folder)
    }

    /// One whose socket is in no folder.
    fn of_abstract_name() -> Manager {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("akvs{}", folder.path().display());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        Manager::of(socket, format!("@{name}"), folder)
    }

    fn of(socket: UnixDatagram, name: String, folder: TempDir) -> Manager {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Manager {
            socket,
            name,
            folder,
        }
    }

    /// Where its server's data is.
    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    /// The program, told whom to tell.
    fn akvs(&self) -> Command {
        let mut command = akvs();
        command.env("NOTIFY_SOCKET", &self.name);
        command
    }

    /// A server on a free port that tells it.
    fn serve(&self) -> Command {
        let mut command = self.akvs();
        serve(&mut command, &self.data());
        command
    }

    /// The next that it is told.
    #[track_caller]
    fn told(&self) -> Vec<String> {
        self.told_within(PATIENCE).expect("it is told nothing")
    }

    /// The next that it is told, if it is told something in this time.
    fn told_within(&self, time: Duration) -> Option<Vec<String>> {
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

    /// Waits until it is told that the server is ready; on which address.
    #[track_caller]
    fn ready(&self) -> String {
        loop {
            if let [ready, status] = &self.told()[..]
                && ready == "READY=1"
            {
                let address = status.strip_prefix("STATUS=listening on http://");
                return address.unwrap_or_else(|| panic!("{status}")).to_owned();
            }
        }
    }
}

/// Asks over a Unix socket; the answer as it comes.
fn ask(socket: &Path, method: &str, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: akvs\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Has it serve on a free port, with its data in this folder.
fn serve(command: &mut Command, data: &Path) {
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data);
}

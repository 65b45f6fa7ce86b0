//! Sockets that a service manager has bound and passes (sd_listen_fds(3)), to be listened on in place of our own.
//!
//! It owns what they are taken for. Who may connect, `listeners` judges as with any other. Their files are the
//! manager's, as is their queue.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixListener};

use listenfd::ListenFd;
use rustix::net::sockopt::socket_acceptconn;

use crate::error::CliError;

/// The first descriptor that is passed.
const FIRST_DESCRIPTOR: usize = 3;
/// More would be a mistake, as in `http.listen`.
const MAX_SOCKETS: usize = 64;
/// What is to be changed.
const HINT: &str = "let its socket unit have ListenStream= and Accept=no";

/// A socket that was passed.
pub(crate) struct PassedSocket {
    /// What the manager calls it.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What kind of socket it is.
pub(crate) enum Kind {
    /// With the address it is bound to.
    Tcp(TcpListener, SocketAddr),
    /// With its path, or `@` and its abstract name.
    Unix(UnixListener, String),
}

/// Takes them all: so many, with these names.
pub(super) fn take(count: &str, names: &str) -> Result<Vec<PassedSocket>, CliError> {
    let count = count.parse().ok().filter(|count| *count <= MAX_SOCKETS);
    let count: usize = count.ok_or_else(|| {
        CliError::config(format!(
            "LISTEN_FDS: the service manager passes no number of sockets up to {MAX_SOCKETS}"
        ))
    })?;
    let mut sockets = ListenFd::from_env();
    let mut names = names.split(':');
    (0..count)
        .map(|place| {
            let name = names.next().filter(|name| !name.is_empty());
            let name = name.unwrap_or("unknown").to_owned();
            let kind = kind(&mut sockets, place).map_err(|what| {
                let descriptor = FIRST_DESCRIPTOR + place;
                CliError::config(format!(
                    "the service manager passes descriptor {descriptor} ({name}), which is {what} and cannot be \
                     listened on; {HINT}"
                ))
            })?;
            Ok(PassedSocket { name, kind })
        })
        .collect()
}

/// What is passed at a place; else what it is that cannot be used.
fn kind(sockets: &mut ListenFd, place: usize) -> Result<Kind, String> {
    if let Ok(Some(listener)) = sockets.take_tcp_listener(place) {
        listens(&listener)?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        return Ok(Kind::Tcp(listener, address));
    }
    if let Ok(Some(listener)) = sockets.take_unix_listener(place) {
        listens(&listener)?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let shown = shown(&address);
        return Ok(Kind::Unix(listener, shown));
    }
    if let Ok(Some(_)) = sockets.take_udp_socket(place) {
        return Err("a UDP socket".into());
    }
    if let Ok(Some(_)) = sockets.take_unix_datagram(place) {
        return Err("a Unix socket for datagrams".into());
    }
    let link = fs::read_link(format!("/proc/self/fd/{}", FIRST_DESCRIPTOR + place));
    Err(match link {
        Ok(link) if link.to_string_lossy().starts_with("socket:") => {
            "a socket of another kind".into()
        }
        Ok(link) => format!("{}, no socket,", link.display()),
        Err(_) => "not open".into(),
    })
}

fn listens(socket: impl AsFd) -> Result<(), String> {
    match socket_acceptconn(socket) {
        Ok(true) => Ok(()),
        Ok(false) => Err("a socket that does not listen, such as one connection,".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn shown(address: &net::SocketAddr) -> String {
    if let Some(path) = address.as_pathname() {
        return path.display().to_string();
    }
    let name = address.as_abstract_name().unwrap_or_default();
    format!("@{}", String::from_utf8_lossy(name))
}

//! Socket activation (sd_listen_fds(3)): sockets that a service manager has bound are used instead of our own.
//!
//! It owns the check of each descriptor. `listeners` checks their exposure as that of any other. Their files and queues
//! belong to the manager.

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
/// As in `http.listen`; a larger number is likely a mistake.
const MAX_SOCKETS: usize = 64;
/// The remedy.
const HINT: &str = "use ListenStream= and Accept=no in its socket unit";

/// A socket that was passed.
pub(crate) struct PassedSocket {
    /// The name that the manager gave it.
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A kind of socket.
pub(crate) enum Kind {
    /// TCP, with its address.
    Tcp(TcpListener, SocketAddr),
    /// Unix, with its path, or `@` and its abstract name.
    Unix(UnixListener, String),
}

/// Takes `count` sockets with these names.
pub(super) fn take(count: &str, names: &str) -> Result<Vec<PassedSocket>, CliError> {
    let parsed = count.parse().ok().filter(|count| *count <= MAX_SOCKETS);
    let count: usize = parsed.ok_or_else(|| {
        CliError::config(format!(
            "invalid LISTEN_FDS {count:?} from the service manager: expected a number of sockets up to {MAX_SOCKETS}"
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
                    "the service manager passed descriptor {descriptor} ({name}), which is {what}: expected a \
                     listening TCP or Unix stream socket; {HINT}"
                ))
            })?;
            Ok(PassedSocket { name, kind })
        })
        .collect()
}

/// Takes the descriptor at an index. The error describes a descriptor that is not a listening socket.
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
        Ok(link) => format!("{}", link.display()),
        Err(_) => "not open".into(),
    })
}

fn listens(socket: impl AsFd) -> Result<(), String> {
    match socket_acceptconn(socket) {
        Ok(true) => Ok(()),
        Ok(false) => Err("a socket that does not listen, such as a connection".into()),
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

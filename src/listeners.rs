//! The sockets to listen on: names looked up, who may connect judged, the sockets bound, and their files removed.
//!
//! It owns the sockets until they are handed on. Invariant: nothing is bound that other machines can reach unless that
//! was asked for.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};

use akvs_http::Listener;

use crate::failure::Failure;
use crate::settings::{Address, Addresses};
use crate::socket::{self, OWNER_MODE, SHARED_MODE};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1_024;

/// An address as it was written, and what it means.
#[derive(Debug)]
pub(crate) struct Resolved {
    written: Address,
    found: Found,
}

#[derive(Debug)]
enum Found {
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

/// A socket that is bound, and the URL by which it is reached.
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) shown: String,
}

/// Looks up the names.
pub(crate) fn resolve(addresses: &Addresses) -> Result<Vec<Resolved>, Failure> {
    addresses
        .iter()
        .map(|written| {
            if let Some(path) = written.unix_path() {
                let path = std::path::absolute(path).map_err(|error| {
                    Failure::config(format!("http.listen: {written} is nowhere: {error}"))
                })?;
                return Ok(Resolved {
                    written: written.clone(),
                    found: Found::Unix(path),
                });
            }
            let mut found: Vec<SocketAddr> = written
                .as_str()
                .to_socket_addrs()
                .map_err(|error| {
                    Failure::config(format!(
                        "http.listen: the address {written} is not found: {error}"
                    ))
                })?
                .collect();
            found.sort_unstable();
            found.dedup();
            if found.is_empty() {
                return Err(Failure::config(format!(
                    "http.listen: the address {written} is not found"
                )));
            }
            Ok(Resolved {
                written: written.clone(),
                found: Found::Tcp(found),
            })
        })
        .collect()
}

/// Refuses what other machines can reach, unless that is meant: because there are tokens, or everybody may.
pub(crate) fn guard(addresses: &[Resolved], is_meant: bool) -> Result<(), Failure> {
    match addresses.iter().find(|address| !address.is_loopback()) {
        Some(Resolved { written, .. }) if !is_meant => Err(Failure::config(format!(
            "http.listen: other machines can reach {written}, and everybody who can connect could read and change \
             everything; listen on 127.0.0.1, make a token (akvs token new ops --rights admin), or start with --unauthenticated if that is meant"
        ))),
        _ => Ok(()),
    }
}

/// Whether this machine alone can reach all of them.
pub(crate) fn are_loopback(addresses: &[Resolved]) -> bool {
    addresses.iter().all(Resolved::is_loopback)
}

impl Resolved {
    fn is_loopback(&self) -> bool {
        match &self.found {
            Found::Tcp(found) => found
                .iter()
                .all(|found| found.ip().to_canonical().is_loopback()),
            Found::Unix(_) => true,
        }
    }

    fn bind(&self, scheme: &str) -> Result<Vec<Bound>, Failure> {
        let found = match &self.found {
            Found::Tcp(found) => self.bind_tcp(found)?,
            Found::Unix(path) => {
                let listener = socket::listen(path, SHARED_MODE, BACKLOG)
                    .map_err(|error| self.refused(&error))?;
                return Ok(vec![Bound {
                    listener: Listener::Unix(listener),
                    shown: self.written.to_string(),
                }]);
            }
        };
        let bound = found.into_iter().map(|listener| {
            let address = listener
                .local_addr()
                .map_err(|error| self.refused(&error))?;
            Ok(Bound {
                listener: Listener::Tcp(listener),
                shown: format!("{scheme}://{address}"),
            })
        });
        bound.collect()
    }

    /// All that it means, as far as this machine has it: `localhost` may be ::1 where there is no IPv6.
    fn bind_tcp(&self, found: &[SocketAddr]) -> Result<Vec<TcpListener>, Failure> {
        let mut bound: Vec<TcpListener> = Vec::new();
        let mut missing = None;
        for address in found {
            match listen(*address) {
                // A second free port would be another one.
                Ok(listener) if address.port() == 0 => return Ok(vec![listener]),
                Ok(listener) => bound.push(listener),
                Err(error) if is_missing(&error) => missing = Some(error),
                Err(error) => return Err(self.refused(&error)),
            }
        }
        match missing {
            Some(error) if bound.is_empty() => Err(self.refused(&error)),
            _ => Ok(bound),
        }
    }

    fn refused(&self, error: &io::Error) -> Failure {
        let why = if error.kind() == ErrorKind::AddrInUse {
            "another program listens there already".to_owned()
        } else {
            error.to_string()
        };
        Failure::failed(format!("cannot listen on {}: {why}", self.written))
    }
}

/// Binds all of them.
pub(crate) fn bind(addresses: &[Resolved], scheme: &str) -> Result<Vec<Bound>, Failure> {
    let mut bound = Vec::new();
    for address in addresses {
        bound.extend(address.bind(scheme)?);
    }
    Ok(bound)
}

/// Listens for the owner of the data, in its folder, which is ours.
pub(crate) fn bind_owner(data_dir: &str) -> Result<(Listener, PathBuf), Failure> {
    let path = socket::of_owner(data_dir);
    // Whoever listens there has not got the folder, and is no server of ours.
    let listener = socket::listen(&path, OWNER_MODE, BACKLOG).map_err(|error| {
        Failure::failed(format!("cannot listen on {}: {error}", path.display()))
    })?;
    Ok((Listener::Owner(listener), path))
}

/// Takes the files of sockets away, on which nobody listens any more.
pub(crate) fn remove(owner: Option<&Path>, addresses: &[Resolved]) {
    let shared = addresses.iter().filter_map(|address| match &address.found {
        Found::Unix(path) => Some(&**path),
        Found::Tcp(_) => None,
    });
    for path in owner.into_iter().chain(shared) {
        if !socket::is_heard(path) {
            // One that stays is taken over by the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // The standard library's queue of 128 is short when many connect at once.
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

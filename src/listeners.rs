//! The sockets to listen on: names looked up, who may connect judged, and the sockets bound.
//!
//! It owns the sockets until they are handed on. Invariant: nothing is bound that other machines can reach unless that
//! was asked for.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use crate::failure::Failure;
use crate::settings::{Address, Addresses};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1_024;

/// An address as it was written, and what it means.
#[derive(Debug)]
pub(crate) struct Resolved {
    written: Address,
    found: Vec<SocketAddr>,
}

/// Looks up the names.
pub(crate) fn resolve(addresses: &Addresses) -> Result<Vec<Resolved>, Failure> {
    addresses
        .iter()
        .map(|written| {
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
                found,
            })
        })
        .collect()
}

/// Refuses what other machines can reach, unless that is meant: because there are tokens, or everybody may.
pub(crate) fn guard(addresses: &[Resolved], is_meant: bool) -> Result<(), Failure> {
    match addresses.iter().find(|address| !address.is_loopback()) {
        Some(Resolved { written, .. }) if !is_meant => Err(Failure::config(format!(
            "http.listen: other machines can reach {written}, and everybody who can connect could read and change \
             everything; listen on 127.0.0.1, make a token (akvs token new), or start with --unauthenticated if that is meant"
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
        self.found
            .iter()
            .all(|found| found.ip().to_canonical().is_loopback())
    }

    /// All that it means, as far as this machine has it: `localhost` may be ::1 where there is no IPv6.
    fn bind(&self) -> Result<Vec<TcpListener>, Failure> {
        let mut bound: Vec<TcpListener> = Vec::new();
        let mut missing = None;
        for address in &self.found {
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
pub(crate) fn bind(addresses: &[Resolved]) -> Result<Vec<TcpListener>, Failure> {
    let mut listeners = Vec::new();
    for address in addresses {
        listeners.extend(address.bind()?);
    }
    Ok(listeners)
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

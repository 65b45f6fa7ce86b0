//! The sockets to listen on: names looked up, who may connect judged, the sockets bound, and their files removed.
//!
//! It owns the sockets until they are handed on. Invariants: nothing is listened on that other machines can reach unless
//! that was asked for, and of a socket that was passed only the connections are ours.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;

use akvs_http::Listener;

use crate::error::CliError;
use crate::service_manager::{Kind, Passed};
use crate::settings::{Address, Addresses};
use crate::socket::{self, OWNER_MODE, SHARED_MODE};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1_024;

/// An address as it was written, and what it means.
#[derive(Debug)]
pub(crate) struct ResolvedAddress {
    written: Address,
    found: Found,
}

#[derive(Debug)]
enum Found {
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

/// A socket that is bound, and the URL by which it is reached.
struct Bound {
    listener: Listener,
    shown: String,
}

/// Looks up the names.
fn resolve(addresses: &Addresses) -> Result<Vec<ResolvedAddress>, CliError> {
    addresses
        .iter()
        .map(|written| {
            if let Some(path) = written.unix_path() {
                let path = std::path::absolute(path).map_err(|error| {
                    CliError::config(format!("http.listen: {written} is nowhere: {error}"))
                })?;
                return Ok(ResolvedAddress {
                    written: written.clone(),
                    found: Found::Unix(path),
                });
            }
            let mut found = look_up(written.as_str()).map_err(|error| {
                CliError::config(format!(
                    "http.listen: the address {written} is not found: {error}"
                ))
            })?;
            found.sort_unstable();
            found.dedup();
            if found.is_empty() {
                return Err(CliError::config(format!(
                    "http.listen: the address {written} is not found"
                )));
            }
            Ok(ResolvedAddress {
                written: written.clone(),
                found: Found::Tcp(found),
            })
        })
        .collect()
}

/// The addresses of a name and port. One name is this machine's without asking: an empty root has nobody to ask.
fn look_up(address: &str) -> io::Result<Vec<SocketAddr>> {
    let port = address.rsplit_once(':').and_then(|(host, port)| {
        let is_ours = host.eq_ignore_ascii_case("localhost");
        is_ours.then(|| port.parse::<u16>().ok()).flatten()
    });
    Ok(match port {
        Some(port) => vec![
            (Ipv4Addr::LOCALHOST, port).into(),
            (Ipv6Addr::LOCALHOST, port).into(),
        ],
        None => address.to_socket_addrs()?.collect(),
    })
}

/// What is to be listened on.
pub(crate) enum ListenTargets {
    /// What the settings say.
    Chosen(Vec<ResolvedAddress>),
    /// What a service manager passes, in place of that.
    Passed(Vec<Passed>),
}

/// What is listened on.
pub(crate) struct Sockets {
    pub(crate) listeners: Vec<Listener>,
    /// The URLs of those that are not the owner's.
    pub(crate) shown: Vec<String>,
    /// Whether this machine alone can reach all of them.
    pub(crate) are_loopback: bool,
    /// Whether they were passed.
    pub(crate) are_passed: bool,
    pub(crate) files: Files,
}

/// The files of Unix sockets that are ours.
pub(crate) struct Files(Vec<PathBuf>);

impl ListenTargets {
    /// What the settings say, names looked up.
    pub(crate) fn chosen(addresses: &Addresses) -> Result<ListenTargets, CliError> {
        resolve(addresses).map(ListenTargets::Chosen)
    }

    /// What was passed, if something was; else what the settings say.
    pub(crate) fn of(
        addresses: &Addresses,
        passed: Vec<Passed>,
    ) -> Result<ListenTargets, CliError> {
        match passed.is_empty() {
            true => ListenTargets::chosen(addresses),
            false => Ok(ListenTargets::Passed(passed)),
        }
    }

    /// Refuses what other machines can reach, unless that is meant: because there are tokens, or everybody may.
    pub(crate) fn guard(&self, is_meant: bool) -> Result<(), CliError> {
        if is_meant {
            return Ok(());
        }
        let (what, loopback) = match self {
            ListenTargets::Chosen(addresses) => {
                let Some(reached) = addresses.iter().find(|address| !address.is_loopback()) else {
                    return Ok(());
                };
                let what = format!("http.listen: other machines can reach {}", reached.written);
                (what, "listen on 127.0.0.1")
            }
            ListenTargets::Passed(passed) => {
                let Some((reached, name)) = passed.iter().find_map(Passed::reached) else {
                    return Ok(());
                };
                let what = format!(
                    "the service manager passes {reached} ({name}), which other machines can reach"
                );
                (what, "let ListenStream= be 127.0.0.1 and its port")
            }
        };
        Err(CliError::config(format!(
            "{what}, and everybody who can connect could read and change everything; {loopback}, make a token \
             (akvs token new ops --rights admin), or start with --unauthenticated if that is meant"
        )))
    }

    fn are_loopback(&self) -> bool {
        match self {
            ListenTargets::Chosen(addresses) => addresses.iter().all(ResolvedAddress::is_loopback),
            ListenTargets::Passed(passed) => passed.iter().all(|passed| passed.reached().is_none()),
        }
    }

    /// Binds all that was not passed, and a socket for the owner of the data where the folder is ours.
    pub(crate) fn bind(self, scheme: &str, data_dir: Option<&str>) -> Result<Sockets, CliError> {
        let are_loopback = self.are_loopback();
        let mut files = Vec::new();
        let (bound, are_passed) = match self {
            ListenTargets::Chosen(addresses) => {
                let mut bound = Vec::new();
                for address in addresses {
                    bound.extend(address.bind(scheme)?);
                    files.extend(address.into_path());
                }
                (bound, false)
            }
            ListenTargets::Passed(passed) => {
                let bound = passed.into_iter().map(|passed| passed.bound(scheme));
                (bound.collect(), true)
            }
        };
        let (mut listeners, shown): (Vec<_>, Vec<_>) = bound
            .into_iter()
            .map(|bound| (bound.listener, bound.shown))
            .unzip();
        if let Some(data_dir) = data_dir {
            let (listener, path) = bind_owner(data_dir)?;
            listeners.push(listener);
            files.insert(0, path);
        }
        Ok(Sockets {
            listeners,
            shown,
            are_loopback,
            are_passed,
            files: Files(files),
        })
    }
}

impl Files {
    /// Takes them away, where nobody listens any more.
    pub(crate) fn remove(&self) {
        for path in &self.0 {
            if !socket::is_heard(path) {
                // One that stays is taken over by the next start.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

impl Passed {
    /// Its address and name, where other machines can reach it.
    fn reached(&self) -> Option<(SocketAddr, &str)> {
        match &self.kind {
            Kind::Tcp(_, address) if !is_loopback(address) => Some((*address, &self.name)),
            Kind::Tcp(..) | Kind::Unix(..) => None,
        }
    }

    fn bound(self, scheme: &str) -> Bound {
        match self.kind {
            Kind::Tcp(listener, address) => Bound {
                listener: Listener::Tcp(listener),
                shown: format!("{scheme}://{address}"),
            },
            Kind::Unix(listener, path) => Bound {
                listener: Listener::Unix(listener),
                shown: format!("unix:{path}"),
            },
        }
    }
}

impl ResolvedAddress {
    fn is_loopback(&self) -> bool {
        match &self.found {
            Found::Tcp(found) => found.iter().all(is_loopback),
            Found::Unix(_) => true,
        }
    }

    /// The file of its socket.
    fn into_path(self) -> Option<PathBuf> {
        match self.found {
            Found::Unix(path) => Some(path),
            Found::Tcp(_) => None,
        }
    }

    fn bind(&self, scheme: &str) -> Result<Vec<Bound>, CliError> {
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
    fn bind_tcp(&self, found: &[SocketAddr]) -> Result<Vec<TcpListener>, CliError> {
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

    fn refused(&self, error: &io::Error) -> CliError {
        let why = if error.kind() == ErrorKind::AddrInUse {
            "another program listens there already".to_owned()
        } else {
            error.to_string()
        };
        CliError::failed(format!("cannot listen on {}: {why}", self.written))
    }
}

/// Listens for the owner of the data, in its folder, which is ours.
fn bind_owner(data_dir: &str) -> Result<(Listener, PathBuf), CliError> {
    let path = socket::of_owner(data_dir);
    // Whoever listens there has not got the folder, and is no server of ours.
    let listener = socket::listen(&path, OWNER_MODE, BACKLOG).map_err(|error| {
        CliError::failed(format!("cannot listen on {}: {error}", path.display()))
    })?;
    Ok((Listener::Admin(listener), path))
}

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
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

//! The listening sockets: names are resolved, exposure is checked, sockets are bound, and their files removed.
//!
//! It owns the sockets until they are handed over. Invariants: no socket is reachable from other machines unless that
//! was intended, and a socket that a service manager passed keeps its file and its queue.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;

use akvs_http::Listener;

use crate::error::CliError;
use crate::service_manager::{Kind, PassedSocket};
use crate::settings::{Address, Addresses};
use crate::socket::{self, PRIVATE_MODE, SHARED_MODE};

/// Length of the accept queue; the system may allow less.
const BACKLOG: i32 = 1_024;

/// An address as it was written, and the socket addresses that it stands for.
#[derive(Debug)]
pub(crate) struct ResolvedAddress {
    written: Address,
    addresses: Target,
}

#[derive(Debug)]
enum Target {
    Tcp(Vec<SocketAddr>),
    Unix(PathBuf),
}

/// A bound socket and its URL.
struct Bound {
    listener: Listener,
    url: String,
}

/// Resolves the names.
fn resolve(addresses: &Addresses) -> Result<Vec<ResolvedAddress>, CliError> {
    addresses
        .iter()
        .map(|written| {
            if let Some(path) = written.unix_path() {
                let path = std::path::absolute(path).map_err(|error| {
                    CliError::config(format!("invalid http.listen \"{written}\": {error}"))
                })?;
                return Ok(ResolvedAddress {
                    written: written.clone(),
                    addresses: Target::Unix(path),
                });
            }
            let mut addresses = look_up(written.as_str()).map_err(|error| {
                CliError::config(format!("http.listen: cannot resolve {written}: {error}"))
            })?;
            addresses.sort_unstable();
            addresses.dedup();
            if addresses.is_empty() {
                return Err(CliError::config(format!(
                    "http.listen: cannot resolve {written}: no addresses"
                )));
            }
            Ok(ResolvedAddress {
                written: written.clone(),
                addresses: Target::Tcp(addresses),
            })
        })
        .collect()
}

/// Resolves a name and port. `localhost` is not looked up: an empty root has no resolver.
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

/// The addresses or sockets to listen on.
pub(crate) enum ListenTargets {
    /// The addresses of the settings.
    Configured(Vec<ResolvedAddress>),
    /// The sockets of a service manager, instead of those.
    Passed(Vec<PassedSocket>),
}

/// The listening sockets.
pub(crate) struct Sockets {
    pub(crate) listeners: Vec<Listener>,
    /// The URLs, without that of the control socket.
    pub(crate) urls: Vec<String>,
    /// True if only this machine can reach them.
    pub(crate) only_loopback: bool,
    /// True if a service manager passed them.
    pub(crate) from_service_manager: bool,
    pub(crate) files: Files,
}

/// The socket files that this process created.
pub(crate) struct Files(Vec<PathBuf>);

impl ListenTargets {
    /// The addresses of the settings, resolved.
    pub(crate) fn from_settings(addresses: &Addresses) -> Result<ListenTargets, CliError> {
        resolve(addresses).map(ListenTargets::Configured)
    }

    /// The sockets that were passed, or else the addresses of the settings.
    pub(crate) fn new(
        addresses: &Addresses,
        passed: Vec<PassedSocket>,
    ) -> Result<ListenTargets, CliError> {
        if passed.is_empty() {
            ListenTargets::from_settings(addresses)
        } else {
            Ok(ListenTargets::Passed(passed))
        }
    }

    /// Fails if other machines can reach the server, unless that is intended: there are tokens, or `--unauthenticated`.
    pub(crate) fn check_exposure(&self, is_intended: bool) -> Result<(), CliError> {
        if is_intended {
            return Ok(());
        }
        let (what, loopback) = match self {
            ListenTargets::Configured(addresses) => {
                let Some(exposed) = addresses.iter().find(|address| !address.is_loopback()) else {
                    return Ok(());
                };
                let what = format!("http.listen: other machines can reach {}", exposed.written);
                (what, "listen on 127.0.0.1")
            }
            ListenTargets::Passed(passed) => {
                let Some((exposed, name)) = passed.iter().find_map(PassedSocket::exposed) else {
                    return Ok(());
                };
                let what = format!(
                    "other machines can reach {exposed} ({name}), a socket of the service manager"
                );
                (what, "set ListenStream= to a port on 127.0.0.1")
            }
        };
        Err(CliError::config(format!(
            "{what}, and without tokens any client can read and change everything; {loopback}, create a token \
             (akvs token new ops --rights admin), or allow it with --unauthenticated"
        )))
    }

    fn only_loopback(&self) -> bool {
        match self {
            ListenTargets::Configured(addresses) => {
                addresses.iter().all(ResolvedAddress::is_loopback)
            }
            ListenTargets::Passed(passed) => passed.iter().all(|passed| passed.exposed().is_none()),
        }
    }

    /// Binds the sockets that were not passed, and the control socket if there is a data directory.
    pub(crate) fn bind(self, scheme: &str, data_dir: Option<&str>) -> Result<Sockets, CliError> {
        let only_loopback = self.only_loopback();
        let mut files = Vec::new();
        let (bound, from_service_manager) = match self {
            ListenTargets::Configured(addresses) => {
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
        let (mut listeners, urls): (Vec<_>, Vec<_>) = bound
            .into_iter()
            .map(|bound| (bound.listener, bound.url))
            .unzip();
        if let Some(data_dir) = data_dir {
            let (listener, path) = bind_control(data_dir)?;
            listeners.push(listener);
            files.insert(0, path);
        }
        Ok(Sockets {
            listeners,
            urls,
            only_loopback,
            from_service_manager,
            files: Files(files),
        })
    }
}

impl Files {
    /// Removes those that nothing listens on any more.
    pub(crate) fn remove(&self) {
        for path in &self.0 {
            if !socket::is_listening(path) {
                // The next start replaces a file that stays.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

impl PassedSocket {
    /// Returns the address and name of the socket if other machines can reach it.
    fn exposed(&self) -> Option<(SocketAddr, &str)> {
        match &self.kind {
            Kind::Tcp(_, address) if !is_loopback(address) => Some((*address, &self.name)),
            Kind::Tcp(..) | Kind::Unix(..) => None,
        }
    }

    fn bound(self, scheme: &str) -> Bound {
        match self.kind {
            Kind::Tcp(listener, address) => Bound {
                listener: Listener::Tcp(listener),
                url: format!("{scheme}://{address}"),
            },
            Kind::Unix(listener, path) => Bound {
                listener: Listener::Unix(listener),
                url: format!("unix:{path}"),
            },
        }
    }
}

impl ResolvedAddress {
    fn is_loopback(&self) -> bool {
        match &self.addresses {
            Target::Tcp(addresses) => addresses.iter().all(is_loopback),
            Target::Unix(_) => true,
        }
    }

    /// Returns the path of the socket's file.
    fn into_path(self) -> Option<PathBuf> {
        match self.addresses {
            Target::Unix(path) => Some(path),
            Target::Tcp(_) => None,
        }
    }

    fn bind(&self, scheme: &str) -> Result<Vec<Bound>, CliError> {
        let addresses = match &self.addresses {
            Target::Tcp(addresses) => self.bind_tcp(addresses)?,
            Target::Unix(path) => {
                let listener = socket::listen(path, SHARED_MODE, BACKLOG)
                    .map_err(|error| self.bind_error(&error))?;
                return Ok(vec![Bound {
                    listener: Listener::Unix(listener),
                    url: self.written.to_string(),
                }]);
            }
        };
        let bound = addresses.into_iter().map(|listener| {
            let address = listener
                .local_addr()
                .map_err(|error| self.bind_error(&error))?;
            Ok(Bound {
                listener: Listener::Tcp(listener),
                url: format!("{scheme}://{address}"),
            })
        });
        bound.collect()
    }

    /// Binds all addresses that this machine has: `localhost` may include ::1 on a machine without IPv6.
    fn bind_tcp(&self, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, CliError> {
        let mut bound: Vec<TcpListener> = Vec::new();
        let mut unavailable = None;
        for address in addresses {
            match listen(*address) {
                // Port 0 of a second address would be another port.
                Ok(listener) if address.port() == 0 => return Ok(vec![listener]),
                Ok(listener) => bound.push(listener),
                Err(error) if is_unavailable(&error) => unavailable = Some(error),
                Err(error) => return Err(self.bind_error(&error)),
            }
        }
        match unavailable {
            Some(error) if bound.is_empty() => Err(self.bind_error(&error)),
            _ => Ok(bound),
        }
    }

    fn bind_error(&self, error: &io::Error) -> CliError {
        let why = if error.kind() == ErrorKind::AddrInUse {
            "another program is listening on it".to_owned()
        } else {
            error.to_string()
        };
        CliError::failed(format!("cannot listen on {}: {why}", self.written))
    }
}

/// Binds the control socket in the data directory, which this process has locked.
fn bind_control(data_dir: &str) -> Result<(Listener, PathBuf), CliError> {
    let path = socket::control_path(data_dir);
    // A program that listens there is not a server of this data directory, which would have the lock.
    let listener = socket::listen(&path, PRIVATE_MODE, BACKLOG).map_err(|error| {
        CliError::failed(format!("cannot listen on {}: {error}", path.display()))
    })?;
    Ok((Listener::Admin(listener), path))
}

fn is_loopback(address: &SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // The standard library's queue of 128 is short when many clients connect at once.
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

fn is_unavailable(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

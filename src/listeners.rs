//! The sockets to listen on: names looked up, who may connect judged, the sockets bound, and their files removed.
//!
//! It owns the sockets until they are handed on. Invariants: nothing is listened on that other machines can reach unless
//! that was asked for, and of a socket that was passed only the connections are ours.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;

use akvs_http::Listener;

use crate::error::CliError;
use crate::service_manager::{Kind, PassedSocket};
use crate::settings::{Address, Addresses};
use crate::socket::{self, PRIVATE_MODE, SHARED_MODE};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 1_024;

/// An address as it was written, and what it means.
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

/// A socket that is bound, and the URL by which it is reached.
struct Bound {
    listener: Listener,
    url: String,
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
                    addresses: Target::Unix(path),
                });
            }
            let mut addresses = look_up(written.as_str()).map_err(|error| {
                CliError::config(format!(
                    "http.listen: the address {written} is not found: {error}"
                ))
            })?;
            addresses.sort_unstable();
            addresses.dedup();
            if addresses.is_empty() {
                return Err(CliError::config(format!(
                    "http.listen: the address {written} is not found"
                )));
            }
            Ok(ResolvedAddress {
                written: written.clone(),
                addresses: Target::Tcp(addresses),
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
    Configured(Vec<ResolvedAddress>),
    /// What a service manager passes, in place of that.
    Passed(Vec<PassedSocket>),
}

/// What is listened on.
pub(crate) struct Sockets {
    pub(crate) listeners: Vec<Listener>,
    /// The URLs of those that are not the owner's.
    pub(crate) urls: Vec<String>,
    /// Whether this machine alone can reach all of them.
    pub(crate) only_loopback: bool,
    /// Whether they were passed.
    pub(crate) from_service_manager: bool,
    pub(crate) files: Files,
}

/// The files of Unix sockets that are ours.
pub(crate) struct Files(Vec<PathBuf>);

impl ListenTargets {
    /// What the settings say, names looked up.
    pub(crate) fn from_settings(addresses: &Addresses) -> Result<ListenTargets, CliError> {
        resolve(addresses).map(ListenTargets::Configured)
    }

    /// What was passed, if something was; else what the settings say.
    pub(crate) fn new(
        addresses: &Addresses,
        passed: Vec<PassedSocket>,
    ) -> Result<ListenTargets, CliError> {
        match passed.is_empty() {
            true => ListenTargets::from_settings(addresses),
            false => Ok(ListenTargets::Passed(passed)),
        }
    }

    /// Refuses what other machines can reach, unless that is meant: because there are tokens, or everybody may.
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
                    "the service manager passes {exposed} ({name}), which other machines can reach"
                );
                (what, "let ListenStream= be 127.0.0.1 and its port")
            }
        };
        Err(CliError::config(format!(
            "{what}, and everybody who can connect could read and change everything; {loopback}, make a token \
             (akvs token new ops --rights admin), or start with --unauthenticated if that is meant"
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

    /// Binds all that was not passed, and a socket for the owner of the data where the folder is ours.
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
    /// Takes them away, where nobody listens any more.
    pub(crate) fn remove(&self) {
        for path in &self.0 {
            if !socket::is_listening(path) {
                // One that stays is taken over by the next start.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

impl PassedSocket {
    /// Its address and name, where other machines can reach it.
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

    /// The file of its socket.
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

    /// All that it means, as far as this machine has it: `localhost` may be ::1 where there is no IPv6.
    fn bind_tcp(&self, addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, CliError> {
        let mut bound: Vec<TcpListener> = Vec::new();
        let mut unavailable = None;
        for address in addresses {
            match listen(*address) {
                // A second free port would be another one.
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
            "another program listens there already".to_owned()
        } else {
            error.to_string()
        };
        CliError::failed(format!("cannot listen on {}: {why}", self.written))
    }
}

/// Listens for the owner of the data, in its folder, which is ours.
fn bind_control(data_dir: &str) -> Result<(Listener, PathBuf), CliError> {
    let path = socket::control_path(data_dir);
    // Whoever listens there has not got the folder, and is no server of ours.
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
    // The standard library's queue of 128 is short when many connect at once.
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

fn is_unavailable(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
}

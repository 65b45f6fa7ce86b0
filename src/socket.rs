//! Unix sockets: creating one at a path, and connecting to an existing one.
//!
//! It owns the socket's file. Invariants: a path on which a program listens is never replaced, a stale file always is,
//! and no client can connect before the file has its final mode.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// The control socket in the data directory. A user who can open it is an administrator.
pub(crate) const CONTROL_SOCKET: &str = "akvs.sock";
/// For the owner alone.
pub(crate) const PRIVATE_MODE: u32 = 0o600;
/// For the owner and the group.
pub(crate) const SHARED_MODE: u32 = 0o660;
/// Maximum length of a path in a socket address, without its final zero.
const MAX_PATH_BYTES: usize = 107;
/// Suffix of the file until it has its mode.
const NEW_SUFFIX: &str = ".new";

/// Returns the path of the control socket.
pub(crate) fn control_path(data_dir: &str) -> PathBuf {
    Path::new(data_dir).join(CONTROL_SOCKET)
}

/// A path to a socket that fits into a socket address. It is valid as long as this value.
pub(crate) struct ShortPath {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl ShortPath {
    /// Shortens a path: a long one goes through a descriptor of its directory.
    pub(crate) fn new(path: &Path) -> io::Result<ShortPath> {
        let length = path.as_os_str().len() + NEW_SUFFIX.len();
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(ErrorKind::InvalidInput.into());
        };
        if length <= MAX_PATH_BYTES {
            return Ok(ShortPath {
                path: path.to_owned(),
                _folder: None,
            });
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(folder, flags, Mode::empty())?;
        let short = format!("/proc/self/fd/{}", opened.as_raw_fd());
        Ok(ShortPath {
            path: Path::new(&short).join(name),
            _folder: Some(opened),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Returns true if a program listens on the socket at this path.
pub(crate) fn is_listening(path: &Path) -> bool {
    let connected = ShortPath::new(path).and_then(|reach| UnixStream::connect(reach.path()));
    // So does one with a full queue, with another kind of socket, or with a socket that refuses this user.
    connected.map_or_else(|error| !is_no_listener(&error), |_| true)
}

/// Returns true if a connection failed because nothing listens on the path.
pub(crate) fn is_no_listener(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory
    )
}

/// Listens on a path; the file gets this mode.
pub(crate) fn listen(path: &Path, mode: u32, backlog: i32) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            let text = "a file that is not a socket exists there";
            return Err(io::Error::new(ErrorKind::AlreadyExists, text));
        }
        Ok(_) if is_listening(path) => return Err(ErrorKind::AddrInUse.into()),
        _ => {}
    }
    let reach = ShortPath::new(path)?;
    let new = new_path(reach.path());
    if let Err(error) = fs::remove_file(&new)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(error);
    }
    let (family, kind) = (AddressFamily::UNIX, SocketType::STREAM);
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    rustix::net::bind(&socket, &SocketAddrUnix::new(&new)?)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(mode))?;
    rustix::net::listen(&socket, backlog)?;
    // Replaces a stale file.
    fs::rename(&new, reach.path())?;
    Ok(socket.into())
}

fn new_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(NEW_SUFFIX);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        assert!(!is_listening(&path));
        let first = listen(&path, PRIVATE_MODE, 8).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE_MODE);
        assert!(is_listening(&path));
        let error = listen(&path, PRIVATE_MODE, 8).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(first);
        assert!(path.exists() && !is_listening(&path));
        assert!(listen(&path, PRIVATE_MODE, 8).is_ok());
    }

    #[test]
    fn a_file_that_is_not_a_socket_is_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        fs::write(&path, "precious").unwrap();
        let error = listen(&path, SHARED_MODE, 8).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert!(!is_listening(&path));
    }

    #[test]
    fn a_datagram_socket_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let datagrams = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        assert!(is_listening(&path));
        let error = listen(&path, PRIVATE_MODE, 8).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        drop(datagrams);
        assert!(!is_listening(&path));
    }

    #[test]
    fn a_long_path_is_reachable() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(120));
        fs::create_dir(&long).unwrap();
        let path = long.join(CONTROL_SOCKET);
        let _listener = listen(&path, PRIVATE_MODE, 8).unwrap();
        assert!(path.exists() && is_listening(&path));
    }
}

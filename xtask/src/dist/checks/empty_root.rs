//! The program in a root that holds the unpacked tarball and a writable folder, and nothing else: no `/proc`, `/dev`,
//! `/etc` or `/tmp`, no library, no names of users or machines.
//!
//! Owns the way through a server's life there, once as root and once as nobody. Whatever was started is ended, and the
//! root is gone afterwards.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use super::session::{PATIENCE_SECONDS, Session, unpack};
use crate::dist::Release;
use crate::shell::{Result, is_root};

/// A user that nobody is.
const NOBODY: u32 = 65_534;
/// Where the program keeps what it may write.
const DATA: &str = "/data";

/// Who runs it.
#[derive(Clone, Copy)]
enum User {
    Root,
    Nobody,
    /// Root of a namespace of our own, as which whoever checks may make another root.
    Mapped,
}

/// Checks the program of a release.
pub(crate) fn check(release: &Release) -> Result {
    let users: &[User] = match is_root() {
        true => &[User::Root, User::Nobody],
        false if may_map() => &[User::Mapped],
        false => &[],
    };
    for user in users {
        live(release, *user)?;
    }
    match users.len() {
        2 => {}
        1 => eprintln!("not tried as another user in an empty root: that takes root"),
        _ => eprintln!("not tried in an empty root: that takes root, or namespaces of users"),
    }
    Ok(())
}

/// Whether the kernel lets us be root of a namespace.
fn may_map() -> bool {
    let mut unshare = Command::new("unshare");
    let tried = unshare.args(["--user", "-r", "true"]).output();
    tried.is_ok_and(|output| output.status.success())
}

/// A server's life: started, used, read from a backup, stopped, started again.
fn live(release: &Release, user: User) -> Result {
    let folder = tempfile::tempdir()?;
    let root = unpack(release, folder.path())?;
    give(&root, user)?;
    let session = Session::new(|arguments| {
        let mut akvs = command(&root, user);
        akvs.args(arguments);
        akvs
    });
    session.prints(&["start", "--listen", "localhost:0"], "is running: process")?;
    session.prints(&["ping"], "pong")?;
    session.prints(&["set", "foo", "bar", "baz"], "OK")?;
    session.prints(&["get", "foo", "bar"], "baz")?;
    session.prints(&["eval", "get foo bar"], "baz")?;
    session.prints(&["status"], "keys")?;
    session.prints(&["healthcheck"], "")?;
    session.prints(&["doctor"], "ok    fsync")?;
    let port = session.port()?;
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{port}");
        session.prints(&["get", "foo", "bar", "--url", &url], "baz")?;
    }
    let secret = format!("https://localhost:{port}");
    session.refuses(&["get", "foo", "bar", "--url", &secret], "certificates")?;
    session.prints(
        &["backup", &format!("{DATA}/b.akvs")],
        "1 key in 1 namespace",
    )?;
    session.prints(
        &["restart", "--listen", "127.0.0.1:0"],
        "is running: process",
    )?;
    session.prints(&["get", "foo", "bar"], "baz")?;
    session.prints(&["stop"], "stopped")?;
    session.refuses(&["ping"], "no server is running")?;
    session.prints(&["verify"], "ok")?;
    session.prints(&["verify", &format!("{DATA}/b.akvs")], "ok")?;
    Ok(())
}

/// Gives whoever runs it the one folder that it may write.
fn give(root: &Path, user: User) -> Result {
    let data = root.join(DATA.trim_start_matches('/'));
    fs::create_dir(&data)?;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
    if let User::Nobody = user {
        chown(&data, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

/// The program in its root, without a variable of ours.
fn command(root: &Path, user: User) -> Command {
    let mut command = Command::new("timeout");
    command.arg(PATIENCE_SECONDS);
    match user {
        User::Root => command.arg("chroot"),
        User::Nobody => command.args(["chroot", &format!("--userspec={NOBODY}:{NOBODY}")]),
        User::Mapped => command.args(["unshare", "--user", "-r", "chroot"]),
    };
    // Of the variables only where to find these, which lie where not everybody looks.
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{path}:/usr/sbin:/sbin");
    command.env_clear().env("PATH", path);
    command.arg(root).arg("/bin/akvs");
    command
}

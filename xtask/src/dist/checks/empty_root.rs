//! The check of the program in a root directory that contains only the unpacked tarball and a writable directory: no
//! `/proc`, `/dev`, `/etc` or `/tmp`, no library, no names of users or hosts.
//!
//! It owns the commands that run there, as root and as an unprivileged user. The server and the directory do not outlive
//! the check.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use super::session::{Session, TIMEOUT_SECONDS, unpack};
use crate::dist::Release;
use crate::shell::{Result, is_root};

/// The id of an unprivileged user.
const UNPRIVILEGED_ID: u32 = 65_534;
/// The data directory.
const DATA: &str = "/data";

/// The user of the program.
#[derive(Clone, Copy)]
enum User {
    Root,
    Unprivileged,
    /// Root of a user namespace, which an unprivileged user can be.
    NamespaceRoot,
}

/// Checks the program of a release.
pub(crate) fn check(release: &Release) -> Result {
    let users: &[User] = match is_root() {
        true => &[User::Root, User::Unprivileged],
        false if has_user_namespaces() => &[User::NamespaceRoot],
        false => &[],
    };
    for user in users {
        check_as(release, *user)?;
    }
    match users.len() {
        2 => {}
        1 => eprintln!("skipped the empty root with an unprivileged user: it needs root"),
        _ => eprintln!("skipped the empty root: it needs root or user namespaces"),
    }
    Ok(())
}

/// Returns whether this user may create a user namespace.
fn has_user_namespaces() -> bool {
    let mut unshare = Command::new("unshare");
    let output = unshare.args(["--user", "-r", "true"]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Starts a server, uses it, backs it up, restarts and stops it.
fn check_as(release: &Release, user: User) -> Result {
    let folder = tempfile::tempdir()?;
    let root = unpack(release, folder.path())?;
    create_data_dir(&root, user)?;
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
    let https = format!("https://localhost:{port}");
    session.fails(&["get", "foo", "bar", "--url", &https], "certificates")?;
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
    session.fails(&["ping"], "no server is running")?;
    session.prints(&["verify"], "ok")?;
    session.prints(&["verify", &format!("{DATA}/b.akvs")], "ok")?;
    Ok(())
}

/// Creates the data directory, owned by the user.
fn create_data_dir(root: &Path, user: User) -> Result {
    let data = root.join(DATA.trim_start_matches('/'));
    fs::create_dir(&data)?;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
    if let User::Unprivileged = user {
        chown(&data, Some(UNPRIVILEGED_ID), Some(UNPRIVILEGED_ID))?;
    }
    Ok(())
}

/// Returns a command of the program in its root directory, with an empty environment.
fn command(root: &Path, user: User) -> Command {
    let mut command = Command::new("timeout");
    command.arg(TIMEOUT_SECONDS);
    match user {
        User::Root => command.arg("chroot"),
        User::Unprivileged => {
            let user = format!("--userspec={UNPRIVILEGED_ID}:{UNPRIVILEGED_ID}");
            command.args(["chroot", &user])
        }
        User::NamespaceRoot => command.args(["unshare", "--user", "-r", "chroot"]),
    };
    // chroot may be in a directory that is not in the PATH of this user.
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{path}:/usr/sbin:/sbin");
    command.env_clear().env("PATH", path);
    command.arg(root).arg("/bin/akvs");
    command
}

//! A minimal Debian in a directory, to install packages in.
//!
//! It owns its creation, and how commands run in it. The packed system is kept below `target/debian` and used again.
//! Invariant: its processes end with it, and its mounts are not visible outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::shell::{self, Result, Tool, program, read, run};

const DEBIAN: &str = "bookworm";
const MMDEBSTRAP: Tool = Tool {
    name: "mmdebstrap",
    without: "the Debian package will not be installed",
};
/// Enters the directory $0 as the user $1, with `/proc` and `/dev`, and runs the command line $2.
const ENTER: &str = "\
mount --rbind /proc \"$0/proc\" && mount --rbind /dev \"$0/dev\" && exec env -i \
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
chroot --userspec=\"$1\" \"$0\" /bin/sh -c \"$2\"";
/// Directories of the kernel, and the logs and backups of dpkg and adduser.
const NOT_LISTED: &[&str] = &[
    "dev",
    "proc",
    "sys",
    "tmp",
    "var/lib/dpkg",
    "var/log",
    "run/adduser",
    "etc/*-",
];

/// The root directory of the system.
pub(super) struct Root {
    folder: TempDir,
}

impl Root {
    /// Creates a system; returns none and prints a note if it cannot.
    pub(super) fn provide(target: &Path) -> Result<Option<Root>> {
        if !shell::is_root() {
            eprintln!("skipped the installation of the Debian package: it needs root");
            return Ok(None);
        }
        let Some(packed) = packed(target)? else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let mut unpack = program("tar", &["--extract", "--numeric-owner", "--file"]);
        run(unpack.arg(packed).arg("--directory").arg(folder.path()))?;
        // Other users must be able to enter it.
        run(program("chmod", &["755"]).arg(folder.path()))?;
        let root = Root { folder };
        match root.run("root", "true") {
            Ok(_) => Ok(Some(root)),
            Err(error) => {
                eprintln!("skipped the installation of the Debian package: {error}");
                Ok(None)
            }
        }
    }

    /// Returns the path of a file in the system, as seen from outside.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside.trim_start_matches('/'))
    }

    /// Runs a command line, which must succeed; returns its output.
    pub(super) fn run(&self, user: &str, line: &str) -> Result<String> {
        let output = self.enter(user, line).output()?;
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout)?.trim_end().to_owned());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let stderr = stderr.trim();
        Err(format!("as {user}: `{line}`: {}: {stderr}", output.status).into())
    }

    /// Runs a command line, which must fail; returns its errors.
    pub(super) fn run_failing(&self, user: &str, line: &str) -> Result<String> {
        let output = self.enter(user, line).output()?;
        match output.status.success() {
            true => Err(format!("as {user}: `{line}` should have failed").into()),
            false => Ok(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    fn enter(&self, user: &str, line: &str) -> Command {
        let mut command = program("unshare", &["--mount", "sh", "-c", ENTER]);
        command
            .arg(self.folder.path())
            .args([user, line])
            .stdin(Stdio::null());
        command
    }

    /// Lists its files (kind, mode, owner, path, target of a link) and its users.
    pub(super) fn list(&self) -> Result<String> {
        let mut find = program("find", &["."]);
        for path in NOT_LISTED {
            find.args(["-path", &format!("./{path}"), "-prune", "-o"]);
        }
        find.args(["-printf", "%y %m %U:%G %p %l\n"]);
        let found = read(find.current_dir(self.folder.path()))?;
        let mut lines: Vec<&str> = found.lines().collect();
        lines.sort_unstable();
        let mut text = lines.join("\n");
        for users in ["passwd", "group", "shadow", "gshadow"] {
            text.push_str(&fs::read_to_string(self.path("etc").join(users))?);
        }
        Ok(text)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // After a failed check a server may still run.
        let Ok(processes) = fs::read_dir("/proc") else {
            return;
        };
        for process in processes.flatten() {
            let pid = process.file_name().to_string_lossy().parse().ok();
            let is_ours = fs::read_link(process.path().join("root"))
                .is_ok_and(|root| root == self.folder.path());
            if let Some(pid) = pid.filter(|_| is_ours).and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Returns the tarball of a minimal Debian; creates it if it is missing.
fn packed(target: &Path) -> Result<Option<PathBuf>> {
    let folder = target.join("debian");
    let packed = folder.join(format!("{DEBIAN}.tar"));
    if packed.is_file() {
        return Ok(Some(packed));
    }
    if !shell::provide(&MMDEBSTRAP) {
        return Ok(None);
    }
    fs::create_dir_all(&folder)?;
    // Renamed when it is complete, so that an interrupted one is not used.
    let new = folder.join("new.tar");
    let arguments = ["--variant=essential", "--include=adduser", DEBIAN];
    if let Err(error) = run(program("mmdebstrap", &arguments).arg(&new)) {
        eprintln!("skipped the installation of the Debian package: {error}");
        return Ok(None);
    }
    fs::rename(new, &packed)?;
    Ok(Some(packed))
}

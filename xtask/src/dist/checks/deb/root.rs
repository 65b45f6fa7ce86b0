//! A Debian of its own to install packages in: the smallest there is, in a folder, with nothing of this machine.
//!
//! Owns how it is made, and how a line is run in it as one of its users. What it was made of is kept below `target/`
//! for the next time. Invariant: no process of it outlives it, and no mount of it is seen outside.

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
/// Enters the folder $0 as the user $1, with the kernel's own folders, and runs the line $2.
const ENTER: &str = "\
mount --rbind /proc \"$0/proc\" && mount --rbind /dev \"$0/dev\" && exec env -i \
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/ DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
chroot --userspec=\"$1\" \"$0\" /bin/sh -c \"$2\"";
/// The kernel's folders, and what dpkg and adduser keep of what they did.
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

/// A root folder.
pub(super) struct Root {
    folder: TempDir,
}

impl Root {
    /// A new one; none where it cannot be had, and then says so.
    pub(super) fn provide(target: &Path) -> Result<Option<Root>> {
        if !shell::is_root() {
            eprintln!("could not install the Debian package anywhere: only root can");
            return Ok(None);
        }
        let Some(packed) = packed(target)? else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let mut unpack = program("tar", &["--extract", "--numeric-owner", "--file"]);
        run(unpack.arg(packed).arg("--directory").arg(folder.path()))?;
        // So that who is not root gets in.
        run(program("chmod", &["755"]).arg(folder.path()))?;
        let root = Root { folder };
        match root.ask("root", "true") {
            Ok(_) => Ok(Some(root)),
            Err(error) => {
                eprintln!("could not install the Debian package anywhere: {error}");
                Ok(None)
            }
        }
    }

    /// A path in it, from outside.
    pub(super) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside.trim_start_matches('/'))
    }

    /// What a line prints that must succeed.
    pub(super) fn ask(&self, user: &str, line: &str) -> Result<String> {
        let output = self.enter(user, line).output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?.trim_end().to_owned()),
            false => Err(format!("as {user}: `{line}`: {}: {}", output.status, told.trim()).into()),
        }
    }

    /// Why a line fails that must.
    pub(super) fn refused(&self, user: &str, line: &str) -> Result<String> {
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

    /// All that is in it: kind, rights, owner, path, target; and its users.
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
        // Where a check failed, its server may be left.
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

/// The files of a small Debian, packed.
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
    // Only what is whole gets the name by which it is taken up again.
    let new = folder.join("new.tar");
    let how = ["--variant=essential", "--include=adduser", DEBIAN];
    if let Err(error) = run(program("mmdebstrap", &how).arg(&new)) {
        eprintln!("could not install the Debian package anywhere: {error}");
        return Ok(None);
    }
    fs::rename(new, &packed)?;
    Ok(Some(packed))
}

//! podman, with images, containers and volumes of its own: nothing of this machine's is seen or changed.
//!
//! Owns how it is run here, not what for. No container has a network, so that nothing else can be in its way; none can
//! write but to its volumes, and none has a capability. Invariant: no container outlives it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::shell::{self, Result, Tool, on_path, program};

const PODMAN: Tool = Tool {
    name: "podman",
    without: "the container's image will not be built",
};
/// What starts a container; which of them can depends on the machine.
const RUNTIMES: &[&str] = &["crun", "runc"];
const RUNC: Tool = Tool {
    name: "runc",
    without: "the container's image may not be run",
};
/// How every container runs. Not every machine lets the limits be raised, which podman would do by itself.
const RUN: &[&str] = &[
    "--pull",
    "never",
    "--network",
    "none",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop",
    "all",
    "--log-driver",
    "k8s-file",
    "--ulimit",
    "nofile=1024:1024",
    "--ulimit",
    "nproc=1024:1024",
];

/// In seconds: a container that should have ended and still serves is not waited for.
const PATIENCE: &str = "120";

/// podman, in the folder of a release.
pub(super) struct Podman {
    kept: TempDir,
    folder: PathBuf,
    runtime: &'static str,
}

impl Podman {
    /// Returns an instance that can run what is in the folder; returns none and prints a note if that is impossible.
    pub(super) fn provide(folder: &Path) -> Result<Option<Podman>> {
        if !shell::is_root() {
            eprintln!("could not build the container's image: only root can, here");
            return Ok(None);
        }
        if !shell::provide(&PODMAN) {
            return Ok(None);
        }
        let mut podman = Podman {
            kept: tempfile::tempdir()?,
            folder: folder.to_owned(),
            runtime: "",
        };
        let mut why = "there is nothing to start it with".to_owned();
        for runtime in RUNTIMES {
            let is_there = on_path(runtime) || *runtime == RUNC.name && shell::provide(&RUNC);
            if !is_there {
                continue;
            }
            podman.runtime = runtime;
            // No image yet: were that wrong, it would not be this machine's fault.
            let probe = format!(
                "podman run --rm --rootfs {} /bin/akvs --version",
                folder.display()
            );
            match podman.ask(&probe) {
                Ok(_) => return Ok(Some(podman)),
                Err(error) => why = error.to_string(),
            }
        }
        eprintln!("could not run the container's image: {why}");
        Ok(None)
    }

    /// What starts its containers.
    pub(super) fn runtime(&self) -> &str {
        self.runtime
    }

    /// A line as one would type it, which has no quotes.
    pub(super) fn command(&self, line: &str) -> Result<Command> {
        let mut command = program("timeout", &[PATIENCE, "podman", "--storage-driver", "vfs"]);
        command.args(["--cgroup-manager", "cgroupfs", "--runtime", self.runtime]);
        for (flag, folder) in [
            ("--root", "root"),
            ("--runroot", "run"),
            ("--tmpdir", "tmp"),
        ] {
            command.arg(flag).arg(self.kept.path().join(folder));
        }
        let mut words = line.split_whitespace();
        let (Some("podman"), Some(verb)) = (words.next(), words.next()) else {
            return Err(format!("`{line}` is no line for podman").into());
        };
        command.arg(verb);
        if verb == "run" {
            command.args(RUN);
        }
        while let Some(word) = words.next() {
            // There is no network that a port could be opened to.
            match verb == "run" && word == "-p" {
                true => drop(words.next()),
                false => drop(command.arg(word)),
            }
        }
        command.current_dir(&self.folder).stdin(Stdio::null());
        Ok(command)
    }

    fn output(&self, line: &str) -> Result<Output> {
        let output = self.command(line)?.output();
        output.map_err(|error| format!("cannot start podman: {error}").into())
    }

    /// What a line prints that must succeed.
    pub(super) fn ask(&self, line: &str) -> Result<String> {
        let output = self.output(line)?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?.trim_end().to_owned()),
            false => Err(format!("`{line}`: {}: {}", output.status, last(&output)).into()),
        }
    }

    /// Why a line fails that must, with this code.
    pub(super) fn refused(&self, line: &str, code: i32) -> Result<String> {
        let output = self.output(line)?;
        match output.status.code() == Some(code) {
            true => Ok(last(&output)),
            false => Err(format!(
                "`{line}` should have ended with {code}: {}: {}",
                output.status,
                last(&output)
            )
            .into()),
        }
    }

    /// Waits until a container's log has a line with this in it.
    pub(super) fn wait_for(&self, container: &str, part: &str) -> Result {
        let line = format!("podman logs --follow {container}");
        let mut follow = self.command(&line)?;
        let mut follow = follow
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let told = follow.stderr.take().ok_or("a log that is not read")?;
        let is_there = has_line(told, part);
        // Which tells podman, too.
        kill_process(Pid::from_child(&follow), Signal::TERM)?;
        follow.wait()?;
        match is_there {
            true => Ok(()),
            false => Err(format!("the container {container} ended without `{part}`").into()),
        }
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.output("podman rm --all --force --time 0");
    }
}

/// Waits until there is a line with this in it; false where there is none to the end.
pub(super) fn has_line(text: impl Read, part: &str) -> bool {
    let mut lines = BufReader::new(text).lines();
    lines.any(|line| line.is_ok_and(|line| line.contains(part)))
}

/// The last line that it said of what is wrong.
fn last(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    told.trim()
        .lines()
        .next_back()
        .unwrap_or_default()
        .to_owned()
}

//! podman with its own storage: it neither sees nor changes images, containers and volumes of this machine.
//!
//! It owns the options of podman and its containers: without network, so that ports never conflict; read-only except
//! for volumes; without capabilities. Invariant: containers do not outlive the value.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::shell::{self, Result, Tool, on_path, program};

const PODMAN: Tool = Tool {
    name: "podman",
    without: "the container image will not be built",
};
/// The runtimes that are tried; which of them works depends on the machine.
const RUNTIMES: &[&str] = &["crun", "runc"];
const RUNC: Tool = Tool {
    name: "runc",
    without: "the container image may not be run",
};
/// The options of every container. Podman would raise the limits by default, which some machines forbid.
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

/// The maximum time of a command, in seconds.
const TIMEOUT_SECONDS: &str = "120";

/// podman, in the directory of a release.
pub(super) struct Podman {
    storage: TempDir,
    folder: PathBuf,
    runtime: &'static str,
}

impl Podman {
    /// Returns an instance that can run the release; returns none and prints a note if that is impossible.
    pub(super) fn provide(folder: &Path) -> Result<Option<Podman>> {
        if !shell::is_root() {
            eprintln!("skipped the container image: it needs root");
            return Ok(None);
        }
        if !shell::provide(&PODMAN) {
            return Ok(None);
        }
        let mut podman = Podman {
            storage: tempfile::tempdir()?,
            folder: folder.to_owned(),
            runtime: "",
        };
        let mut reason = "no runtime is installed".to_owned();
        for runtime in RUNTIMES {
            let is_installed = on_path(runtime) || *runtime == RUNC.name && shell::provide(&RUNC);
            if !is_installed {
                continue;
            }
            podman.runtime = runtime;
            // Without an image, so that a failure here is due to the machine.
            let probe = format!(
                "podman run --rm --rootfs {} /bin/akvs --version",
                folder.display()
            );
            match podman.run(&probe) {
                Ok(_) => return Ok(Some(podman)),
                Err(error) => reason = error.to_string(),
            }
        }
        eprintln!("skipped the container image: {reason}");
        Ok(None)
    }

    /// Returns the runtime of its containers.
    pub(super) fn runtime(&self) -> &str {
        self.runtime
    }

    /// Returns the command of a line without quotes.
    pub(super) fn command(&self, line: &str) -> Result<Command> {
        let mut command = program("timeout", &[TIMEOUT_SECONDS, "podman"]);
        command.args(["--storage-driver", "vfs"]);
        command.args(["--cgroup-manager", "cgroupfs", "--runtime", self.runtime]);
        for (flag, folder) in [
            ("--root", "root"),
            ("--runroot", "run"),
            ("--tmpdir", "tmp"),
        ] {
            command.arg(flag).arg(self.storage.path().join(folder));
        }
        let mut words = line.split_whitespace();
        let (Some("podman"), Some(verb)) = (words.next(), words.next()) else {
            return Err(format!("invalid line `{line}`: expected a podman command").into());
        };
        command.arg(verb);
        if verb == "run" {
            command.args(RUN);
        }
        while let Some(word) = words.next() {
            // Without a network there are no ports to publish.
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

    /// Runs a line, which must succeed; returns its output.
    pub(super) fn run(&self, line: &str) -> Result<String> {
        let output = self.output(line)?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?.trim_end().to_owned()),
            false => Err(format!("`{line}`: {}: {}", output.status, last_error(&output)).into()),
        }
    }

    /// Runs a line, which must fail with this exit code; returns the last line of its errors.
    pub(super) fn run_failing(&self, line: &str, code: i32) -> Result<String> {
        let output = self.output(line)?;
        match output.status.code() == Some(code) {
            true => Ok(last_error(&output)),
            false => Err(format!(
                "`{line}`: {}, expected exit code {code}: {}",
                output.status,
                last_error(&output)
            )
            .into()),
        }
    }

    /// Waits until a line of a container's log contains the text.
    pub(super) fn wait_for(&self, container: &str, part: &str) -> Result {
        let line = format!("podman logs --follow {container}");
        let mut follow = self.command(&line)?;
        let mut follow = follow
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = follow.stderr.take().ok_or("the log has no stderr")?;
        let found = has_line(log, part);
        // `timeout` passes the signal on to podman.
        kill_process(Pid::from_child(&follow), Signal::TERM)?;
        follow.wait()?;
        match found {
            true => Ok(()),
            false => Err(format!("the log of container {container} has no `{part}`").into()),
        }
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.output("podman rm --all --force --time 0");
    }
}

/// Reads until a line contains the text; returns whether one does.
pub(super) fn has_line(text: impl Read, part: &str) -> bool {
    let mut lines = BufReader::new(text).lines();
    lines.any(|line| line.is_ok_and(|line| line.contains(part)))
}

/// Returns the last line of the errors.
fn last_error(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    stderr
        .trim()
        .lines()
        .next_back()
        .unwrap_or_default()
        .to_owned()
}

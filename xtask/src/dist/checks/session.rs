//! A session with an unpacked release: commands in order, and the server that they start.
//!
//! It owns the expectations of a command's output. It does not know where the program runs: the caller makes the
//! commands. Invariant: a server that was started in the background ends with the session.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::dist::Release;
use crate::shell::{Result, program, run};

/// The maximum time of a command, for `timeout`.
pub(super) const TIMEOUT_SECONDS: &str = "60";
/// The text before the process id.
const STARTED: &str = "is running: process ";
/// The text before the port.
const LISTENING: &str = "http://127.0.0.1:";

/// A session with the program of a release.
pub(super) struct Session<F: Fn(&[&str]) -> Command> {
    akvs: F,
    /// The output of the last start.
    started: RefCell<Option<String>>,
}

impl<F: Fn(&[&str]) -> Command> Session<F> {
    /// Returns a session; `akvs` returns the command of the program with these arguments.
    pub(super) fn new(akvs: F) -> Session<F> {
        let started = RefCell::new(None);
        Session { akvs, started }
    }

    /// Runs a command, which must succeed and print this text.
    pub(super) fn prints(&self, arguments: &[&str], expected: &str) -> Result {
        let output = (self.akvs)(arguments).output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if printed.contains(STARTED) {
            self.started.replace(Some(printed.clone()));
        }
        if output.status.success() && printed.contains(expected) {
            return Ok(());
        }
        let line = arguments.join(" ");
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "`akvs {line}`: {}, expected the output {expected:?}:\n{printed}{errors}",
            output.status
        )
        .into())
    }

    /// Runs a command, which must fail with this error, neither crash nor time out.
    pub(super) fn fails(&self, arguments: &[&str], expected: &str) -> Result {
        let output = (self.akvs)(arguments).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let is_failure = matches!(output.status.code(), Some(1 | 78));
        if is_failure && errors.starts_with("akvs: ") && errors.contains(expected) {
            return Ok(());
        }
        let line = arguments.join(" ");
        Err(format!(
            "`akvs {line}`: {}, expected the error {expected:?}:\n{errors}",
            output.status
        )
        .into())
    }

    /// Returns the port of the server that was started last.
    pub(super) fn port(&self) -> Result<u16> {
        let started = self.started.borrow();
        let port = started.as_deref().and_then(|text| number(text, LISTENING));
        Ok(port.ok_or("no server was started")?.try_into()?)
    }
}

impl<F: Fn(&[&str]) -> Command> Drop for Session<F> {
    fn drop(&mut self) {
        let started = self.started.take();
        let Some(pid) = started.and_then(|text| number(&text, STARTED)) else {
            return;
        };
        // After a successful check the server is already stopped.
        let ping = (self.akvs)(&["ping"]).output();
        if ping.is_ok_and(|output| !output.status.success()) {
            return;
        }
        let _ = (self.akvs)(&["stop"]).output();
        let exists = Path::new(&format!("/proc/{pid}")).exists();
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| exists) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Returns the number after a prefix.
fn number(text: &str, prefix: &str) -> Option<u32> {
    let (_, rest) = text.split_once(prefix)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Unpacks the tarball; returns the directory of the release.
pub(super) fn unpack(release: &Release, folder: &Path) -> Result<PathBuf> {
    let mut tar = program("tar", &["--extract", "--file"]);
    tar.arg(&release.tarball).arg("--directory").arg(folder);
    run(&mut tar)?;
    Ok(folder.join(release.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", &arguments.join(" ")]);
        command
    }

    #[test]
    fn unexpected_output_is_quoted() {
        let session = Session::new(shell);
        session.prints(&["echo", "a b"], "b").unwrap();
        let wrong = session.prints(&["echo a; echo c >&2"], "b").unwrap_err();
        assert!(wrong.to_string().ends_with("\na\nc\n"), "{wrong}");
        assert!(session.prints(&["echo", "b;", "exit 3"], "b").is_err());
    }

    #[test]
    fn only_an_error_of_the_program_is_a_failure() {
        let session = Session::new(shell);
        session.fails(&["echo akvs: no >&2; exit 1"], "no").unwrap();
        for wrong in [
            "echo akvs: no >&2; exit 0",
            "echo akvs: no >&2; exit 101",
            "echo akvs: no >&2; kill -9 $$",
            "echo akvs: yes >&2; exit 1",
            "echo panicked: no >&2; exit 1",
        ] {
            assert!(session.fails(&[wrong], "no").is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_port_of_the_started_server_is_known() {
        let session = Session::new(shell);
        assert!(session.port().is_err());
        let start = "echo 'akvs is running: process 999999999 on http://127.0.0.1:4711'";
        session.prints(&[start], "").unwrap();
        assert_eq!(session.port().unwrap(), 4711);
    }
}

//! A release at work: unpacked, its verbs run one after the other, its server ended.
//!
//! Knows nothing of where that happens: who checks says how the program is run there. Invariant: what was started in the
//! background is ended with the session, by its own verb or else by its number.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::dist::Release;
use crate::shell::{Result, program, run};

/// How long a verb may take, for `timeout`.
pub(super) const PATIENCE_SECONDS: &str = "60";
/// What the text before the process's number is.
const STARTED: &str = "is running: process ";
const LISTENING: &str = "http://127.0.0.1:";

/// The program of a release, as it is run in some place.
pub(super) struct Session<F: Fn(&[&str]) -> Command> {
    akvs: F,
    /// What the last start printed.
    started: RefCell<Option<String>>,
}

impl<F: Fn(&[&str]) -> Command> Session<F> {
    /// A session of the program, which is run with arguments by what `akvs` makes.
    pub(super) fn new(akvs: F) -> Session<F> {
        let started = RefCell::new(None);
        Session { akvs, started }
    }

    /// A verb succeeds, and prints this.
    pub(super) fn prints(&self, arguments: &[&str], promise: &str) -> Result {
        let output = (self.akvs)(arguments).output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if printed.contains(STARTED) {
            self.started.replace(Some(printed.clone()));
        }
        if output.status.success() && printed.contains(promise) {
            return Ok(());
        }
        let what = format!("`akvs {}` did not print {promise:?}", arguments.join(" "));
        let errors = String::from_utf8_lossy(&output.stderr);
        Err(format!("{what}: {}\n{printed}{errors}", output.status).into())
    }

    /// A verb fails, and says why: by itself, so that it neither crashed nor had to be ended.
    pub(super) fn refuses(&self, arguments: &[&str], why: &str) -> Result {
        let output = (self.akvs)(arguments).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let is_failure = matches!(output.status.code(), Some(1 | 78));
        if is_failure && errors.starts_with("akvs: ") && errors.contains(why) {
            return Ok(());
        }
        let what = format!("`akvs {}` did not fail of {why:?}", arguments.join(" "));
        Err(format!("{what}: {}\n{errors}", output.status).into())
    }

    /// Where the server listens that was started last.
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
        // Where all went well it is stopped, and nothing is there to be stopped.
        let stopped = (self.akvs)(&["ping"]).output();
        if stopped.is_ok_and(|output| !output.status.success()) {
            return;
        }
        let _ = (self.akvs)(&["stop"]).output();
        let is_there = Path::new(&format!("/proc/{pid}")).exists();
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| is_there) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The number that follows a text.
fn number(text: &str, before: &str) -> Option<u32> {
    let (_, rest) = text.split_once(before)?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// Unpacks the tarball, and says where the release then is.
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
    fn a_promise_that_is_not_kept_is_quoted() {
        let session = Session::new(shell);
        session.prints(&["echo", "a b"], "b").unwrap();
        let wrong = session.prints(&["echo a; echo c >&2"], "b").unwrap_err();
        assert!(wrong.to_string().ends_with("\na\nc\n"), "{wrong}");
        assert!(session.prints(&["echo", "b;", "exit 3"], "b").is_err());
    }

    #[test]
    fn only_a_failure_of_its_own_is_a_refusal() {
        let session = Session::new(shell);
        session
            .refuses(&["echo akvs: no >&2; exit 1"], "no")
            .unwrap();
        for wrong in [
            "echo akvs: no >&2; exit 0",
            "echo akvs: no >&2; exit 101",
            "echo akvs: no >&2; kill -9 $$",
            "echo akvs: yes >&2; exit 1",
            "echo panicked: no >&2; exit 1",
        ] {
            assert!(session.refuses(&[wrong], "no").is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_started_is_known() {
        let session = Session::new(shell);
        assert!(session.port().is_err());
        let says = "echo 'akvs is running: process 999999999 on http://127.0.0.1:4711'";
        session.prints(&[says], "").unwrap();
        assert_eq!(session.port().unwrap(), 4711);
    }
}

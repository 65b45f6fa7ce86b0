//! A server that `akvs start` has started, and the verbs that reach it.
//!
//! It is not a child of the test, so it is held by a pidfd: it is always killed at the end, and no other process ever
//! is.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::common::{Ran, TIMEOUT, akvs, run};

/// A server in the background.
pub(crate) struct Background {
    data: PathBuf,
    process: OwnedFd,
    pid: u32,
    output: String,
}

impl Background {
    /// Starts a server on a free port with this data directory.
    #[track_caller]
    pub(crate) fn start(data: &Path, flags: &[&str]) -> Background {
        let ran = run(command(data).args(flags));
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
        Background::from_output(data, ran.stdout)
    }

    /// Returns the server that this output of `start` describes.
    #[track_caller]
    pub(crate) fn from_output(data: &Path, output: String) -> Background {
        let pid = output.lines().next().unwrap().rsplit(' ').next().unwrap();
        let pid: u32 = pid.parse().unwrap();
        let number = Pid::from_raw(pid.cast_signed()).unwrap();
        Background {
            data: data.to_owned(),
            process: pidfd_open(number, PidfdFlags::empty()).unwrap(),
            pid,
            output,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the output of `start`.
    pub(crate) fn output(&self) -> &str {
        &self.output
    }

    /// Returns the first `ADDRESS:PORT`.
    pub(crate) fn address(&self) -> &str {
        let (_, address) = self.output.split_once("://").unwrap();
        address.split(['\n', ',']).next().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.process, signal).unwrap();
    }

    /// Returns true if its process has exited.
    pub(crate) fn has_exited(&self) -> bool {
        self.exits_within(Timespec::default())
    }

    /// Waits for its exit.
    #[track_caller]
    pub(crate) fn wait(&self) {
        let timeout = Timespec::try_from(TIMEOUT).unwrap();
        assert!(self.exits_within(timeout), "it does not end");
    }

    fn exits_within(&self, timeout: Timespec) -> bool {
        let mut ended = [PollFd::new(&self.process, PollFlags::IN)];
        poll(&mut ended, Some(&timeout)).unwrap() > 0
    }

    /// Runs a verb on its data directory.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(verb(&self.data).args(arguments))
    }

    /// Runs a verb that succeeds and prints nothing on stderr; returns its output.
    #[track_caller]
    pub(crate) fn answer(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{arguments:?}");
        ran.stdout
    }

    /// Returns its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.data.join("akvs.log")).unwrap()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // This ends a stopped process too, and fails for an ended one.
        _ = pidfd_send_signal(&self.process, Signal::KILL);
        _ = self.exits_within(Timespec::try_from(TIMEOUT).unwrap_or_default());
    }
}

/// Returns `akvs start` with this data directory and a free port.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = akvs();
    command.args(["start", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data);
    command
}

/// Returns the program, which finds its server in this directory.
pub(crate) fn verb(data: &Path) -> Command {
    let mut command = akvs();
    command.env("AKVS_DATA_DIR", data);
    command
}

//! A server that `akvs start` has started, and the verbs that reach it.
//!
//! It is no child of ours, so it is held by a pidfd: whatever a test does, it is ended, and never another process.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::common::{PATIENCE, Ran, akvs, run};

/// A server in the background.
pub(crate) struct Background {
    data: PathBuf,
    process: OwnedFd,
    pid: u32,
    said: String,
}

impl Background {
    /// Starts one on a free port with its data in this folder.
    #[track_caller]
    pub(crate) fn start(data: &Path, flags: &[&str]) -> Background {
        let ran = run(command(data).args(flags));
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
        Background::of(data, ran.stdout)
    }

    /// The one that `start` has said this of.
    #[track_caller]
    pub(crate) fn of(data: &Path, said: String) -> Background {
        let pid = said.lines().next().unwrap().rsplit(' ').next().unwrap();
        let pid: u32 = pid.parse().unwrap();
        let number = Pid::from_raw(pid.cast_signed()).unwrap();
        Background {
            data: data.to_owned(),
            process: pidfd_open(number, PidfdFlags::empty()).unwrap(),
            pid,
            said,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// What `start` said of it.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// `ADDRESS:PORT`, the first of them.
    pub(crate) fn address(&self) -> &str {
        let (_, address) = self.said.split_once("://").unwrap();
        address.split(['\n', ',']).next().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.process, signal).unwrap();
    }

    /// Whether its process has ended.
    pub(crate) fn is_over(&self) -> bool {
        self.ends_within(Timespec::default())
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&self) {
        let patience = Timespec::try_from(PATIENCE).unwrap();
        assert!(self.ends_within(patience), "it does not end");
    }

    fn ends_within(&self, patience: Timespec) -> bool {
        let mut ended = [PollFd::new(&self.process, PollFlags::IN)];
        poll(&mut ended, Some(&patience)).unwrap() > 0
    }

    /// Runs a verb on its data folder.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(verb(&self.data).args(arguments))
    }

    /// Likewise; it succeeds, and says nothing beside its answer.
    #[track_caller]
    pub(crate) fn answer(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{arguments:?}");
        ran.stdout
    }

    /// Its log so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.data.join("akvs.log")).unwrap()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // A stopped process is ended by this too, and one that is gone is no matter.
        _ = pidfd_send_signal(&self.process, Signal::KILL);
        _ = self.ends_within(Timespec::try_from(PATIENCE).unwrap_or_default());
    }
}

/// `akvs start` with its data in this folder, on a free port.
pub(crate) fn command(data: &Path) -> Command {
    let mut command = akvs();
    command.args(["start", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data);
    command
}

/// The program, which looks for its server in this folder.
pub(crate) fn verb(data: &Path) -> Command {
    let mut command = akvs();
    command.env("AKVS_DATA_DIR", data);
    command
}

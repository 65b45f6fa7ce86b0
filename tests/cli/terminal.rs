//! The program in a pseudo-terminal.
//!
//! The output is read without the sequences that move the cursor.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use pty_process::blocking::{Pts, Pty, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, Termios, tcgetattr};

use crate::background::verb;
use crate::common::TIMEOUT;

/// The start of a prompt.
const PROMPT: &str = "\nakvs> ";

pub(crate) struct Terminal {
    pty: Arc<Pty>,
    /// Kept open, so that the terminal outlives the program and can be examined after it.
    _pts: Pts,
    before: Termios,
    shown: Receiver<Vec<u8>>,
    raw: Vec<u8>,
    /// Length of the output that was waited for.
    seen: usize,
    pid: Pid,
    ended: Receiver<ExitStatus>,
    over: bool,
}

impl Terminal {
    /// Attaches to the server of a directory, and waits for the prompt.
    pub(crate) fn attach(data: &Path, state: &Path) -> Terminal {
        let mut command = verb(data);
        command.arg("attach").env("XDG_STATE_HOME", state);
        let mut terminal = Terminal::from_command(command);
        terminal.wait_for("leaves the prompt, not the server");
        terminal.wait_for(PROMPT);
        terminal
    }

    /// Runs a command.
    pub(crate) fn from_command(mut command: Command) -> Terminal {
        let (pty, pts) = open().unwrap();
        pty.resize(pty_process::Size::new(50, 200)).unwrap();
        let before = tcgetattr(&pty).unwrap();
        command.env("TERM", "xterm");
        let child = pty_process::blocking::Command::from(command);
        // The terminal is stdin too, which `common` closes.
        let mut child = child
            .stdin(copy(&pts))
            .stdout(copy(&pts))
            .stderr(copy(&pts));
        let mut child = child.spawn_borrowed(&pts).unwrap();
        let pid = Pid::from_child(&child);
        let pty = Arc::new(pty);
        let (sender, shown) = channel();
        let reader = Arc::clone(&pty);
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = (&*reader).read(&mut part) {
                if sender.send(part[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let (sender, ended) = channel();
        std::thread::spawn(move || sender.send(child.wait().unwrap()));
        Terminal {
            pty,
            _pts: pts,
            before,
            shown,
            raw: Vec::new(),
            seen: 0,
            pid,
            ended,
            over: false,
        }
    }

    /// Types keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for a text after the last one; returns the output up to it.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        loop {
            let text = words(&self.raw);
            if let Some(place) = text[self.seen..].find(part) {
                let found = text[self.seen..self.seen + place].to_owned();
                self.seen += place + part.len();
                return found;
            }
            let Ok(more) = self.shown.recv_timeout(TIMEOUT) else {
                panic!("no {part:?} after {} in {text:?}", self.seen)
            };
            self.raw.extend(more);
        }
    }

    /// Returns the output so far, byte for byte.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Types a line; returns the output up to the next prompt.
    #[track_caller]
    pub(crate) fn line(&mut self, line: &str) -> String {
        self.keys(&format!("{line}\r"));
        self.wait_for("\n");
        self.answer()
    }

    /// Returns the output up to the next prompt.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> String {
        // The prompt follows a line end, which is not repeated if there was no output.
        self.seen -= 1;
        let answer = self.wait_for(PROMPT);
        answer.trim().to_owned()
    }

    /// Waits until the typed line is being executed: before, Ctrl-C is a key; after, a signal.
    #[track_caller]
    pub(crate) fn wait_until_cooked(&self) {
        // There is no event for this.
        for _ in 0..TIMEOUT.as_millis() {
            let now = tcgetattr(&*self.pty).unwrap();
            if now.local_modes.contains(LocalModes::ICANON) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it stays raw: {:?}", words(&self.raw));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits for the program's exit, and asserts that the terminal is restored.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let Ok(status) = self.ended.recv_timeout(TIMEOUT) else {
            panic!("it does not end: {:?}", words(&self.raw))
        };
        self.over = true;
        let after = tcgetattr(&*self.pty).unwrap();
        assert!(
            after
                .local_modes
                .contains(LocalModes::ICANON | LocalModes::ECHO)
        );
        assert_eq!(
            (after.input_modes, after.output_modes, after.local_modes),
            (
                self.before.input_modes,
                self.before.output_modes,
                self.before.local_modes
            )
        );
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if !self.over && self.ended.try_recv().is_err() {
            _ = kill_process(self.pid, Signal::KILL);
            _ = self.ended.recv_timeout(TIMEOUT);
        }
    }
}

fn copy(pts: &Pts) -> std::os::fd::OwnedFd {
    use std::os::fd::AsFd;
    pts.as_fd().try_clone_to_owned().unwrap()
}

/// Returns the output without carriage returns and terminal sequences.
fn words(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut words = String::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        match letter {
            '\r' => {}
            '\u{1b}' => {
                // `ESC [`, then up to a letter.
                let mut sequence = rest.by_ref().skip(1);
                _ = sequence.find(char::is_ascii_alphabetic);
            }
            other => words.push(other),
        }
    }
    words
}

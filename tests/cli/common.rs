//! A server as a process, and a plain HTTP/1.1 client over a socket.
//!
//! Each server has a free port, and is killed when its value is dropped.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

/// Longer than anything takes on a busy machine: only a failing test waits this long.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Returns the program with an empty environment.
pub(crate) fn akvs() -> Command {
    program(Path::new(env!("CARGO_BIN_EXE_akvs")))
}

/// Returns another copy of the program, with an empty environment.
pub(crate) fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name == "RUST_LOG" || name.to_string_lossy().starts_with("AKVS_") {
            command.env_remove(name);
        }
    }
    // Set if the tests run as a service.
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs the command to its end.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Ran {
    let output = output(command, b"");
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the command to its end with this stdin; an empty one leaves stdin as it is.
#[track_caller]
pub(crate) fn output(command: &mut Command, stdin: &[u8]) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if !stdin.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    if let Some(mut pipe) = child.stdin.take() {
        let stdin = stdin.to_vec();
        // A command may end before it has read all of it.
        std::thread::spawn(move || _ = pipe.write_all(&stdin));
    }
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    let Ok(output) = ended.recv_timeout(TIMEOUT) else {
        _ = kill_process(pid, Signal::KILL);
        panic!("it does not end: {command:?}");
    };
    output
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Asserts that the command failed with this code and one line that contains all parts.
    #[track_caller]
    pub(crate) fn assert_refused(&self, code: i32, parts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [line] = lines[..] else {
            panic!("not one line: {self:?}")
        };
        assert!(line.starts_with("akvs: "), "{line}");
        for part in parts {
            assert!(line.contains(part), "{part:?} is not in: {line}");
        }
        assert_eq!(self.stdout, "");
    }
}

/// A starting or running server.
pub(crate) struct Server {
    pid: Pid,
    /// For signals: after its end, the id may belong to another process.
    process: OwnedFd,
    lines: Receiver<String>,
    seen: Vec<String>,
    ended: Receiver<ExitStatus>,
    over: bool,
    address: String,
}

impl Server {
    /// Starts a server on a free port with this data directory, and waits until it listens.
    pub(crate) fn start(data: &Path, flags: &[&str]) -> Server {
        let mut command = akvs();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
        Server::from_command(command.arg(data).args(flags))
    }

    /// Starts this command, and waits until it listens.
    pub(crate) fn from_command(command: &mut Command) -> Server {
        let mut server = Server::spawn(command);
        let line = server.wait_for("listening on http://");
        let (_, address) = line.split_once("listening on http://").unwrap();
        let end = address.find(|c: char| !"0123456789.:[]abcdef".contains(c));
        server.address = address[..end.unwrap_or(address.len())].to_owned();
        server
    }

    /// Starts this command.
    pub(crate) fn spawn(command: &mut Command) -> Server {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        let lines = lines_of(&mut child);
        let (sender, ended) = channel();
        std::thread::spawn(move || sender.send(child.wait().unwrap()));
        Server {
            pid,
            process,
            lines,
            seen: Vec::new(),
            ended,
            over: false,
            address: String::new(),
        }
    }

    /// Waits for a log line that contains this part.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(TIMEOUT) else {
                panic!("no {part:?} in {:#?}", self.seen)
            };
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Returns the lines so far.
    pub(crate) fn seen(&self) -> &[String] {
        &self.seen
    }

    /// `ADDRESS:PORT`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.process, signal).unwrap();
    }

    /// Waits for its exit.
    #[track_caller]
    pub(crate) fn wait(mut self) -> ExitStatus {
        let Ok(status) = self.ended.recv_timeout(TIMEOUT) else {
            panic!("it does not end: {:#?}", self.seen)
        };
        self.over = true;
        status
    }

    /// Stops it, and waits for its exit.
    #[track_caller]
    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait().code(), Some(0));
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::to(&self.address).unwrap()
    }

    /// Sends one request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.connect().ask(method, path, body).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.over && self.ended.try_recv().is_err() {
            _ = pidfd_send_signal(&self.process, Signal::KILL);
            _ = self.ended.recv_timeout(TIMEOUT);
        }
    }
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            // Read until the end, even if the test reads no more lines.
            _ = sender.send(line);
        }
    });
    lines
}

/// A connection that is kept open.
pub(crate) struct Connection(BufReader<TcpStream>);

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Returns status and body, the latter as text.
    pub(crate) fn plain(&self) -> (u16, &str) {
        (self.status, std::str::from_utf8(&self.body).unwrap())
    }
}

impl Connection {
    pub(crate) fn to(address: &str) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Connection(BufReader::new(stream)))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> io::Result<Answer> {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: akvs\r\nContent-Length: {length}\r\n\r\n");
        self.send([head.as_bytes(), body].concat())?;
        self.answer()
    }

    /// Reads a whole response.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut answer = self.head()?;
        let length = answer.headers.get("content-length");
        let length = length.and_then(|length| length.parse().ok());
        answer.body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }

    /// Reads a response up to its body.
    pub(crate) fn head(&mut self) -> io::Result<Answer> {
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{what:?}"));
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| bad(&line))?;
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            let line = line.strip_suffix("\r\n").ok_or_else(|| bad(&line))?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        Ok(Answer {
            status,
            headers,
            body: Vec::new(),
        })
    }

    /// Reads a chunk of a chunked body; an empty one is the last.
    pub(crate) fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim_end(), 16);
        let length = length.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let mut chunk = vec![0; length + 2];
        self.0.read_exact(&mut chunk)?;
        chunk.truncate(length);
        Ok(chunk)
    }
}

/// Parses a log line as JSON.
#[track_caller]
pub(crate) fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

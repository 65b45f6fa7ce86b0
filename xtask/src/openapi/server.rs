//! A server for the checks: started on a free port, and ended with its value.
//!
//! All settings are defaults except those that the caller names.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::shell::{Result, program};

/// The maximum time until a server is ready.
const START: Duration = Duration::from_secs(30);

/// A server that ends when the value is dropped.
pub(super) struct Server {
    child: Child,
    /// Its address: host and port.
    pub(super) address: String,
}

impl Server {
    /// Starts it on a free port with these environment variables, and waits until it reports the port.
    pub(super) fn start(binary: &Path, data: &Path, settings: &[(&str, &str)]) -> Result<Server> {
        let mut command = program(binary, &["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(data).envs(settings.iter().copied());
        // Owned before anything can fail, so that the child is always ended.
        let mut server = Server {
            child: command.stderr(Stdio::piped()).spawn()?,
            address: String::new(),
        };
        let stderr = server.child.stderr.take();
        let port = await_port(stderr.ok_or("the server has no stderr")?)?;
        server.address = format!("127.0.0.1:{port}");
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The child may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the port that the log names. Later lines are read and dropped, so that their writer never blocks.
fn await_port(log: impl Read + Send + 'static) -> Result<u16> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut seen = String::new();
        let mut lines = BufReader::new(log).lines().map_while(|line| line.ok());
        let found = lines.find_map(|line| {
            seen.push_str(&line);
            seen.push('\n');
            port_in(&line)
        });
        // The caller may have stopped waiting.
        let _ = sender.send(found.ok_or(seen));
        lines.for_each(drop);
    });
    match receiver.recv_timeout(START) {
        Ok(Ok(port)) => Ok(port),
        Ok(Err(seen)) => Err(format!("a server ended before it was ready:\n{seen}").into()),
        Err(_) => Err(format!("a server was not ready after {} s", START.as_secs()).into()),
    }
}

/// Returns the port that a line of the server's log names.
fn port_in(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_first_matching_line() {
        let log =
            "starting\n{\"msg\":\"listening on http://127.0.0.1:40123\"}\nhttp://127.0.0.1:2\n";
        assert_eq!(await_port(log.as_bytes()).unwrap(), 40_123);
    }

    #[test]
    fn the_log_of_a_failed_start_is_quoted() {
        let error = await_port("no room\n".as_bytes()).unwrap_err();
        assert!(error.to_string().ends_with("\nno room\n"), "{error}");
    }
}

//! An AKVS server under load: started on a free port and filled.
//!
//! It does not know what is measured. All settings are defaults except those that the caller names.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::process::{Process, await_line};
use super::{KEYS, VALUE_BYTES};
use crate::shell::{Result, program};

/// The maximum time of an answer while the server is filled.
const ANSWER: Duration = Duration::from_secs(10);

/// A server that ends when the value is dropped.
pub(crate) struct Server {
    pub(super) process: Process,
    /// Its address: host and port.
    pub(crate) address: String,
}

impl Server {
    /// Starts it on a free port with these environment variables, and waits until it reports the port.
    pub(crate) fn start(binary: &Path, data: &Path, settings: &[(&str, &str)]) -> Result<Server> {
        let mut command = program(binary, &["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(data).envs(settings.iter().copied());
        // Owned before anything can fail, so that the child is always ended.
        let mut process = Process(command.stderr(Stdio::piped()).spawn()?);
        let stderr = process.0.stderr.take().ok_or("the server has no stderr")?;
        let port = await_line(stderr, port_in)?;
        let address = format!("127.0.0.1:{port}");
        Ok(Server { process, address })
    }

    /// Writes each key once, over one connection.
    pub(super) fn fill(&self) -> Result {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let mut answers = BufReader::new(stream.try_clone()?);
        let value = "v".repeat(VALUE_BYTES);
        for key in 0..KEYS {
            // In one write: several would be several packets.
            let request = format!(
                "POST /kv/bench/k{key} HTTP/1.1\r\nhost: {}\r\ncontent-length: {VALUE_BYTES}\r\n\r\n{value}",
                self.address
            );
            stream.write_all(request.as_bytes())?;
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if answers.read_line(&mut head)? == 0 {
                    return Err("the server closed the connection while it was filled".into());
                }
            }
            if !head.starts_with("HTTP/1.1 201") {
                return Err(format!("a write was answered with\n{head}").into());
            }
            answers.read_exact(&mut [0; "Created".len()])?;
        }
        Ok(())
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
    fn the_port_is_read_from_the_first_lines() {
        assert_eq!(port_in("listening on http://127.0.0.1:40123"), Some(40123));
        assert_eq!(
            port_in(r#"{"msg":"listening on http://127.0.0.1:1"}"#),
            Some(1)
        );
        assert_eq!(port_in("listening on nothing"), None);
    }
}

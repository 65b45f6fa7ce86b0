//! An AKVS server.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::thread::CpuSet;

use crate::process::{Process, await_line};
use crate::result::Result;

/// A server, and where it listens.
pub(crate) struct Akvs {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Akvs {
    /// Starts it with these settings, as environment variables, and waits until it reports its port.
    pub(crate) fn start(
        program: &Path,
        data: &Path,
        settings: &[(&str, &str)],
        cores: &CpuSet,
    ) -> Result<Akvs> {
        let mut command = command(program, data, settings);
        // Owned before anything can fail, so that the child is always ended.
        let mut process = Process::start(&mut command, cores)?;
        let stderr = process.0.stderr.take().ok_or("the server has no stderr")?;
        let port = await_line(stderr, port_in)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Ok(Akvs { process, address })
    }
}

/// Returns the command that starts a server.
pub(crate) fn command(program: &Path, data: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("AKVS_") || text == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(data).envs(settings.iter().copied());
    command.stderr(Stdio::piped());
    command
}

/// Returns the port that a line of the server's log names.
pub(crate) fn port_in(line: &str) -> Option<u16> {
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
        let json = r#"{"msg":"listening on http://127.0.0.1:1"}"#;
        assert_eq!(port_in(json), Some(1));
        assert_eq!(port_in("listening on nothing"), None);
    }
}

//! The server under load: started on a free port, looked at through `/proc`, ended.
//!
//! Knows nothing of what is measured. The process ends with the value, whatever happened in between.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::shell::{Result, program, read};

/// A server of our own: ended with the value.
pub(super) struct Server {
    child: Child,
    /// Where it listens: host and port.
    pub(super) address: String,
}

impl Server {
    /// Starts it on a free port and waits until it says which.
    pub(super) fn start(binary: &Path, data: &Path) -> Result<Server> {
        let mut command = program(binary, &["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
        let mut child = command.arg(data).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take().ok_or("the server has no stderr")?;
        let address = String::new();
        // Made before anything can fail, so that the child is ended on every path.
        let mut server = Server { child, address };
        server.address = address_in(stderr)?;
        Ok(server)
    }

    /// Memory that it holds at this moment, in MB of 2^20 bytes.
    pub(super) fn resident_mb(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|line| line.split_whitespace().next());
        Ok(kb.ok_or("/proc shows no VmRSS")?.parse::<u64>()? / 1024)
    }

    /// CPU time used so far, in µs.
    pub(super) fn cpu_us(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in parentheses, may hold spaces; utime and stime are the 14th and 15th fields of the whole line.
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc shows no stat")?;
        let ticks: Vec<f64> = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse)
            .collect::<std::result::Result<_, _>>()?;
        let per_second: f64 = read(Command::new("getconf").arg("CLK_TCK"))?
            .trim()
            .parse()?;
        Ok(ticks.iter().sum::<f64>() * 1e6 / per_second)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A child that is gone already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address that the server's first lines name; the rest of them is read and forgotten, so that it never blocks.
fn address_in(stderr: ChildStderr) -> Result<String> {
    let mut lines = BufReader::new(stderr).lines();
    let mut seen = String::new();
    for line in lines.by_ref() {
        let line = line?;
        if let Some(port) = port_in(&line) {
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(format!("127.0.0.1:{port}"));
        }
        seen.push_str(&line);
        seen.push('\n');
    }
    Err(format!("the server ended before it said where it listens:\n{seen}").into())
}

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

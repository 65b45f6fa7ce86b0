//! A process under load: started, observed through `/proc`, and ended.
//!
//! It does not know what the process does. The process ends when the value is dropped.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::shell::{Result, read};

/// The maximum time until a server is ready.
const START: Duration = Duration::from_secs(30);

/// A child process that ends when the value is dropped.
pub(super) struct Process(pub(super) Child);

impl Process {
    /// Returns its current memory, in MiB.
    pub(super) fn resident_mb(&self) -> Result<u64> {
        Ok(self.resident_kb()? / 1024)
    }

    /// Returns its current memory, in KiB.
    pub(super) fn resident_kb(&self) -> Result<u64> {
        self.status_kb("VmRSS:")
    }

    /// Returns the maximum memory that it had.
    pub(super) fn max_kb(&self) -> Result<u64> {
        self.status_kb("VmHWM:")
    }

    fn status_kb(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kb = line.and_then(|line| line.split_whitespace().next());
        Ok(kb
            .ok_or_else(|| format!("/proc shows no {name}"))?
            .parse()?)
    }

    /// Returns its CPU time, in µs.
    pub(super) fn cpu_us(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
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

impl Drop for Process {
    fn drop(&mut self) {
        // The child may have ended before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns what `find` finds in the first matching line. Later lines are read and dropped, so that their writer never
/// blocks.
pub(super) fn await_line<T: Send + 'static>(
    output: impl Read + Send + 'static,
    find: fn(&str) -> Option<T>,
) -> Result<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut seen = String::new();
        let mut lines = BufReader::new(output).lines().map_while(|line| line.ok());
        let found = lines.find_map(|line| {
            seen.push_str(&line);
            seen.push('\n');
            find(&line)
        });
        // The caller may have stopped waiting.
        let _ = sender.send(found.ok_or(seen));
        lines.for_each(drop);
    });
    match receiver.recv_timeout(START) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(seen)) => Err(format!("a server ended before it was ready:\n{seen}").into()),
        Err(_) => Err(format!("a server was not ready after {} s", START.as_secs()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(line: &str) -> Option<u8> {
        line.strip_prefix("ready ")?.parse().ok()
    }

    #[test]
    fn the_first_matching_line_counts() {
        let output = "starting\nready 7\nready 8\n".as_bytes();
        assert_eq!(await_line(output, number).unwrap(), 7);
    }

    #[test]
    fn the_output_of_a_failed_start_is_quoted() {
        let error = await_line("no room\n".as_bytes(), number).unwrap_err();
        assert!(error.to_string().ends_with("\nno room\n"), "{error}");
    }

    #[test]
    fn a_process_ends_with_its_value() {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let proc = format!("/proc/{}", child.id());
        let process = Process(child);
        assert!(process.cpu_us().unwrap() < 1e6);
        assert!(fs::exists(&proc).unwrap());
        drop(process);
        assert!(!fs::exists(&proc).unwrap());
    }
}

//! redis-server under its own load generator, for the comparison of durable writes.
//!
//! It owns how redis-server is started, with a sync before each answer, and how its figures are read. One thread sends,
//! as for AKVS. All other settings are redis's defaults.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use super::figures::Figures;
use super::process::{Process, await_line};
use super::{KEYS, VALUE_BYTES};
use crate::shell::{Result, program, read};

/// The maximum time of a run: a slower machine is too busy to measure on, and all runs together stay under four
/// minutes.
const LIMIT: &str = "8";
/// The number of ports that are tried: another process may take one before redis does.
const TRIES: usize = 5;

/// A redis-server that ends when the value is dropped.
pub(super) struct Redis {
    process: Process,
    port: u16,
}

impl Redis {
    /// Starts it on a free port with its files in this folder, and waits until it is ready.
    pub(super) fn start(folder: &Path) -> Result<Redis> {
        let mut last = None;
        for _ in 0..TRIES {
            // It cannot take a free port by itself: to it, 0 means none.
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            match Redis::start_at(port, folder) {
                Ok(redis) => return Ok(redis),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| "no port was tried".into()))
    }

    fn start_at(port: u16, folder: &Path) -> Result<Redis> {
        let mut command = program("redis-server", &["--bind", "127.0.0.1", "--port"]);
        command.arg(port.to_string());
        command.args(["--save", "", "--appendonly", "yes"]);
        command.args(["--appendfsync", "always", "--dir"]);
        // Owned before anything can fail, so that the child is always ended.
        let mut process = Process(command.arg(folder).stdout(Stdio::piped()).spawn()?);
        let stdout = process.0.stdout.take().ok_or("redis has no stdout")?;
        await_line(stdout, |line| {
            line.contains("Ready to accept connections").then_some(())
        })?;
        Ok(Redis { process, port })
    }

    /// Makes one run with this number of `SET`s.
    pub(super) fn run(&self, connections: usize, requests: u64) -> Result<Figures> {
        let before = self.process.cpu_us()?;
        let mut benchmark = program("timeout", &[LIMIT, "redis-benchmark", "--csv"]);
        benchmark.args(["-t", "set", "-h", "127.0.0.1", "-p"]);
        benchmark.arg(self.port.to_string());
        for (flag, number) in [
            ("-r", KEYS as u64),
            ("-d", VALUE_BYTES as u64),
            ("-c", connections as u64),
            ("-n", requests),
        ] {
            benchmark.arg(flag).arg(number.to_string());
        }
        let output = read(&mut benchmark)?;
        let cpu_us = self.process.cpu_us()? - before;
        figures(&output, cpu_us / requests as f64)
    }
}

/// Returns the line about `SET`, its columns by their names.
fn figures(csv: &str, cpu_us: f64) -> Result<Figures> {
    let cells = |line: &str| -> Vec<String> {
        line.split(',')
            .map(|cell| cell.trim().trim_matches('"').to_owned())
            .collect()
    };
    let line = |first: &str| {
        csv.lines()
            .map(cells)
            .find(|cells| cells[0] == first)
            .ok_or_else(|| format!("redis-benchmark printed no line `{first}`:\n{csv}"))
    };
    let (names, values) = (line("test")?, line("SET")?);
    let value = |name: &str| -> Result<f64> {
        let at = names.iter().position(|cell| cell == name);
        let value = at.and_then(|at| values.get(at));
        Ok(value
            .ok_or_else(|| format!("redis-benchmark printed no `{name}`"))?
            .parse()?)
    };
    Ok(Figures {
        rate: value("rps")?,
        p50_ms: value("p50_latency_ms")?,
        p99_ms: value("p99_latency_ms")?,
        cpu_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_by_their_columns_names() {
        let csv = "\"test\",\"rps\",\"p99_latency_ms\",\"p50_latency_ms\"\n\"SET\",\"24479.80\",\"1.039\",\"0.591\"\n";
        let expected = Figures {
            rate: 24479.80,
            p50_ms: 0.591,
            p99_ms: 1.039,
            cpu_us: 9.0,
        };
        assert_eq!(figures(csv, 9.0).unwrap(), expected);
    }

    #[test]
    fn other_output_gives_no_figures() {
        for csv in [
            "",
            "Could not connect\n",
            "\"test\",\"rps\"\n",
            "\"test\",\"rps\"\n\"SET\",\"1\"\n",
            "\"test\",\"rps\",\"p50_latency_ms\",\"p99_latency_ms\"\n\"SET\",\"1\",\"x\",\"1\"\n",
            "\"test\",\"rps\",\"p50_latency_ms\",\"p99_latency_ms\"\n\"SET\",\"1\",\"1\"\n",
        ] {
            assert!(figures(csv, 9.0).is_err(), "{csv}");
        }
    }
}

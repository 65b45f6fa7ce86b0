//! wrk, the load generator for AKVS: its script and its figures.
//!
//! It uses one thread, as redis-benchmark does. All requests are built before the first is sent, so that the script
//! takes no CPU time from the server.

use std::fs;
use std::path::{Path, PathBuf};

use super::figures::Figures;
use super::server::Server;
use super::{KEYS, VALUE_BYTES};
use crate::shell::{Result, program, read};

/// The maximum time that wrk may take after the end of a run, in seconds.
const GRACE: u64 = 20;

/// The kind of request.
#[derive(Clone, Copy)]
pub(super) enum Request {
    /// `GET` of a key.
    Get,
    /// `POST` of a value to a key.
    Post,
}

/// A load: requests for random keys.
pub(super) struct Load(PathBuf);

impl Load {
    /// Writes the script into this folder.
    pub(super) fn new(request: Request, folder: &Path) -> Result<Load> {
        let script = folder.join("load.lua");
        fs::write(&script, lua(request))?;
        Ok(Load(script))
    }

    /// Makes one run.
    pub(super) fn run(&self, server: &Server, connections: usize, seconds: u64) -> Result<Figures> {
        let before = server.process.cpu_us()?;
        let limit = (seconds + GRACE).to_string();
        let connections = format!("-c{connections}");
        let duration = format!("-d{seconds}s");
        let mut wrk = program(
            "timeout",
            &[
                &limit,
                "wrk",
                "-t1",
                &connections,
                &duration,
                "--latency",
                "-s",
            ],
        );
        wrk.arg(&self.0).arg(format!("http://{}/", server.address));
        let output = read(&mut wrk)?;
        figures(&output, server.process.cpu_us()? - before)
    }
}

/// Returns a script for wrk: requests for all keys, and one line of figures.
fn lua(request: Request) -> String {
    let request = match request {
        Request::Get => "wrk.format('GET', path)".to_owned(),
        Request::Post => {
            format!("wrk.format('POST', path, nil, string.rep('v', {VALUE_BYTES}))")
        }
    };
    format!(
        "local requests = {{}}
init = function()
    for key = 0, {KEYS} - 1 do
        local path = '/kv/bench/k' .. key
        requests[key] = {request}
    end
end
request = function() return requests[math.random(0, {KEYS} - 1)] end
done = function(summary, latency)
    local e = summary.errors
    local failed = e.status + e.connect + e.read + e.write + e.timeout
    print(string.format('FIGURES %d %d %d %d %d', summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99), failed))
end
"
    )
}

/// Returns the figures of the script's line, and of the server's CPU time.
fn figures(output: &str, cpu_us: f64) -> Result<Figures> {
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("FIGURES "));
    let figures: Vec<f64> = line
        .ok_or("wrk printed no figures")?
        .split(' ')
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    let [requests, us, p50, p99, failed] = figures[..] else {
        return Err("wrk printed unexpected figures".into());
    };
    if failed > 0.0 || requests == 0.0 {
        return Err(format!("{failed} of {requests} requests failed").into());
    }
    Ok(Figures {
        rate: requests * 1e6 / us,
        p50_ms: p50 / 1e3,
        p99_ms: p99 / 1e3,
        cpu_us: cpu_us / requests,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_come_from_the_scripts_line() {
        let figures = figures("Running\nFIGURES 4000 2000000 500 1500 0\nDone\n", 40_000.0);
        let expected = Figures {
            rate: 2000.0,
            p50_ms: 0.5,
            p99_ms: 1.5,
            cpu_us: 10.0,
        };
        assert_eq!(figures.unwrap(), expected);
    }

    #[test]
    fn a_failed_request_or_none_at_all_gives_no_figures() {
        for output in [
            "FIGURES 4000 2000000 500 1500 1",
            "FIGURES 0 2000000 0 0 0",
            "FIGURES 4000 2000000",
            "FIGURES many",
            "",
        ] {
            assert!(figures(output, 1.0).is_err(), "{output}");
        }
    }
}

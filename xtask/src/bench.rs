//! `cargo xtask bench`: reads and durable writes of a release build, side by side.
//!
//! Owns the load and the figures printed, none of the thresholds. Server and load generator share the machine's cores,
//! so the server's CPU time per request is the steadier figure. A run with a failed request gives no figures.

mod server;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use cargo_metadata::MetadataCommand;

use crate::shell::{self, Result, Tool, cargo, program, read, root, run};
use server::Server;

const WRK: Tool = Tool {
    name: "wrk",
    without: "nothing can be measured",
};
const KEYS: usize = 10_000;
const RUNS: usize = 3;
const SECONDS: usize = 8;
const WORKLOADS: &[(&str, &str)] = &[
    ("GET", "wrk.format('GET', key())"),
    (
        "POST, durable",
        "wrk.format('POST', key(), nil, string.rep('v', 100))",
    ),
];

/// Builds, starts, loads, measures, prints.
pub(crate) fn bench() -> Result {
    if !shell::provide(&WRK) {
        return Err("wrk is missing".into());
    }
    run(&mut cargo(&[
        "build",
        "--release",
        "--locked",
        "--package",
        "akvs",
    ]))?;
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()?;
    let folder = tempfile::tempdir()?;
    let binary = metadata.target_directory.join("release/akvs");
    let server = Server::start(binary.as_std_path(), &folder.path().join("data"))?;
    println!("resident when fresh: {} MB", server.resident_mb()?);
    load(&server.address)?;
    println!(
        "resident with {KEYS} keys of 100 B: {} MB\n",
        server.resident_mb()?
    );
    println!(
        "| 64 connections, {SECONDS} s | requests/s | p50 | p99 | server CPU per request | resident |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (title, request) in WORKLOADS {
        let script = folder.path().join("load.lua");
        fs::write(&script, lua(request))?;
        for number in 1..=RUNS {
            println!("| {title}, run {number} | {} |", measure(&server, &script)?);
        }
    }
    Ok(())
}

/// Writes each key once, over one connection.
fn load(address: &str) -> Result {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let value = "v".repeat(100);
    for key in 0..KEYS {
        write!(
            stream,
            "POST /kv/bench/k{key} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 100\r\n\r\n{value}"
        )?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if answers.read_line(&mut head)? == 0 {
                return Err("the server closed the connection while it was loaded".into());
            }
        }
        if !head.starts_with("HTTP/1.1 201") {
            return Err(format!("a write was answered with\n{head}").into());
        }
        answers.read_exact(&mut [0; "Created".len()])?;
    }
    Ok(())
}

/// A script for wrk: requests over all keys, and one line of figures.
fn lua(request: &str) -> String {
    format!(
        "local function key() return '/kv/bench/k' .. math.random(0, {KEYS} - 1) end
request = function() return {request} end
done = function(summary, latency)
    local e = summary.errors
    local failed = e.status + e.connect + e.read + e.write + e.timeout
    print(string.format('FIGURES %d %d %d %d %d', summary.requests, summary.duration,
        latency:percentile(50), latency:percentile(99), failed))
end
"
    )
}

/// One run: the cells of its row.
fn measure(server: &Server, script: &Path) -> Result<String> {
    let before = server.cpu_us()?;
    let duration = format!("-d{SECONDS}s");
    let mut wrk = program("wrk", &["-t1", "-c64", &duration, "--latency", "-s"]);
    let output = read(wrk.arg(script).arg(format!("http://{}/", server.address)))?;
    let cpu = server.cpu_us()? - before;
    let line = output
        .lines()
        .find_map(|line| line.strip_prefix("FIGURES "));
    let figures: Vec<f64> = line
        .ok_or("wrk printed no figures")?
        .split(' ')
        .map(str::parse)
        .collect::<std::result::Result<_, _>>()?;
    let [requests, us, p50, p99, failed] = figures[..] else {
        return Err("wrk printed other figures than asked for".into());
    };
    if failed > 0.0 || requests == 0.0 {
        return Err(format!("{failed} of {requests} requests failed").into());
    }
    Ok(format!(
        "{:.0} | {:.2} ms | {:.2} ms | {:.1} µs | {} MB",
        requests * 1e6 / us,
        p50 / 1e3,
        p99 / 1e3,
        cpu / requests,
        server.resident_mb()?
    ))
}

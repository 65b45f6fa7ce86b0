//! Durable writes, compared with redis-server with a sync before each answer.
//!
//! Both write values of the same size to random keys of the same number, each on disk before its answer, from one
//! sending thread. wrk runs for a time and redis-benchmark for a number of requests, which is chosen to take the same
//! time.

use std::fs;
use std::path::Path;

use super::figures::{head, pair, row};
use super::redis::Redis;
use super::server::Server;
use super::wrk::{Load, Request};
use super::{KEYS, VALUE_BYTES};
use crate::shell::{Result, program, read};

const CONNECTIONS: &[usize] = &[1, 16, 64, 256];
const SECONDS: u64 = 3;
/// Seconds of warm-up of the server at each number of connections.
const WARM: u64 = 1;

/// Measures and prints the table.
pub(super) fn writes(binary: &Path, folder: &Path) -> Result {
    let server = Server::start(binary, &folder.join("akvs"), &[])?;
    let files = folder.join("redis");
    fs::create_dir(&files)?;
    let redis = Redis::start(&files)?;
    let load = Load::new(Request::Post, folder)?;
    println!(
        "POST over {KEYS} keys of {VALUE_BYTES} B, durable, and SET with appendfsync always\n{}",
        read(&mut program("redis-server", &["--version"]))?
    );
    println!("{}", head("akvs", "redis"));
    for &connections in CONNECTIONS {
        load.run(&server, connections, WARM)?;
        let mut rate = redis.run(connections, warm_requests(connections))?.rate;
        let (ours, theirs) = pair(
            &format!("{connections} connections, akvs and redis"),
            || load.run(&server, connections, SECONDS),
            || {
                let figures = redis.run(connections, requests(rate, connections))?;
                rate = figures.rate;
                Ok(figures)
            },
        )?;
        println!("{}", row(connections, ours, theirs));
    }
    Ok(())
}

/// Enough to measure the rate, and few enough for a disk with slow syncs.
fn warm_requests(connections: usize) -> u64 {
    (connections as u64 * 200).min(20_000)
}

/// Returns the number of requests that take as long as a run of AKVS at the last rate; too low a rate invalidates no
/// run.
fn requests(rate: f64, connections: usize) -> u64 {
    ((rate * SECONDS as f64) as u64).max(warm_requests(connections))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redis_gets_as_many_requests_as_take_as_long() {
        assert_eq!(requests(10_000.0, 16), 10_000 * SECONDS);
        for rate in [0.0, f64::NAN] {
            assert_eq!(requests(rate, 16), warm_requests(16));
        }
    }

    #[test]
    fn a_slow_disk_gets_few_requests() {
        assert_eq!(warm_requests(1), 200);
        assert_eq!(warm_requests(256), 20_000);
    }
}

//! `akvs-bench soak`: a mixed load at a fixed rate for a long time; memory, descriptors and latency must stay flat.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use clap::Args as ClapArgs;

use crate::compare::KEYS;
use crate::cpu;
use crate::load::{self, Cpu, End, Load, Pace, Protocol, Template};
use crate::peers::{Akvs, VALUE_BYTES};
use crate::process::Held;
use crate::result::Result;
use crate::results::{Curve, Results, Spread};
use crate::run::RESULTS;
use crate::watchers::Watchers;

const WINDOW: f64 = 10.0;
const CONNECTIONS: usize = 64;
const WATCHERS: usize = 200;
const SOAK_KEYS: u64 = KEYS * 10;
/// The requests and their shares. Keys with a time to live are only written, so that no read misses.
const MIX: &[(u32, &str)] = &[
    (65, "GET /kv/bench/k{{key}}"),
    (15, "POST /kv/bench/k{{key}}"),
    (15, "POST /kv/bench/t{{key}}?ttl=20s"),
    (3, "GET /kv/bench?limit=100&values=true"),
    (2, "POST /kv/bench/d{{key}}"),
];
const CURVES: [&str; 5] = [
    "p99, ms",
    "memory, MiB",
    "descriptors",
    "written to disk a second, MiB",
    "changes that watchers received a second",
];
/// Memory and descriptors may grow by this much from the second quarter to the last, and by an allowance.
const GROWTH: f64 = 1.15;
/// Latencies vary more, with the disk and other work on the machine.
const SLOWER: f64 = 1.5;

/// Arguments of `akvs-bench soak`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The time in seconds
    #[arg(long, default_value_t = 600.0)]
    seconds: f64,
    /// Requests per second
    #[arg(long, default_value_t = 6_000.0)]
    rate: f64,
    /// Keep figures in this file, with those of other runs
    #[arg(long, value_name = "FILE", default_value = RESULTS)]
    results: PathBuf,
}

/// Runs the load; fails if a figure grows.
pub(crate) fn soak(program: &Path, args: &Args) -> Result {
    let folder = tempfile::Builder::new().prefix("akvs-soak").tempdir()?;
    let server = Akvs::start(program, &folder.path().join("data"), &[], &cpu::allowed()?)?;
    fill(&server)?;
    let ended = AtomicBool::new(false);
    // One key of a thousand.
    let watchers = Watchers::subscribe(server.address, "?prefix=k000001", WATCHERS)?;
    let curves = thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let watched = watchers.count_until(&ended);
            watched.map_err(|error| error.to_string())
        });
        let curves = windows(&server, args, &watchers.counter());
        ended.store(true, Ordering::Relaxed);
        watching.join().map_err(|_| "the watchers failed")??;
        curves
    })?;
    let mut results = Results::read(&args.results);
    results.curves.insert("soak".to_owned(), curves.clone());
    results.write(&args.results)?;
    let grown: Vec<String> = curves[..3].iter().filter_map(grown).collect();
    match grown.is_empty() {
        true => Ok(()),
        false => Err(format!("not flat: {}", grown.join("; ")).into()),
    }
}

fn windows(
    server: &Akvs,
    args: &Args,
    changes: &std::sync::atomic::AtomicU64,
) -> Result<Vec<Curve>> {
    let mut curves = CURVES.map(|name| Curve {
        name: name.to_owned(),
        points: Vec::new(),
    });
    let mut load = load(server)?;
    load.pace = Pace::Open {
        per_second: args.rate,
    };
    load.end = End::After {
        warm: Duration::ZERO,
        measured: Duration::from_secs_f64(WINDOW),
    };
    let mut before = server.process.held()?;
    let count = (args.seconds / WINDOW).ceil() as u64;
    for number in 1..=count {
        load.seed = number;
        let received = changes.load(Ordering::Relaxed);
        let mut held: Option<Held> = None;
        let outcome = load::run(&load, &mut || {
            // While the connections are open.
            held = Some(server.process.held()?);
            server.process.cpu()
        })?
        .checked()?;
        let held = held.ok_or("nothing was read")?;
        let received = changes.load(Ordering::Relaxed) - received;
        let values = [
            outcome.quantile_us(0.99) / 1e3,
            held.memory_kib as f64 / 1024.0,
            held.descriptors as f64,
            (held.written - before.written) as f64 / f64::from(1 << 20) / WINDOW,
            received as f64 / WINDOW,
        ];
        before = held;
        let second = number as f64 * WINDOW;
        for (curve, value) in curves.iter_mut().zip(values) {
            curve.points.push((second, value));
        }
        let [p99, memory, descriptors, written, received] = values;
        println!(
            "{second:5.0} s: {:.0} requests/s, p50 {:.2} ms, p99 {p99:.2} ms, longest {:.1} ms; {memory:.0} MiB, \
             {descriptors:.0} descriptors, {written:.1} MiB/s to disk, {received:.0} changes/s to watchers",
            outcome.rate(),
            outcome.quantile_us(0.5) / 1e3,
            outcome.quantile_us(1.0) / 1e3,
        );
    }
    Ok(curves.to_vec())
}

/// Returns how much a figure has grown, if it has: the medians of the second and of the last quarter.
fn grown(curve: &Curve) -> Option<String> {
    let quarter = curve.points.len() / 4;
    if quarter == 0 {
        return None;
    }
    let median = |from: usize| {
        let points = curve.points.iter().skip(from).take(quarter);
        Spread::of(points.map(|point| point.1)).map(|spread| spread.median)
    };
    let (early, late) = (median(quarter)?, median(curve.points.len() - quarter)?);
    let (growth, allowance) = match curve.name.as_str() {
        name if name.starts_with("memory") => (GROWTH, 16.0),
        name if name.starts_with("descriptors") => (GROWTH, 8.0),
        _ => (SLOWER, 1.0),
    };
    (late > early * growth + allowance)
        .then(|| format!("{} grew from {early:.1} to {late:.1}", curve.name))
}

/// Writes each key once.
fn fill(server: &Akvs) -> Result {
    let mut load = load(server)?;
    load.mix = vec![(100, template("POST /kv/bench/k{{key}}")?)];
    (load.keys, load.first) = (SOAK_KEYS, Some(0));
    load.end = End::Answers(SOAK_KEYS);
    load::run(&load, &mut || Ok(Cpu::default()))?.checked()?;
    Ok(())
}

fn load(server: &Akvs) -> Result<Load> {
    let mut mix = Vec::new();
    for (share, request) in MIX {
        mix.push((*share, template(request)?));
    }
    Ok(Load {
        address: server.address,
        protocol: Protocol::Http,
        connections: CONNECTIONS,
        pace: Pace::Closed { depth: 1 },
        end: End::Answers(0),
        mix,
        keys: SOAK_KEYS,
        namespaces: 1,
        first: None,
        seed: 1,
    })
}

fn template(request: &str) -> Result<Template> {
    let head = format!("{request} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    let text = match request.starts_with("POST") {
        true => format!("{head}Content-Length: {VALUE_BYTES}\r\n\r\n{{{{value}}}}"),
        false => format!("{head}\r\n"),
    };
    Template::parse(&text, VALUE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(name: &str, values: &[f64]) -> Curve {
        Curve {
            name: name.to_owned(),
            points: (1..).map(f64::from).zip(values.iter().copied()).collect(),
        }
    }

    #[test]
    fn growth_after_the_first_quarter_is_reported() {
        let flat = curve("memory, MiB", &[10.0, 200.0, 205.0, 202.0]);
        assert_eq!(grown(&flat), None);
        let leak = curve("memory, MiB", &[10.0, 200.0, 240.0, 280.0]);
        assert!(grown(&leak).unwrap().contains("from 200.0 to 280.0"));
    }

    #[test]
    fn shares_are_percent() {
        assert_eq!(MIX.iter().map(|(share, _)| share).sum::<u32>(), 100);
        for (_, request) in MIX {
            assert!(template(request).is_ok(), "{request}");
        }
    }
}

//! The tail of durable writes: a minute without a pause, in which the store flushes and compacts.
//!
//! A probe syncs a file of its own on the same disk meanwhile: a latency that the probe shares is the disk's.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::compare::KEYS;
use crate::cpu;
use crate::load::{self, End, Load, Pace};
use crate::peers::{Kind, Peer, Request, VALUE_BYTES};
use crate::result::Result;
use crate::results::{Results, Sample};

const CONNECTIONS: [usize; 2] = [64, 512];
/// More keys than in the comparison, so that compactions have something to merge.
const TAIL_KEYS: u64 = KEYS * 10;
const PROBE_BYTES: usize = 4_096;
const PROBE_PAUSE: Duration = Duration::from_millis(10);

/// Measures the tail for this time at each number of connections.
pub(crate) fn tail(program: &Path, folder: &Path, seconds: f64, results: &mut Results) -> Result {
    let all = cpu::allowed()?;
    for connections in CONNECTIONS {
        let peer = Peer::start(Kind::AkvsFsync, program, folder, &cpu::one_of(&all, 0))?;
        let set = Request::Set(VALUE_BYTES).template(peer.kind)?;
        let load = Load {
            address: peer.address,
            protocol: peer.kind.protocol(),
            connections,
            pace: Pace::Closed { depth: 1 },
            end: End::After {
                warm: Duration::from_secs(1),
                measured: Duration::from_secs_f64(seconds),
            },
            mix: vec![(100, set.ok_or("the server has no such request")?)],
            keys: TAIL_KEYS,
            namespaces: 1,
            first: None,
            seed: 1,
        };
        cpu::limit(&cpu::one_of(&all, 1))?;
        let ended = AtomicBool::new(false);
        let (outcome, slowest) = thread::scope(|scope| {
            let probe = scope.spawn(|| probe(folder, &ended));
            let outcome = load::run(&load, &mut || peer.cpu());
            ended.store(true, Ordering::Relaxed);
            (outcome, probe.join())
        });
        cpu::limit(&all)?;
        let sample = Sample::from_outcome(&outcome?.checked()?);
        let slowest = slowest.map_err(|_| "the probe failed")??;
        for (name, value) in [
            ("rate", sample.rate),
            ("p50", sample.p50),
            ("p99", sample.p99),
            ("p999", sample.p999),
            ("max", sample.max),
            ("probe-max", slowest.as_secs_f64() * 1e6),
        ] {
            let name = format!("tail-{connections}-{name}");
            eprintln!("{name}: {value:.0}");
            results.figures.insert(name, value);
        }
    }
    Ok(())
}

/// Syncs again and again; returns the longest time that it took.
fn probe(folder: &Path, ended: &AtomicBool) -> std::result::Result<Duration, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut file = File::create(folder.join("probe")).map_err(text)?;
    let mut slowest = Duration::ZERO;
    while !ended.load(Ordering::Relaxed) {
        thread::sleep(PROBE_PAUSE);
        let start = clock::now();
        file.write_all(&[7; PROBE_BYTES]).map_err(text)?;
        file.sync_data().map_err(text)?;
        slowest = slowest.max(start.elapsed());
    }
    Ok(slowest)
}

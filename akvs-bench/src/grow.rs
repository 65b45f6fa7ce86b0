//! How cost grows with the number of keys and of namespaces.
//!
//! A server with few keys and another with more and more are measured in turn. What depends on a large store
//! is measured on the way: import, export, start, disk space and memory.

use std::path::Path;
use std::time::Duration;

use rustix::thread::CpuSet;

use crate::clock;
use crate::compare::{KEYS, fill};
use crate::cpu;
use crate::load::{self, End, Load, Outcome, Pace, Protocol, Template};
use crate::peers::{Akvs, Kind, Peer, Request, VALUE_BYTES};
use crate::result::Result;
use crate::results::{Curve, Results, Sample, Spread};
use crate::transfer;

const CONNECTIONS: usize = 64;
/// The writes of a round: enough for several flushes.
const WRITES: u64 = 100_000;
const ROUNDS: usize = 3;
const NAMESPACES: [u64; 5] = [1, 10, 100, 1_000, 10_000];
const READ_TIME: Duration = Duration::from_millis(1_000);
const WARM: Duration = Duration::from_millis(300);
/// The steps to the largest number of keys.
const STEPS: [u64; 5] = [10_000, 100_000, 1_000_000, 8_000_000, 10_000_000];
/// The default of the cache in bytes.
const DEFAULT_CACHE: u64 = 256 << 20;
/// At this size the figures of a large store are taken.
const LARGE: u64 = 1_000_000;

/// Measures growth up to this number of keys.
pub(crate) fn keys(program: &Path, folder: &Path, max: u64, results: &mut Results) -> Result {
    let mut growth = Growth::start(program, folder)?;
    let measured = growth.measure(max, results);
    cpu::limit(&growth.all)?;
    measured
}

struct Growth<'a> {
    program: &'a Path,
    data: std::path::PathBuf,
    all: CpuSet,
    small: Peer,
    large: Akvs,
    keys: u64,
    curves: [Curve; 5],
}

impl<'a> Growth<'a> {
    fn start(program: &'a Path, folder: &Path) -> Result<Growth<'a>> {
        let all = cpu::allowed()?;
        let core = cpu::one_of(&all, 0);
        let small = Peer::start(Kind::AkvsFsync, program, folder, &core)?;
        fill(&small, KEYS, VALUE_BYTES)?;
        let data = folder.join("grow");
        let large = Akvs::start(program, &data, &[], &core)?;
        let names = [
            "GET/s",
            "durable POST/s",
            "durable POST/s with 10,000 keys, in the same rounds",
            "start after kill -9, ms",
            "memory, MiB",
        ];
        Ok(Growth {
            program,
            data,
            all,
            small,
            large,
            keys: 0,
            curves: names.map(|name| Curve {
                name: name.to_owned(),
                points: Vec::new(),
            }),
        })
    }

    fn measure(&mut self, max: u64, results: &mut Results) -> Result {
        cpu::limit(&cpu::one_of(&self.all, 1))?;
        let empty = self.large.process.held()?.memory_kib;
        let mut imported = Duration::ZERO;
        for count in STEPS.into_iter().filter(|&count| count <= max) {
            let took = transfer::import(self.large.address, self.keys, count)?;
            imported += took;
            let added = count - self.keys;
            self.keys = count;
            eprintln!(
                "{count} keys: imported {added} in {:.1} s",
                took.as_secs_f64()
            );
            self.large.process.settle()?;
            if count == LARGE {
                let rate = added as f64 / took.as_secs_f64();
                results.figures.insert("import-rate".to_owned(), rate);
                let (took, _) = transfer::export(self.large.address)?;
                let rate = count as f64 / took.as_secs_f64();
                results.figures.insert("export-rate".to_owned(), rate);
            }
            self.reads(empty, results)?;
            self.writes(results)?;
            self.restart(results)?;
        }
        results
            .curves
            .insert("keys".to_owned(), self.curves.to_vec());
        self.uncached(results)
    }

    /// Reads at random with a cache that is too small by the factor that the default has for 10⁷ keys.
    fn uncached(&mut self, results: &mut Results) -> Result {
        let bytes = (DEFAULT_CACHE * self.keys / 10_000_000).to_string();
        let setting = [("AKVS_ENGINE__CACHE_BYTES", bytes.as_str())];
        self.large.process.0.kill()?;
        self.large.process.0.wait()?;
        let core = cpu::one_of(&self.all, 0);
        let server = Akvs::start(self.program, &self.data, &setting, &core)?;
        server.process.settle()?;
        let mut random = self.load(Request::Get, server.address)?;
        random.end = End::After {
            warm: READ_TIME,
            measured: READ_TIME * 3,
        };
        let outcome = load::run(&random, &mut || server.process.cpu())?.checked()?;
        let sample = Sample::from_outcome(&outcome);
        for (name, value) in [
            ("uncached-keys", self.keys as f64),
            ("uncached-rate", sample.rate),
            ("uncached-p99", sample.p99),
            ("uncached-server", sample.server),
        ] {
            eprintln!("{name}: {value:.1}");
            results.figures.insert(name.to_owned(), value);
        }
        Ok(())
    }

    /// Reads all keys once, then at random.
    fn reads(&mut self, empty: u64, results: &mut Results) -> Result {
        let mut all = self.load(Request::Get, self.large.address)?;
        (all.end, all.first) = (End::Answers(self.keys), Some(0));
        load::run(&all, &mut || self.large.process.cpu())?.checked()?;
        let held = self.large.process.held()?;
        if self.keys == LARGE {
            let bytes = held.memory_kib.saturating_sub(empty) as f64 * 1024.0 / self.keys as f64;
            results.figures.insert("memory-entry".to_owned(), bytes);
        }
        let mut random = self.load(Request::Get, self.large.address)?;
        random.end = End::After {
            warm: WARM,
            measured: READ_TIME,
        };
        let rates = (0..ROUNDS).map(|_| {
            let outcome = load::run(&random, &mut || self.large.process.cpu())?.checked()?;
            Ok(outcome.rate())
        });
        let rates = rates.collect::<Result<Vec<f64>>>()?;
        self.point(0, median(rates));
        self.point(4, held.memory_kib as f64 / 1024.0);
        Ok(())
    }

    /// Writes in turn to the large store and to the small one.
    fn writes(&mut self, results: &mut Results) -> Result {
        let (mut large, mut small, mut ratios) = (vec![], vec![], vec![]);
        let (mut large_bytes, mut small_bytes) = (0, 0);
        for _ in 0..ROUNDS {
            let before = self.large.process.held()?.written;
            let many = self.write(self.large.address, self.keys)?;
            self.large.process.settle()?;
            large_bytes += self.large.process.held()?.written - before;
            let before = self.small.process.held()?.written;
            let few = self.write(self.small.address, KEYS)?;
            self.small.process.settle()?;
            small_bytes += self.small.process.held()?.written - before;
            ratios.push(many.rate() / few.rate());
            large.push(many.rate());
            small.push(few.rate());
        }
        let each = |bytes: u64| bytes as f64 / (WRITES * ROUNDS as u64) as f64;
        let mut keep = |name: String, value: f64| {
            eprintln!("{name}: {value:.2}");
            results.figures.insert(name, value);
        };
        keep(format!("post-ratio-{}", self.keys), median(ratios));
        if self.keys == LARGE {
            keep("disk-bytes-64-large".to_owned(), each(large_bytes));
            keep("disk-bytes-64".to_owned(), each(small_bytes));
        }
        self.point(1, median(large));
        self.point(2, median(small));
        Ok(())
    }

    fn write(&self, address: std::net::SocketAddr, keys: u64) -> Result<Outcome> {
        let mut load = self.load(Request::Set(VALUE_BYTES), address)?;
        load.end = End::Answers(WRITES);
        load.keys = keys;
        load::run(&load, &mut || Ok(load::Cpu::default()))?.checked()
    }

    /// Kills the server in the middle of writes, and measures the next start.
    fn restart(&mut self, results: &mut Results) -> Result {
        self.write(self.large.address, self.keys)?;
        self.large.process.0.kill()?;
        self.large.process.0.wait()?;
        let start = clock::now();
        let core = cpu::one_of(&self.all, 0);
        self.large = Akvs::start(self.program, &self.data, &[], &core)?;
        let took = start.elapsed();
        eprintln!(
            "{} keys: started in {:.0} ms",
            self.keys,
            took.as_secs_f64() * 1e3
        );
        self.point(3, took.as_secs_f64() * 1e3);
        if self.keys == LARGE {
            results
                .figures
                .insert("start-s".to_owned(), took.as_secs_f64());
        }
        Ok(())
    }

    fn point(&mut self, curve: usize, value: f64) {
        self.curves[curve].points.push((self.keys as f64, value));
    }

    fn load(&self, request: Request, address: std::net::SocketAddr) -> Result<Load> {
        let template = request.template(Kind::AkvsFsync)?;
        Ok(Load {
            address,
            protocol: Protocol::Http,
            connections: CONNECTIONS,
            pace: Pace::Closed { depth: 1 },
            end: End::Answers(0),
            mix: vec![(100, template.ok_or("the server has no such request")?)],
            keys: self.keys,
            namespaces: 1,
            first: None,
            seed: 1,
        })
    }
}

/// Measures reads and durable writes of 10,000 keys in this many namespaces.
pub(crate) fn namespaces(program: &Path, folder: &Path, results: &mut Results) -> Result {
    let all = cpu::allowed()?;
    let data = folder.join("namespaces");
    let server = Akvs::start(program, &data, &[], &cpu::one_of(&all, 0))?;
    cpu::limit(&cpu::one_of(&all, 1))?;
    let mut curves = ["GET/s", "durable POST/s"].map(|name| Curve {
        name: name.to_owned(),
        points: Vec::new(),
    });
    for count in NAMESPACES {
        let path = format!("/kv/of{count}-{{{{namespace}}}}/k{{{{key}}}}");
        let head = "HTTP/1.1\r\nHost: 127.0.0.1\r\n";
        let get = format!("GET {path} {head}\r\n");
        let post = format!("POST {path} {head}Content-Length: {VALUE_BYTES}\r\n\r\n{{{{value}}}}");
        let load = |text: &str, end: End, first: Option<u64>| -> Result<Load> {
            Ok(Load {
                address: server.address,
                protocol: Protocol::Http,
                connections: CONNECTIONS,
                pace: Pace::Closed { depth: 1 },
                end,
                mix: vec![(100, Template::parse(text, VALUE_BYTES)?)],
                keys: KEYS,
                namespaces: count,
                first,
                seed: 1,
            })
        };
        let run = |load: &Load| load::run(load, &mut || server.process.cpu())?.checked();
        run(&load(&post, End::Answers(KEYS), Some(0))?)?;
        server.process.settle()?;
        let end = End::After {
            warm: WARM,
            measured: READ_TIME,
        };
        for (text, curve) in [&get, &post].into_iter().zip(&mut curves) {
            let rates = (0..ROUNDS).map(|_| Ok(run(&load(text, end, None)?)?.rate()));
            let rate = median(rates.collect::<Result<Vec<f64>>>()?);
            eprintln!("{count} namespaces: {rate:.0} {}", curve.name);
            curve.points.push((count as f64, rate));
            server.process.settle()?;
        }
    }
    cpu::limit(&all)?;
    results
        .curves
        .insert("namespaces".to_owned(), curves.to_vec());
    Ok(())
}

/// Measures the bytes that reach the disk for each durable write of one connection to a new store.
pub(crate) fn disk_bytes(program: &Path, folder: &Path, results: &mut Results) -> Result {
    const WRITES: u64 = 10_000;
    let all = cpu::allowed()?;
    let peer = Peer::start(Kind::AkvsFsync, program, folder, &cpu::one_of(&all, 0))?;
    let template = Request::Set(VALUE_BYTES).template(peer.kind)?;
    let load = Load {
        address: peer.address,
        protocol: Protocol::Http,
        connections: 1,
        pace: Pace::Closed { depth: 1 },
        end: End::Answers(WRITES),
        mix: vec![(100, template.ok_or("the server has no such request")?)],
        keys: KEYS,
        namespaces: 1,
        first: None,
        seed: 1,
    };
    let before = peer.process.held()?.written;
    load::run(&load, &mut || peer.cpu())?.checked()?;
    peer.process.settle()?;
    let each = (peer.process.held()?.written - before) as f64 / WRITES as f64;
    eprintln!("disk-bytes-1: {each:.0}");
    results.figures.insert("disk-bytes-1".to_owned(), each);
    Ok(())
}

fn median(values: Vec<f64>) -> f64 {
    Spread::of(values.into_iter()).map_or(0.0, |spread| spread.median)
}

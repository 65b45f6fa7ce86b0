//! The comparison of AKVS with other servers: all of them in turn within each round.
//!
//! It owns the order of the runs. Other work on the machine and its disk affects neighbouring runs alike, so ratios are
//! taken within a round, and medians over the rounds.

mod case;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::thread::CpuSet;

use self::case::{Case, Cores, Style};
pub(crate) use self::case::{KEYS, cases};
use crate::cpu;
use crate::load::{self, End, Load, Pace};
use crate::peers::{self, Kind, Peer, Request, VALUE_BYTES};
use crate::result::Result;
use crate::results::{CaseResult, Results, Row, Sample, Spread};

/// The part of a run that is not measured.
const WARM: f64 = 0.3;

/// How much is measured.
pub(crate) struct Extent<'a> {
    pub(crate) program: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
}

/// Measures these cases and adds their results.
pub(crate) fn compare(extent: &Extent, selected: &[Case], results: &mut Results) -> Result {
    let all = cpu::allowed()?;
    for cores in [Cores::Pinned, Cores::Shared] {
        let cases: Vec<&Case> = selected.iter().filter(|case| case.cores == cores).collect();
        if cases.is_empty() {
            continue;
        }
        let (server, client) = match cores {
            Cores::Pinned => (cpu::one_of(&all, 0), cpu::one_of(&all, 1)),
            Cores::Shared => (all, all),
        };
        cpu::limit(&client)?;
        let measured = Comparison::new(extent, server).measure(&cases, results);
        cpu::limit(&all)?;
        measured?;
    }
    Ok(())
}

struct Comparison<'a> {
    extent: &'a Extent<'a>,
    cores: CpuSet,
    /// The servers that run, and the number and size of the values that each holds.
    peers: BTreeMap<Kind, (Peer, (u64, usize))>,
}

impl<'a> Comparison<'a> {
    fn new(extent: &'a Extent<'a>, cores: CpuSet) -> Comparison<'a> {
        Comparison {
            extent,
            cores,
            peers: BTreeMap::new(),
        }
    }

    fn measure(&mut self, cases: &[&Case], results: &mut Results) -> Result {
        for case in cases {
            let rows = case.kinds.iter().filter(|kind| is_installed(**kind));
            let rows = rows.map(|kind| Row {
                name: kind.name().to_owned(),
                samples: Vec::new(),
            });
            let result = CaseResult {
                title: case.title.clone(),
                rows: rows.collect(),
            };
            results.cases.insert(case.id.clone(), result);
        }
        for round in 1..=self.extent.rounds {
            for case in cases {
                self.round(case, results)?;
                eprintln!("round {round}: {}", line(case, results));
            }
        }
        Ok(())
    }

    fn round(&mut self, case: &Case, results: &mut Results) -> Result {
        let pace = match case.style {
            Style::Closed { depth } => Pace::Closed { depth },
            Style::Open { share, of } => match slowest(results, of) {
                Some(rate) => Pace::Open {
                    per_second: rate * share,
                },
                None => return Err(format!("{} needs {of}: measure both", case.id).into()),
            },
        };
        for kind in &case.kinds {
            let rows = results.cases.get(&case.id).map(|result| &result.rows);
            // It is not installed, or failed in an earlier round.
            if !rows.is_some_and(|rows| rows.iter().any(|row| row.name == kind.name())) {
                continue;
            }
            let measured = self.run(case, *kind, pace);
            let result = results.cases.entry(case.id.clone()).or_default();
            let name = kind.name();
            let Some(row) = result.rows.iter_mut().find(|row| row.name == name) else {
                continue;
            };
            match measured {
                Ok(sample) => row.samples.push(sample),
                Err(error) if is_ours(*kind) => {
                    return Err(format!("{}, {name}: {error}", case.id).into());
                }
                // Without all of its rounds it cannot be compared.
                Err(error) => {
                    eprintln!("LEFT OUT: {name} of {}: {error}", case.id);
                    result.rows.retain(|row| row.name != name);
                    self.peers.remove(kind);
                }
            }
        }
        Ok(())
    }

    fn run(&mut self, case: &Case, kind: Kind, pace: Pace) -> Result<Sample> {
        self.provide(kind, case)?;
        let (peer, _) = self.peers.get(&kind).ok_or("the server is missing")?;
        let mut mix = Vec::new();
        for (share, request) in &case.mix {
            let template = request.template(kind)?;
            mix.push((*share, template.ok_or("it has no such request")?));
        }
        let load = Load {
            address: peer.address,
            protocol: kind.protocol(),
            connections: case.connections,
            pace,
            end: End::After {
                warm: Duration::from_secs_f64(WARM),
                measured: Duration::from_secs_f64(self.extent.seconds),
            },
            mix,
            keys: case.keys,
            namespaces: 1,
            first: None,
            seed: 1,
        };
        let outcome = load::run(&load, &mut || peer.cpu())?.checked()?;
        // Its flushes and compactions must not slow the next server down.
        peer.process.settle()?;
        Ok(Sample::from_outcome(&outcome))
    }

    /// Starts a server if it does not run, and writes the keys of a case if it does not have them.
    fn provide(&mut self, kind: Kind, case: &Case) -> Result {
        if !self.peers.contains_key(&kind) {
            let peer = Peer::start(kind, self.extent.program, self.extent.folder, &self.cores)?;
            self.peers.insert(kind, (peer, (0, 0)));
        }
        let Some((peer, held)) = self.peers.get_mut(&kind) else {
            return Ok(());
        };
        let large = case.mix.iter().find_map(|(_, request)| match request {
            Request::Set(length) if *length > VALUE_BYTES => Some(*length),
            Request::Set(_)
            | Request::Get
            | Request::List(_)
            | Request::GetMany(_)
            | Request::Transaction(_) => None,
        });
        let needed = match large {
            // Written before they are read; the case that writes them comes first.
            Some(length) => (case.keys, length),
            None if case.keys < KEYS => (case.keys, 1 << 20),
            None => (KEYS, VALUE_BYTES),
        };
        if *held != needed {
            fill(peer, needed.0, needed.1)?;
            *held = needed;
        }
        Ok(())
    }
}

/// Writes all keys once.
pub(crate) fn fill(peer: &Peer, keys: u64, value_bytes: usize) -> Result {
    let Some(template) = Request::Set(value_bytes).template(peer.kind)? else {
        return Ok(());
    };
    // nginx and the like answer the same to everything.
    if matches!(peer.kind, Kind::Nginx | Kind::Actix) {
        return Ok(());
    }
    let load = Load {
        address: peer.address,
        protocol: peer.kind.protocol(),
        connections: 64.min(usize::try_from(keys)?),
        pace: Pace::Closed { depth: 1 },
        end: End::Answers(keys),
        mix: vec![(100, template)],
        keys,
        namespaces: 1,
        first: Some(0),
        seed: 1,
    };
    load::run(&load, &mut || peer.cpu())?.checked()?;
    peer.process.settle()
}

/// Returns whether a server can be started.
pub(crate) fn is_installed(kind: Kind) -> bool {
    kind.program()
        .is_none_or(|(name, _)| peers::find(name).is_some())
}

fn is_ours(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::AkvsFsync | Kind::AkvsInterval | Kind::AkvsMemory
    )
}

/// Returns the rate of the slowest server of a case.
fn slowest(results: &Results, case: &str) -> Option<f64> {
    let rows = &results.cases.get(case)?.rows;
    let fast = [
        Kind::AkvsFsync,
        Kind::Actix,
        Kind::Nginx,
        Kind::RedisOff,
        Kind::RedisAlways,
    ];
    let medians = rows
        .iter()
        .filter(|row| fast.iter().any(|kind| kind.name() == row.name))
        .filter_map(|row| Spread::of(row.samples.iter().map(|sample| sample.rate)))
        .map(|spread| spread.median);
    medians.min_by(f64::total_cmp)
}

/// Returns the last round of a case as a line.
fn line(case: &Case, results: &Results) -> String {
    let rows = results.cases.get(&case.id).map(|result| &result.rows);
    let cells = rows.into_iter().flatten().filter_map(|row| {
        let sample = row.samples.last()?;
        Some(format!(
            "{} {:.0}/s p99 {:.2} ms cpu {:.1}+{:.1} µs",
            row.name,
            sample.rate,
            sample.p99 / 1e3,
            sample.server,
            sample.client
        ))
    });
    format!("{}: {}", case.id, cells.collect::<Vec<_>>().join("; "))
}

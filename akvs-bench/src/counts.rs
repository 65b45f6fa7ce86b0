//! `akvs-bench counts`: instructions of the hot paths in user space, counted by callgrind and compared with a file.
//!
//! It owns what is counted and the tolerance. Time varies with the machine and its load, instructions hardly do. The
//! same server runs once with only a warm-up and once more for each path with requests of this path in addition: what
//! differs is the path. Threads are known by the functions that they call.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use clap::Args as ClapArgs;

use crate::cpu;
use crate::load::{self, Cpu, End, Load, Pace, Protocol};
use crate::peers::{Akvs, Kind, Request, VALUE_BYTES, command};
use crate::process::{Process, await_line};
use crate::result::Result;

/// Requests of each path before anything is counted.
const WARM: u64 = 128;
const KEYS: u64 = 256;
/// The operations of the transaction, which stands for a commit of many writes: the size of other commits depends on
/// the moment.
const OPERATIONS: usize = 100;
const HEAD: &str = "\
# Instructions in user space for each request, by thread; of `txn` for each of its 100 operations.
# Counted by `cargo xtask bench counts` on the cheap build of the profile `count`, which takes more instructions than a release.
# Written by `cargo xtask bench counts --write`.
";

/// Arguments of `akvs-bench counts`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// The file of the expected counts
    #[arg(long, value_name = "FILE", default_value = "akvs-bench/counts.toml")]
    expected: PathBuf,
    /// Write the counts into the file instead of comparing
    #[arg(long)]
    write: bool,
    /// How much more than expected is accepted, in percent
    #[arg(long, default_value_t = 3.0)]
    tolerance: f64,
}

/// A path that is counted.
struct Counted {
    name: &'static str,
    request: Request,
    connections: usize,
    depth: usize,
    requests: u64,
    /// By what the instructions of a request are divided.
    operations: u64,
    threads: &'static [(&'static str, &'static str)],
}

/// The threads, by what is in the names of functions that each calls; of several threads it is the busiest.
const WORKER: (&str, &str) = ("worker", "actix_http");
const COMMITTER: (&str, &str) = ("committer", "commit_group");

const COUNTED: &[Counted] = &[
    Counted {
        name: "get",
        request: Request::Get,
        connections: 64,
        depth: 1,
        requests: 2_048,
        operations: 1,
        threads: &[WORKER],
    },
    Counted {
        name: "get-pipelined",
        request: Request::Get,
        connections: 64,
        depth: 16,
        requests: 4_096,
        operations: 1,
        threads: &[WORKER],
    },
    // One connection: each commit has one write.
    Counted {
        name: "post",
        request: Request::Set(VALUE_BYTES),
        connections: 1,
        depth: 1,
        requests: 1_024,
        operations: 1,
        threads: &[WORKER, COMMITTER],
    },
    Counted {
        name: "txn",
        request: Request::Transaction(OPERATIONS),
        connections: 1,
        depth: 1,
        requests: 64,
        operations: OPERATIONS as u64,
        threads: &[WORKER, COMMITTER],
    },
];

/// Instructions by path and thread.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

/// Counts, and compares or writes.
pub(crate) fn counts(program: &Path, args: &Args) -> Result {
    let folder = tempfile::Builder::new().prefix("akvs-counts").tempdir()?;
    let counts = count(program, folder.path())?;
    if args.write {
        let text = format!("{HEAD}\n{}", toml::to_string(&counts)?);
        return Ok(fs::write(&args.expected, text)?);
    }
    let text = fs::read_to_string(&args.expected)
        .map_err(|error| format!("cannot read {}: {error}", args.expected.display()))?;
    let expected: Counts = toml::from_str(&text)?;
    let more = compared(&expected, &counts, args.tolerance);
    match more.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{}; find what was added, or accept it with `cargo xtask bench counts --write`",
            more.join(", ")
        )
        .into()),
    }
}

/// Prints each count next to the expected one; returns those that are too high.
fn compared(expected: &Counts, counts: &Counts, tolerance: f64) -> Vec<String> {
    let mut more = Vec::new();
    for (path, threads) in counts {
        for (thread, &count) in threads {
            let expected = expected.get(path).and_then(|threads| threads.get(thread));
            let Some(&expected) = expected else {
                more.push(format!("{path} has no expected count of the {thread}"));
                continue;
            };
            let percent = (count as f64 / expected as f64 - 1.0) * 100.0;
            println!("{path:14} {thread:10} {count:7} instructions, {percent:+.1} % to {expected}");
            if percent > tolerance {
                more.push(format!(
                    "{path} takes {count} instructions of the {thread}, {percent:.1} % more than {expected}"
                ));
            } else if percent < -tolerance {
                println!("  this is less: keep it with `cargo xtask bench counts --write`");
            }
        }
    }
    more
}

/// Runs the server under callgrind: with a warm-up alone, and with the requests of each path in addition.
fn count(program: &Path, folder: &Path) -> Result<Counts> {
    let all = cpu::allowed()?;
    // Two at a time, each server on a core: with more cores it could wait in another way.
    let runs: Vec<Option<&Counted>> = [None].into_iter().chain(COUNTED.iter().map(Some)).collect();
    let mut totals = Vec::new();
    for pair in runs.chunks(2) {
        let measured = thread::scope(|scope| {
            let threads: Vec<_> = (0..)
                .zip(pair)
                .map(|(core, path)| {
                    let core = cpu::one_of(&all, core);
                    let name = path.map_or("warm", |path| path.name);
                    let folder = folder.join(name);
                    scope.spawn(move || {
                        // An error is no `Send`.
                        run(program, &folder, *path, &core).map_err(|error| error.to_string())
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join())
                .collect::<Vec<_>>()
        });
        for outcome in measured {
            totals.push(outcome.map_err(|_| "a thread failed")??);
        }
    }
    let (base, rest) = totals.split_first().ok_or("nothing was counted")?;
    let mut counts = Counts::new();
    for (path, totals) in COUNTED.iter().zip(rest) {
        counts.insert(path.name.to_owned(), shares(path, base, totals)?);
    }
    Ok(counts)
}

/// Returns the instructions of a path by thread.
fn shares(path: &Counted, base: &Totals, totals: &Totals) -> Result<BTreeMap<String, u64>> {
    let mut shares = BTreeMap::new();
    for (thread, _) in path.threads {
        let both = totals.get(thread).zip(base.get(thread));
        let more = both.and_then(|(total, base)| total.checked_sub(*base));
        let more = more.ok_or_else(|| format!("{}: there is no {thread}", path.name))?;
        shares.insert(
            (*thread).to_owned(),
            more / (path.requests * path.operations),
        );
    }
    Ok(shares)
}

/// Instructions by thread.
type Totals = BTreeMap<&'static str, u64>;

fn run(
    program: &Path,
    folder: &Path,
    path: Option<&Counted>,
    core: &rustix::thread::CpuSet,
) -> Result<Totals> {
    let output = folder.join("callgrind");
    fs::create_dir_all(&output)?;
    let server = start(program, &folder.join("data"), &output, core)?;
    // Written once before it is read.
    let fill = Counted {
        name: "fill",
        request: Request::Set(VALUE_BYTES),
        connections: 1,
        depth: 1,
        requests: KEYS,
        operations: 1,
        threads: &[],
    };
    send(&server, &fill, KEYS)?;
    for path in COUNTED {
        send(&server, path, WARM.min(path.requests))?;
    }
    if let Some(path) = path {
        send(&server, path, path.requests)?;
    }
    server.process.stop()?;
    totals(&output)
}

fn start(
    program: &Path,
    data: &Path,
    output: &Path,
    core: &rustix::thread::CpuSet,
) -> Result<Akvs> {
    let inner = command(program, data, &[]);
    let mut outer = Command::new("valgrind");
    outer.args(["--quiet", "--tool=callgrind", "--separate-threads=yes"]);
    outer.arg(format!(
        "--callgrind-out-file={}",
        output.join("out").display()
    ));
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    // Otherwise each byte that a string instruction copies counts as an instruction.
    outer.env(
        "GLIBC_TUNABLES",
        "glibc.cpu.x86_rep_stosb_threshold=1048576:glibc.cpu.x86_rep_movsb_threshold=1048576",
    );
    let mut process = Process::start(outer.stderr(Stdio::piped()), core)?;
    let stderr = process.0.stderr.take().ok_or("the server has no stderr")?;
    let port = await_line(stderr, crate::peers::port_in)?;
    Ok(Akvs {
        process,
        address: ([127, 0, 0, 1], port).into(),
    })
}

fn send(server: &Akvs, path: &Counted, requests: u64) -> Result {
    let template = path.request.template(Kind::AkvsFsync)?;
    let load = Load {
        address: server.address,
        protocol: Protocol::Http,
        connections: path.connections,
        pace: Pace::Closed { depth: path.depth },
        end: End::Answers(requests),
        mix: vec![(100, template.ok_or("the server has no such request")?)],
        keys: KEYS,
        namespaces: 1,
        first: Some(0),
        seed: 1,
    };
    load::run(&load, &mut || Ok(Cpu::default()))?.checked()?;
    Ok(())
}

/// Reads the files of callgrind: one for each thread.
fn totals(folder: &Path) -> Result<Totals> {
    let mut totals = Totals::new();
    for file in fs::read_dir(folder)? {
        let bytes = fs::read(file?.path())?;
        let text = String::from_utf8_lossy(&bytes);
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let Some(total) = total else {
            continue;
        };
        let total: u64 = total.trim().parse()?;
        for (thread, function) in [WORKER, COMMITTER] {
            if text.contains(function) {
                let busiest = totals.entry(thread).or_default();
                *busiest = total.max(*busiest);
            }
        }
    }
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, thread: &str, count: u64) -> Counts {
        let threads = BTreeMap::from([(thread.to_owned(), count)]);
        BTreeMap::from([(path.to_owned(), threads)])
    }

    #[test]
    fn more_than_the_tolerance_is_reported() {
        let expected = of("get", "worker", 10_000);
        for (count, reported) in [(9_000, 0), (10_300, 0), (10_500, 1)] {
            let more = compared(&expected, &of("get", "worker", count), 4.0);
            assert_eq!(more.len(), reported, "{count}");
        }
        assert_eq!(compared(&expected, &of("post", "worker", 1), 4.0).len(), 1);
    }

    #[test]
    fn a_path_is_what_differs_from_the_warm_up() {
        let base = Totals::from([("worker", 1_000), ("committer", 100)]);
        let post = COUNTED.iter().find(|path| path.name == "post").unwrap();
        let more = |each: u64| post.requests * each;
        let totals = Totals::from([("worker", 1_000 + more(7)), ("committer", 100 + more(5))]);
        let shares = shares(post, &base, &totals).unwrap();
        assert_eq!((shares["worker"], shares["committer"]), (7, 5));
    }

    #[test]
    fn threads_are_known_by_their_functions() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("out-01", "fn=(1) main\n1 5\n\ntotals: 7000\n"),
            ("out-02", "fn=(1) actix_http::h1::decode\ntotals: 80\n"),
            ("out-03", "fn=(1) actix_http::h1::decode\ntotals: 90\n"),
            (
                "out-04",
                "fn=(1) akvs_core::commit_group::judge\ntotals: 60\n",
            ),
            ("out", "version: 1\n"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let expected = Totals::from([("worker", 90), ("committer", 60)]);
        assert_eq!(totals(folder.path()).unwrap(), expected);
    }
}

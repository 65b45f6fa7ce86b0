//! `akvs-bench run`: the parts of the measurements, and what their figures are kept in.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args as ClapArgs;

use crate::compare::{self, Extent, cases, is_installed};
use crate::peers::{Akvs, Kind};
use crate::result::Result;
use crate::results::Results;
use crate::{cpu, grow, idle, report, tail, watchers};

/// The file that keeps what was measured.
pub(crate) const RESULTS: &str = "target/bench/results.json";

/// Arguments of `akvs-bench run`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Measure only parts and cases whose names begin with this; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Measure each server of a case this often
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The time of each run in seconds
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// The time of each run of the part `tail` in seconds
    #[arg(long, default_value_t = 60.0)]
    tail_seconds: f64,
    /// Grow to this number of keys; the full run has 10000000
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// The number of watchers
    #[arg(long, default_value_t = 1_000)]
    watchers: usize,
    /// List the names of all parts and cases
    #[arg(long)]
    list: bool,
    /// Keep figures in this file, with those of earlier runs
    #[arg(long, value_name = "FILE", default_value = RESULTS)]
    results: PathBuf,
}

/// What a part needs.
struct Setup<'a> {
    args: &'a Args,
    program: &'a Path,
    folder: &'a Path,
}

/// A part that is no case of the comparison.
struct Part {
    name: &'static str,
    measure: fn(&Setup, &mut Results) -> Result,
}

const PARTS: &[Part] = &[
    Part {
        name: "watch",
        measure: watch,
    },
    Part {
        name: "idle",
        measure: |setup, results| {
            let bytes = idle::idle(setup.program, setup.folder)?;
            results.figures.insert("idle-connection".to_owned(), bytes);
            Ok(())
        },
    },
    Part {
        name: "disk",
        measure: |setup, results| grow::disk_bytes(setup.program, setup.folder, results),
    },
    Part {
        name: "namespaces",
        measure: |setup, results| grow::namespaces(setup.program, setup.folder, results),
    },
    Part {
        name: "keys",
        measure: |setup, results| grow::keys(setup.program, setup.folder, setup.args.keys, results),
    },
    Part {
        name: "tail",
        measure: |setup, results| {
            tail::tail(
                setup.program,
                setup.folder,
                setup.args.tail_seconds,
                results,
            )
        },
    },
];

/// Measures, prints and keeps.
pub(crate) fn run(program: &Path, args: &Args) -> Result {
    if args.list {
        cases().iter().for_each(|case| println!("{}", case.id));
        PARTS.iter().for_each(|part| println!("{}", part.name));
        return Ok(());
    }
    for kind in [Kind::Nginx, Kind::RedisOff, Kind::Webdis, Kind::Etcd] {
        if let (Some((name, package)), false) = (kind.program(), is_installed(kind)) {
            eprintln!("LEFT OUT: {name} is not installed (Debian package {package})");
        }
    }
    let is_selected = |name: &str| {
        args.only.is_empty() || args.only.iter().any(|only| name.starts_with(only.as_str()))
    };
    let selected: Vec<_> = cases()
        .into_iter()
        .filter(|case| is_selected(&case.id))
        .collect();
    let parts: Vec<_> = PARTS.iter().filter(|part| is_selected(part.name)).collect();
    if selected.is_empty() && parts.is_empty() {
        return Err("nothing has such a name: see --list".into());
    }
    let mut results = Results::read(&args.results);
    results.machine = machine(program)?;
    let folder = tempfile::Builder::new().prefix("akvs-bench").tempdir()?;
    let extent = Extent {
        program,
        folder: folder.path(),
        rounds: args.rounds,
        seconds: args.seconds,
    };
    let compared = compare::compare(&extent, &selected, &mut results);
    // What was measured before an error is kept.
    results.write(&args.results)?;
    compared?;
    for part in parts {
        let folder = tempfile::Builder::new()
            .prefix(part.name)
            .tempdir_in(folder.path())?;
        let setup = Setup {
            args,
            program,
            folder: folder.path(),
        };
        (part.measure)(&setup, &mut results).map_err(|error| format!("{}: {error}", part.name))?;
        results.write(&args.results)?;
    }
    println!("{}\n\n{}", results.machine, report::markdown(&results));
    Ok(())
}

fn watch(setup: &Setup, results: &mut Results) -> Result {
    idle::allow_many_files()?;
    let all = cpu::allowed()?;
    let core = cpu::one_of(&all, 0);
    let server = Akvs::start(setup.program, &setup.folder.join("watch"), &[], &core)?;
    cpu::limit(&cpu::one_of(&all, 1))?;
    let reach = watchers::watch(&server, setup.args.watchers);
    cpu::limit(&all)?;
    let reach = reach?;
    for (name, time) in [
        ("watch-answered", reach.answered),
        ("watch-all", reach.all),
        ("watch-each", reach.each),
    ] {
        eprintln!("{name}: {:.1} µs", time.as_secs_f64() * 1e6);
        results
            .figures
            .insert(name.to_owned(), time.as_secs_f64() * 1e6);
    }
    Ok(())
}

/// Describes the build and the machine that the figures depend on.
fn machine(program: &Path) -> Result<String> {
    let version = Command::new(program).arg("--version").output()?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let info = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{version}, {cores} cores ({model}), load average before: {load}"
    ))
}

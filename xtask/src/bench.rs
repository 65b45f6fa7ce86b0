//! `cargo xtask bench`: a release build under load, compared with redis-server or with a second configuration; or
//! another program that was built before.
//!
//! It owns what all parts share: the build, the description of the machine, the list of parts. It has no thresholds.
//! Servers and load generators share the machine's cores, so pairs are measured in alternation, several times, and the
//! medians are printed; the server's CPU time per request is the steadiest figure. A run with a failed request gives no
//! figures.

mod figures;
mod process;
mod reads;
mod redis;
pub(crate) mod server;
mod sizing;
mod watch;
mod writes;
mod wrk;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use cargo_metadata::MetadataCommand;
use clap::Args as ClapArgs;
use clap::builder::PossibleValuesParser;

use crate::shell::{self, Result, Tool, cargo, program, read, root, run};

const WRK: Tool = Tool {
    name: "wrk",
    without: "the benchmark cannot run",
};
const REDIS: Tool = Tool {
    name: "redis-server",
    without: "writes cannot be compared",
};
/// The number of keys, and the size of their values in bytes.
const KEYS: usize = 10_000;
const VALUE_BYTES: usize = 100;

/// A part of the benchmark.
struct Part {
    name: &'static str,
    tools: &'static [&'static Tool],
    measure: fn(binary: &Path, folder: &Path) -> Result,
}

const PARTS: &[Part] = &[
    Part {
        name: "writes",
        tools: &[&WRK, &REDIS],
        measure: writes::writes,
    },
    Part {
        name: "reads",
        tools: &[&WRK],
        measure: reads::reads,
    },
    Part {
        name: "watch",
        tools: &[],
        measure: watch::watch,
    },
    Part {
        name: "sizing",
        tools: &[],
        measure: sizing::sizing,
    },
];

/// Arguments of `cargo xtask bench`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Parts to measure; all by default
    #[arg(value_parser = PossibleValuesParser::new(PARTS.iter().map(|part| part.name)))]
    parts: Vec<String>,
    /// Measure this program instead of a new build
    #[arg(long, value_name = "PROGRAM")]
    with: Option<PathBuf>,
}

/// Builds, starts, loads, measures, prints.
pub(crate) fn bench(args: &Args) -> Result {
    let parts = select(&args.parts);
    for tool in parts.iter().flat_map(|part| part.tools) {
        if !shell::provide(tool) {
            return Err(format!("{} is missing", tool.name).into());
        }
    }
    let binary = match &args.with {
        Some(program) => fs::canonicalize(program)?,
        None => build()?,
    };
    for part in parts {
        let folder = tempfile::tempdir()?;
        println!("\n{}: {}", part.name, machine(folder.path())?);
        (part.measure)(&binary, folder.path())?;
    }
    println!("\nafterwards: load {}", load_average()?);
    Ok(())
}

/// Builds the program for release; returns its path.
fn build() -> Result<PathBuf> {
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
    Ok(metadata.target_directory.join("release/akvs").into())
}

/// Returns the parts of these names, in their own order; all if there are no names.
fn select(names: &[String]) -> Vec<&'static Part> {
    let named = |part: &&Part| names.is_empty() || names.iter().any(|name| part.name == *name);
    PARTS.iter().filter(named).collect()
}

/// Describes the machine that the figures depend on.
fn machine(folder: &Path) -> Result<String> {
    let kind = read(program("stat", &["-f", "-c", "%T"]).arg(folder))?;
    Ok(format!(
        "{} cores, load {}, data on {}",
        thread::available_parallelism()?,
        load_average()?,
        kind.trim()
    ))
}

/// Returns the load average of the last minute.
fn load_average() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Vec<&'static str> {
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        select(&asked).iter().map(|part| part.name).collect()
    }

    #[test]
    fn all_parts_are_measured_unless_some_are_named() {
        assert_eq!(names(&[]), ["writes", "reads", "watch", "sizing"]);
        assert_eq!(names(&["reads"]), ["reads"]);
        assert_eq!(names(&["reads", "writes"]), ["writes", "reads"]);
    }
}

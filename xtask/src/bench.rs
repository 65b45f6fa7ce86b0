//! `cargo xtask bench [writes] [reads] [watch] [sizing] [--with PROGRAM]`: a release build under load, beside something
//! to compare it with; or another program that was built before.
//!
//! Owns what all parts share: the build, the words about the machine, the list of parts. Owns no threshold. Servers and
//! load generators share the machine's cores, so each pair is measured in turn, several times, and medians are printed;
//! the server's CPU time per request is the steadiest figure. A run with a failed request gives no figures.

mod figures;
mod process;
mod reads;
mod redis;
pub(crate) mod server;
mod sizing;
mod watch;
mod writes;
mod wrk;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use cargo_metadata::MetadataCommand;

use crate::shell::{self, Result, Tool, cargo, program, read, root, run};

const WRK: Tool = Tool {
    name: "wrk",
    without: "nothing can be measured",
};
const REDIS: Tool = Tool {
    name: "redis-server",
    without: "there is nothing to compare writes with",
};
/// How many keys are read and written, and how large their values are, in bytes.
const KEYS: usize = 10_000;
const VALUE_BYTES: usize = 100;

/// Something to measure.
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

/// Builds, starts, loads, measures, prints: the parts named after the verb, or all.
pub(crate) fn bench() -> Result {
    let mut names: Vec<String> = env::args().skip(2).collect();
    let built = match names.iter().position(|name| name == "--with") {
        Some(at) if at + 1 < names.len() => names.drain(at..at + 2).next_back(),
        _ => None,
    };
    let parts = select(&names)?;
    for tool in parts.iter().flat_map(|part| part.tools) {
        if !shell::provide(tool) {
            return Err(format!("{} is missing", tool.name).into());
        }
    }
    let binary = match built {
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

/// Builds the program for release; where it is.
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

/// The parts of these names, in their own order; all where none is named.
fn select(names: &[String]) -> Result<Vec<&'static Part>> {
    if let Some(name) = names
        .iter()
        .find(|name| PARTS.iter().all(|part| part.name != **name))
    {
        let known: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        return Err(format!("cannot measure `{name}`, only {}", known.join(", ")).into());
    }
    let named = |part: &&Part| names.is_empty() || names.iter().any(|name| part.name == *name);
    Ok(PARTS.iter().filter(named).collect())
}

/// What figures depend on besides the programs.
fn machine(folder: &Path) -> Result<String> {
    let kind = read(program("stat", &["-f", "-c", "%T"]).arg(folder))?;
    Ok(format!(
        "{} cores, load {}, data on {}",
        thread::available_parallelism()?,
        load_average()?,
        kind.trim()
    ))
}

/// How many threads were ready to run, over the last minute.
fn load_average() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(1).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Result<Vec<&'static str>> {
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        Ok(select(&asked)?.iter().map(|part| part.name).collect())
    }

    #[test]
    fn all_is_measured_unless_parts_are_named() {
        assert_eq!(names(&[]).unwrap(), ["writes", "reads", "watch", "sizing"]);
        assert_eq!(names(&["reads"]).unwrap(), ["reads"]);
        assert_eq!(names(&["reads", "writes"]).unwrap(), ["writes", "reads"]);
    }

    #[test]
    fn an_unknown_part_is_refused_beside_a_known_one() {
        let error = names(&["reads", "rites"]).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot measure `rites`, only writes, reads, watch, sizing"
        );
    }
}

//! `cargo xtask bench`: builds AKVS and `akvs-bench`, which measures it next to other servers.
//!
//! It owns the builds and the packages of the other servers. What is measured, and how, is in `akvs-bench`.

use std::fs;
use std::path::PathBuf;

use cargo_metadata::MetadataCommand;
use clap::Args as ClapArgs;

use crate::shell::{self, Result, Tool, cargo, program, root, run, timed};

/// The other servers: program and Debian package.
const PEERS: &[(&str, &str)] = &[
    ("nginx", "nginx-light"),
    ("redis-server", "redis-server"),
    ("webdis", "webdis"),
    ("etcd", "etcd-server"),
];
/// The command where none is named.
const DEFAULT: &str = "run";
/// The command that counts instructions.
const COUNTS: &str = "counts";
/// The profile of what is counted.
const COUNTED: &str = "count";
const VALGRIND: Tool = Tool {
    name: "valgrind",
    without: "the instructions of the hot paths will NOT be counted",
};

/// Arguments of `cargo xtask bench`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Measure this program instead of a new build
    #[arg(long, value_name = "PROGRAM")]
    with: Option<PathBuf>,
    /// The command of akvs-bench and its arguments; `run` by default, `help` lists all
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds and measures.
pub(crate) fn bench(args: &Args) -> Result {
    let arguments = with_command(&args.arguments);
    let command = arguments.first().ok_or("the command is missing")?;
    if *command == DEFAULT {
        for (name, package) in PEERS {
            let without = "it is left out of the comparison";
            shell::provide_from(package, &Tool { name, without });
        }
    }
    if *command == COUNTS {
        return counts(&arguments);
    }
    let mut bench = program(build("akvs-bench")?, &[]);
    if ["run", "soak", "sizing"].contains(command) {
        let measured = match &args.with {
            Some(program) => fs::canonicalize(program)?,
            None => build("akvs")?,
        };
        bench.arg("--program").arg(measured);
    }
    run(bench.args(arguments))
}

/// Counts instructions, as a step of the checks. Without valgrind it prints a note and succeeds.
pub(crate) fn counts_if_possible() -> Result {
    match shell::provide(&VALGRIND) {
        true => timed("cargo xtask bench counts", || counts(&[COUNTS])),
        false => Ok(()),
    }
}

fn counts(arguments: &[&str]) -> Result {
    if !shell::provide(&VALGRIND) {
        return Err("valgrind is missing".into());
    }
    // Else rustix reads the kernel's own auxiliary vector, which is not that of a program under valgrind.
    let features = ["--features", "rustix/use-libc-auxv"];
    let mut counted = cargo(&["build", "--locked", "--package", "akvs", "--bin", "akvs"]);
    run(counted.args(["--profile", COUNTED]).args(features))?;
    // With the features of the whole workspace, as the tests have compiled its dependencies.
    let mut bench = cargo(&["build", "--locked", "--workspace", "--all-features"]);
    run(bench.args(["--bin", "akvs-bench"]))?;
    let target = target()?;
    let mut bench = program(target.join("debug/akvs-bench"), &["--program"]);
    run(bench.arg(target.join(COUNTED).join("akvs")).args(arguments))
}

/// Returns the arguments, which begin with a command.
fn with_command(arguments: &[String]) -> Vec<&str> {
    let named = arguments
        .first()
        .is_some_and(|first| !first.starts_with('-'));
    let default = (!named).then_some(DEFAULT);
    let arguments = arguments.iter().map(String::as_str);
    default.into_iter().chain(arguments).collect()
}

/// Builds a program for release; returns its path.
fn build(package: &str) -> Result<PathBuf> {
    // One at a time: together, each would have the features that only the other needs.
    run(&mut cargo(&[
        "build",
        "--release",
        "--locked",
        "--package",
        package,
    ]))?;
    Ok(target()?.join("release").join(package))
}

fn target() -> Result<PathBuf> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()?;
    Ok(metadata.target_directory.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Args {
        shell::parse(line).unwrap()
    }

    #[test]
    fn a_comparison_runs_unless_another_command_is_named() {
        for (line, expected) in [
            ("", "run"),
            ("--only get-64 --rounds 1", "run --only get-64 --rounds 1"),
            ("run --only get-64", "run --only get-64"),
            ("soak --seconds 60", "soak --seconds 60"),
        ] {
            let args = parse(line);
            assert_eq!(with_command(&args.arguments).join(" "), expected);
        }
    }

    #[test]
    fn another_program_is_not_passed_on() {
        let args = parse("--with target/old run --only get-64");
        assert_eq!(args.with, Some("target/old".into()));
        assert_eq!(args.arguments, ["run", "--only", "get-64"]);
    }
}

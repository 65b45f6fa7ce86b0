//! `cargo xtask fuzz [seconds]`: coverage-guided fuzzing of the parsers of requests.
//!
//! It owns how the fuzzer is built and run, not what must hold. libFuzzer needs a C++ compiler; the stable Rust
//! compiler adds the coverage by flags. Inputs of earlier runs are kept below `target/fuzz` and used again; an input
//! that breaks a property is written there and named.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use clap::Args as ClapArgs;

use crate::shell::{self, Result, Tool, cargo, on_path, program, read, root, run, timed};

/// The compiler that libFuzzer's build uses by default.
const COMPILER: &str = "c++";
const COMPILER_PACKAGE: Tool = Tool {
    name: "g++",
    without: "the parsers of requests will not be fuzzed",
};
const TARGETS: &[&str] = &["path", "query", "fields", "body"];
/// Seconds for each target as a step of the checks.
const BRIEF_SECONDS: u32 = 5;
/// libFuzzer's instrumentation: counters of edges, and the operands of comparisons.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Arguments of `cargo xtask fuzz`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Seconds for each target
    #[arg(default_value_t = 10)]
    seconds: u32,
}

/// Builds the fuzzer and runs each target for the given time.
pub(crate) fn fuzz(args: &Args) -> Result {
    run_all(args.seconds)
}

/// Runs each target briefly, as a step of the checks. Without a C++ compiler it prints a note and succeeds.
pub(crate) fn fuzz_if_possible() -> Result {
    let is_named = env::var_os("CXX").is_some();
    match is_named || on_path(COMPILER) || shell::provide(&COMPILER_PACKAGE) {
        true => timed("cargo xtask fuzz", || run_all(BRIEF_SECONDS)),
        false => Ok(()),
    }
}

fn run_all(seconds: u32) -> Result {
    let folder = root().join("target/fuzz");
    fs::create_dir_all(&folder)?;
    let fuzzer = build(&folder)?;
    for target in TARGETS {
        run_target(&fuzzer, &folder, target, seconds)?;
    }
    Ok(())
}

fn build(folder: &Path) -> Result<std::path::PathBuf> {
    // Fuzz the versions that are shipped; cargo adds the fuzzer's own.
    fs::copy(
        root().join("Cargo.lock"),
        root().join("akvs-http/fuzz/Cargo.lock"),
    )?;
    let version = read(program("rustc", &["--version", "--verbose"]).current_dir(root()))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .ok_or("rustc --version --verbose has no host")?;
    // With an explicit target the flags do not apply to build scripts, which could not be linked with them.
    let mut build = cargo(&["build", "--release", "--target", host, "--manifest-path"]);
    build.arg("akvs-http/fuzz/Cargo.toml");
    build.arg("--target-dir").arg(folder);
    run(build.env("RUSTFLAGS", COVERAGE.join(" ")))?;
    Ok(folder.join(host).join("release/akvs-fuzz"))
}

fn run_target(fuzzer: &Path, folder: &Path, target: &str, seconds: u32) -> Result {
    let corpus = folder.join("corpus").join(target);
    fs::create_dir_all(&corpus)?;
    let inputs = root().join("akvs-http/fuzz");
    let mut command: Command = program(fuzzer, &[]);
    command.env("FUZZ_TARGET", target);
    command.arg(&corpus).arg(inputs.join("seeds").join(target));
    command.arg(format!("-dict={}", inputs.join("words.dict").display()));
    command.arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/{target}-", folder.display()));
    // Also guided by partial matches of comparisons; an input that hangs is a failure.
    command.args(["-use_value_profile=1", "-timeout=5", "-max_len=4096"]);
    let output = command
        .output()
        .map_err(|error| format!("cannot start the fuzzer: {error}"))?;
    report(target, &output)
}

/// Prints the number of runs, or the input that failed.
fn report(target: &str, output: &Output) -> Result {
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let lines: Vec<&str> = stderr.lines().collect();
        let last = lines.len().saturating_sub(30);
        eprintln!("{}", lines[last..].join("\n"));
        return Err(format!("fuzzing `{target}` failed; the lines above name the input").into());
    }
    let done = stderr
        .lines()
        .rev()
        .find(|line| line.contains("DONE"))
        .ok_or("the fuzzer printed no DONE line")?;
    println!("{target:6} {}", done.trim());
    Ok(())
}

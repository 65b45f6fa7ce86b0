//! `cargo xtask fuzz [seconds]`: what is read of a request, under inputs that coverage guides.
//!
//! Owns how the fuzzer is built and run, not what must hold. It needs a C++ compiler, for libFuzzer, but no other than
//! the stable toolchain: the compiler puts the coverage in by flags. What was found in earlier runs is kept below
//! `target/fuzz` and taken up again; what breaks a promise is left there too, and named.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use clap::Args as ClapArgs;

use crate::shell::{self, Result, Tool, cargo, on_path, program, read, root, run, timed};

/// What libFuzzer's build takes, unless another one is named.
const COMPILER: &str = "c++";
const COMPILER_PACKAGE: Tool = Tool {
    name: "g++",
    without: "what is read of a request will not be fuzzed",
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

/// The same, briefly, as a step of the checks: where there is no C++ compiler, that is told, and no failure.
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
    // The versions that are shipped are the ones to fuzz; cargo adds what only the fuzzer needs.
    fs::copy(
        root().join("Cargo.lock"),
        root().join("akvs-http/fuzz/Cargo.lock"),
    )?;
    let version = read(program("rustc", &["--version", "--verbose"]).current_dir(root()))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .ok_or("rustc does not say which host it is for")?;
    // With a target named, the flags are not for build scripts, which could not be linked so.
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
    // A guided run also of comparisons that are half right; a stuck input is a failure.
    command.args(["-use_value_profile=1", "-timeout=5", "-max_len=4096"]);
    let output = command
        .output()
        .map_err(|error| format!("cannot start the fuzzer: {error}"))?;
    report(target, &output)
}

/// Tells how far it came, or what it found.
fn report(target: &str, output: &Output) -> Result {
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let lines: Vec<&str> = told.lines().collect();
        let last = lines.len().saturating_sub(30);
        eprintln!("{}", lines[last..].join("\n"));
        return Err(format!("the fuzzer broke `{target}`; the lines above name the input").into());
    }
    let done = told
        .lines()
        .rev()
        .find(|line| line.contains("DONE"))
        .ok_or("the fuzzer did not say how far it came")?;
    println!("{target:6} {}", done.trim());
    Ok(())
}

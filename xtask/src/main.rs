//! The project's own commands: `cargo xtask <command>`.
//!
//! It owns the list of commands; each is in a file of its own, with its arguments. It names none of the project's
//! crates, so that it builds and checks them even when they do not compile. Its exit code is 0 if everything that the
//! command did succeeded, 2 if the arguments are wrong and 1 otherwise.

mod bench;
mod ci;
mod dist;
mod fuzz;
mod licences;
mod openapi;
mod release;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::shell::Result;

/// The commands of the AKVS project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Install what optional tests need, then run all tests
    Test(test::Args),
    /// Run all checks: formatting, lints, docs, tidy, licences, fuzzing, tests, counts, a release
    Ci,
    /// Check layers, circles of modules, file sizes, module docs, texts and spelling
    Tidy(tidy::Args),
    /// Check the licences and sources of all dependencies against .deny.toml
    Licences,
    /// Check /openapi.json, the server against it, and clients generated from it (needs Python and npm)
    Openapi(openapi::Args),
    /// Feed paths, queries, header fields and content to the parsers (needs a C++ compiler)
    Fuzz(fuzz::Args),
    /// Measure a release build next to other servers: run, report, soak, counts, sizing
    Bench(bench::Args),
    /// Build a release below target/dist
    Dist(dist::Args),
    /// Set the version, date the changelog, run all checks, build, commit and tag
    Release(release::Args),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Some(command) => run(&command),
        None => Arguments::command().print_help().map_err(Into::into),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> Result {
    match command {
        Command::Test(args) => test::test(args),
        Command::Ci => ci::ci(),
        Command::Tidy(args) => tidy::tidy(args),
        Command::Licences => licences::licences(),
        Command::Openapi(args) => openapi::openapi(args),
        Command::Fuzz(args) => fuzz::fuzz(args),
        Command::Bench(args) => bench::bench(args),
        Command::Dist(args) => dist::dist(args),
        Command::Release(args) => release::release(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Command> {
        let words = line.split_whitespace();
        Arguments::try_parse_from(words).ok()?.command
    }

    #[test]
    fn the_commands_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn test_passes_its_arguments_on() {
        for line in [
            "--locked",
            "-p akvs-http --test api expiry",
            "-p akvs -- --nocapture",
            "-- --nocapture",
            "",
        ] {
            let Some(Command::Test(args)) = parse(&format!("xtask test {line}")) else {
                panic!("{line}");
            };
            assert_eq!(args.for_cargo().join(" "), line);
        }
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for line in [
            "rites",
            "ci fast",
            "licences all",
            "fuzz long",
            "fuzz 1 2",
            "openapi --examples 0",
            "openapi 5",
            "bench --with",
            "dist --profile",
            "dist --once",
            "dist quick",
            "dist --checks",
            "release",
            "release 1.0.0 2.0.0",
            "release 1.0.0 --plan --dry-run",
        ] {
            assert!(parse(&format!("xtask {line}")).is_none(), "{line}");
        }
    }
}

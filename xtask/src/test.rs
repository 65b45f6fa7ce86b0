//! `cargo xtask test`: all tests of all crates, from a clean checkout.
//!
//! It owns the set-up of tools from outside the Rust toolchain. It does not select or judge tests: `cargo test` does,
//! and prints the result last. The check of /openapi.json is no such test and runs first.

use clap::Args as ClapArgs;

use crate::openapi;
use crate::shell::{self, Result, Tool, cargo, run, timed};

const CURL: Tool = Tool {
    name: "curl",
    without: "the tests that run the commands of the README and docs/http-api.md will be skipped",
};

const CHROMIUM: Tool = Tool {
    name: "chromium",
    without: "the tests of the admin page in a browser (page::browser) will be skipped",
};

const GIT: Tool = Tool {
    name: "git",
    without: "the tests of `cargo xtask release` will be skipped",
};

const POSTGRES: Tool = Tool {
    name: "pg_lsclusters",
    without: "the tests of nodes over PostgreSQL (akvs-postgres) will be skipped",
};

/// Arguments of `cargo xtask test`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Arguments of `cargo test`, such as a part of the tests' names
    #[arg(allow_hyphen_values = true)]
    arguments: Vec<String>,
    /// Arguments of the test programs
    #[arg(last = true)]
    program_arguments: Vec<String>,
}

impl Args {
    /// Returns the arguments as they were typed.
    pub(crate) fn for_cargo(&self) -> Vec<&str> {
        let separator = (!self.program_arguments.is_empty()).then_some("--");
        let arguments = self.arguments.iter().map(String::as_str);
        let program_arguments = self.program_arguments.iter().map(String::as_str);
        arguments
            .chain(separator)
            .chain(program_arguments)
            .collect()
    }
}

/// Runs all tests, or those that the arguments select.
pub(crate) fn test(args: &Args) -> Result {
    run_all(&args.for_cargo())
}

/// Runs `cargo test` with these arguments, after the checks that are no tests.
pub(crate) fn run_all(arguments: &[&str]) -> Result {
    shell::provide(&CURL);
    shell::provide(&GIT);
    shell::provide(&CHROMIUM);
    shell::provide_from("postgresql", &POSTGRES);
    // Only without a selection of tests.
    if arguments.iter().all(|argument| *argument == "--locked") {
        timed("cargo xtask openapi", openapi::openapi_if_possible)?;
    }
    let mut tests = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
    run(tests.args(arguments))
}

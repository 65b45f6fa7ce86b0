//! `cargo xtask test`: all tests of all crates, from a clean checkout.
//!
//! Owns the set-up that tests need from outside the Rust toolchain. Does not choose or judge tests: `cargo test` does,
//! and its closing lines are the result. What checks the API's description is no such test, and goes before.

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

/// Runs all tests; extra arguments go to `cargo test`.
pub(crate) fn test(arguments: &[String]) -> Result {
    shell::provide(&CURL);
    shell::provide(&GIT);
    shell::provide(&CHROMIUM);
    // Who names tests wants those alone.
    if arguments.iter().all(|argument| argument == "--locked") {
        timed("cargo xtask openapi", openapi::openapi_if_possible)?;
    }
    let mut tests = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
    run(tests.args(arguments))
}

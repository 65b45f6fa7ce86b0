//! `cargo xtask test`: all tests of all crates, from a clean checkout.
//!
//! Owns the set-up that tests need from outside the Rust toolchain. Does not choose or judge tests: `cargo test` does,
//! and its closing lines are the result.

use crate::shell::{self, Result, Tool, cargo, run};

const CURL: Tool = Tool {
    name: "curl",
    without: "the test that runs the README's commands (tests/readme.rs) will be skipped",
};

/// Runs all tests; extra arguments go to `cargo test`.
pub(crate) fn test(arguments: &[String]) -> Result {
    shell::provide(&CURL);
    let mut tests = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
    run(tests.args(arguments))
}

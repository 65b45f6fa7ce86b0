//! `cargo xtask ci`: all checks that must pass before a change is merged.
//!
//! It owns the list of steps and their order, not what they check. It stops at the first failure. It needs no network
//! except the package registry.

use crate::shell::{Result, cargo, run, timed};
use crate::{bench, dist, fuzz, licences, test, tidy};

/// Runs all checks.
pub(crate) fn ci() -> Result {
    timed("cargo xtask ci", || {
        run(&mut cargo(&["fmt", "--all", "--check"]))?;
        clippy(&["--workspace", "--all-targets", "--all-features"])?;
        // Alone, because a feature that another crate enables could hide that the core needs it.
        clippy(&["--package", "akvs-core", "--no-default-features"])?;
        // Without TLS another file takes its place.
        clippy(&["--package", "akvs-client", "--no-default-features"])?;
        let mut doc = cargo(&[
            "doc",
            "--workspace",
            "--no-deps",
            "--all-features",
            "--locked",
        ]);
        run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
        timed("cargo xtask tidy", || tidy::tidy(&tidy::Args::default()))?;
        timed("cargo xtask licences", licences::licences)?;
        fuzz::fuzz_if_possible()?;
        timed("cargo xtask test", || test::run_all(&["--locked"]))?;
        bench::counts_if_possible()?;
        timed("cargo xtask dist", dist::dist_if_possible)
    })
}

fn clippy(selection: &[&str]) -> Result {
    let mut clippy = cargo(&["clippy", "--locked"]);
    run(clippy.args(selection).args(["--", "-D", "warnings"]))
}

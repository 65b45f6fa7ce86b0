//! `cargo xtask ci`: everything that must hold before a change is taken.
//!
//! Owns the list of steps and their order, not what they check. Stops at the first that fails. Needs no network but the
//! package registry.

use crate::shell::{Result, cargo, run, timed};
use crate::{dist, fuzz, licences, test, tidy};

/// Runs every check.
pub(crate) fn ci() -> Result {
    timed("cargo xtask ci", || {
        run(&mut cargo(&["fmt", "--all", "--check"]))?;
        clippy(&["--workspace", "--all-targets", "--all-features"])?;
        // Alone, because a feature that another crate turns on could hide that the core needs it.
        clippy(&["--package", "akvs-core", "--no-default-features"])?;
        // Without TLS another file stands for it.
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
        timed("cargo xtask dist", dist::dist_if_possible)
    })
}

fn clippy(selection: &[&str]) -> Result {
    let mut clippy = cargo(&["clippy", "--locked"]);
    run(clippy.args(selection).args(["--", "-D", "warnings"]))
}

//! `cargo xtask release`: from a checked tree to a commit and a tag, and the tarball built from them.
//!
//! It owns the order of the steps. Everything happens in a clone; the commit and the tag are added to the checkout only
//! after all of it succeeded. It pushes and publishes nothing. Invariant: a failed release leaves the checkout
//! unchanged, and no tag is on a commit whose checks failed. cargo-release is not used: it edits and commits in the
//! checkout itself, most of it is for publishing to a registry, and it takes six minutes of CPU time to compile.

mod changelog;
mod manifest;
mod scratch;
mod version;

use std::time::SystemTime;

use clap::Args as ClapArgs;

use self::scratch::Scratch;
use crate::dist::BuildPaths;
use crate::shell::{Result, read, run};

const CHANGELOG: &str = "CHANGELOG.md";

/// The steps of a release that are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Check the tree and show the commit, without checks and builds.
    Plan,
    /// All but the commit and the tag.
    DryRun,
    /// All.
    Full,
}

/// A version that can be released.
struct Release {
    version: String,
    tag: String,
    /// Its part of the changelog.
    notes: String,
    /// The changelog after the release.
    changelog: String,
    branch: String,
    /// The commit of the branch.
    head: String,
}

/// Arguments of `cargo xtask release`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Version to release, such as 0.2.0
    version: String,
    /// Do everything but the commit and the tag
    #[arg(long, conflicts_with = "plan")]
    dry_run: bool,
    /// Check the tree and show the version commit, without checks and builds
    #[arg(long)]
    plan: bool,
}

impl Args {
    fn mode(&self) -> Mode {
        if self.plan {
            Mode::Plan
        } else if self.dry_run {
            Mode::DryRun
        } else {
            Mode::Full
        }
    }
}

/// Releases a version.
pub(crate) fn release(args: &Args) -> Result {
    let paths = BuildPaths::current()?;
    release_in(&paths, &args.version, args.mode(), &today())
}

/// Returns the date of today, such as 2026-01-31.
#[expect(
    clippy::disallowed_methods,
    reason = "the date of a release is that of the system; the server's clock is not involved"
)]
fn today() -> String {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

fn release_in(paths: &BuildPaths, version: &str, mode: Mode, today: &str) -> Result {
    let release = prepare(paths, version, today)?;
    let scratch = Scratch::clone(paths, &release)?;
    scratch.commit(&release)?;
    println!(
        "{}",
        read(&mut scratch.paths.git(&["show", "--stat", "HEAD"]))?
    );
    if mode == Mode::Plan {
        println!(
            "planned: {} with these notes\n\n{}",
            release.tag, release.notes
        );
        return Ok(());
    }
    // Earlier checks were of another version.
    run(&mut scratch.paths.cargo(&["xtask", "ci"]))?;
    run(&mut scratch.paths.cargo(&["xtask", "dist", "--check"]))?;
    scratch.tag(&release)?;
    let (tag, branch) = (&release.tag, &release.branch);
    if mode == Mode::DryRun {
        println!("dry run: {tag} on {branch} would be created; nothing was changed");
        return Ok(());
    }
    scratch.apply(paths, &release)?;
    println!("released: {tag} is on {branch}; to publish it: git push build_info {branch} {tag}");
    Ok(())
}

/// Checks that the version can be released, as far as that is known before the build.
fn prepare(paths: &BuildPaths, version: &str, today: &str) -> Result<Release> {
    let manifest = std::fs::read_to_string(paths.checkout.join(manifest::PATH))?;
    let version = version::next(manifest::version(&manifest)?, version)?;
    let tag = format!("v{version}");
    let git = |arguments: &[&str]| -> Result<String> {
        Ok(read(&mut paths.git(arguments))?.trim().to_owned())
    };
    let branch = git(&["branch", "--show-current"])?;
    if branch.is_empty() {
        return Err("no branch is checked out: expected one to add the release to".into());
    }
    let changes = git(&["status", "--porcelain"])?;
    if !changes.is_empty() {
        return Err(format!("the checkout has uncommitted changes:\n{changes}").into());
    }
    if !git(&["tag", "--list", &tag])?.is_empty() {
        return Err(format!("tag {tag} exists").into());
    }
    let changelog = std::fs::read_to_string(paths.checkout.join(CHANGELOG))
        .map_err(|error| format!("{CHANGELOG}: {error}"))?;
    let dated = changelog::dated(&changelog, &version, today)
        .map_err(|error| format!("{CHANGELOG}: {error}"))?;
    Ok(Release {
        version,
        tag,
        notes: dated.notes,
        changelog: dated.changelog,
        branch,
        head: git(&["rev-parse", "HEAD"])?,
    })
}

#[cfg(test)]
mod tests;

//! `cargo xtask dist`: builds a release: a tarball and a Debian package with a static program, its documents and its
//! bill of materials.
//!
//! It owns the order of the steps; each step is in a file of its own. It publishes nothing and writes below
//! `target/dist`. Invariant: the same commit and toolchain give the same bytes, in any directory. cargo-dist is not used:
//! its purpose is a GitHub workflow that publishes archives and installers, and AKVS publishes nothing.

mod build;
mod build_info;
mod bundled_c;
mod checks;
mod crates;
mod deb;
mod layout;
mod notices;
mod pack;
mod paths;
mod reproducible;
mod sbom;
mod tools;

use std::fs;
use std::path::PathBuf;

use clap::Args as ClapArgs;

use self::build_info::BuildInfo;
pub(crate) use self::paths::BuildPaths;
use crate::shell::{Result, timed};

/// The target of releases: it runs on any Linux distribution.
const TARGET: &str = "x86_64-unknown-linux-musl";
/// The profile that builds fastest, only for the checks.
const QUICK: &str = "quick";

/// A release that was built.
pub(crate) struct Release {
    /// The version in Cargo.toml.
    pub(crate) version: String,
    /// The target.
    pub(crate) target: String,
    /// The directory with its files, as in the tarball.
    pub(crate) folder: PathBuf,
    /// The tarball; its checksum is in a file next to it.
    pub(crate) tarball: PathBuf,
    /// The directories of the build.
    pub(crate) paths: BuildPaths,
    /// The date of all files, in seconds since 1970.
    pub(crate) epoch: u64,
}

impl Release {
    /// Returns its name: that of its directory, and the prefix of its files' names.
    pub(crate) fn name(&self) -> String {
        name(&self.version, &self.target)
    }
}

/// Arguments of `cargo xtask dist`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Build with this cargo profile
    #[arg(long, default_value = "release")]
    profile: String,
    /// Check the release, and build it a second time to compare
    #[arg(long)]
    check: bool,
    /// Check without the second build
    #[arg(long, requires = "check")]
    once: bool,
}

/// Builds a release and packs it.
pub(crate) fn dist(args: &Args) -> Result {
    let paths = BuildPaths::current()?;
    let release = release(&paths, &args.profile)?;
    if args.check {
        checks::check(&release)?;
    }
    if args.check && !args.once {
        timed("a second build, elsewhere", || {
            reproducible::check(&release, &args.profile)
        })?;
    }
    println!("{}", release.tarball.display());
    Ok(())
}

/// Builds and checks a release quickly, as a step of the checks. Without the tools it prints a note and succeeds.
pub(crate) fn dist_if_possible() -> Result {
    if let Err(missing) = tools::provide() {
        eprintln!("skipped the check of a release: {missing}");
        return Ok(());
    }
    let release = release(&BuildPaths::current()?, QUICK)?;
    checks::check(&release)
}

/// Builds a release in these directories and packs it.
pub(crate) fn release(paths: &BuildPaths, profile: &str) -> Result<Release> {
    tools::provide()?;
    let build_info = BuildInfo::read(paths)?;
    let program = build::build(paths, &build_info, profile)?;
    let entries = layout::entries(paths, &build_info, &program)?;
    let dist = paths.target.join("dist");
    fs::create_dir_all(&dist)?;
    let name = name(&build_info.version, TARGET);
    let release = Release {
        folder: dist.join(&name),
        tarball: dist.join(format!("{name}.tar.gz")),
        version: build_info.version.clone(),
        target: TARGET.to_owned(),
        paths: paths.clone(),
        epoch: build_info.epoch,
    };
    layout::write(&release.folder, &entries)?;
    pack::write(&release.tarball, &name, &entries, build_info.epoch)?;
    let sbom = dist.join(format!("{name}.cdx.json"));
    fs::copy(release.folder.join(layout::SBOM), sbom)?;
    deb::write(&release)?;
    Ok(release)
}

fn name(version: &str, target: &str) -> String {
    format!("akvs-{version}-{target}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::parse;

    #[test]
    fn the_checks_and_the_second_build_are_optional() {
        let args = |line: &str| {
            let args: Args = parse(line).unwrap();
            (args.profile, args.check, args.once)
        };
        assert_eq!(args(""), ("release".to_owned(), false, false));
        assert_eq!(args("--check"), ("release".to_owned(), true, false));
        let quick = "--once --check --profile quick";
        assert_eq!(args(quick), ("quick".to_owned(), true, true));
    }
}

//! `cargo xtask dist`: a release as one file: a static program with what belongs to it, and what it was built from.
//!
//! Owns the order of the steps and what a release is to the checks; each step is a file beside. Publishes nothing, and
//! leaves all it makes below `target/dist`. Invariant: the same commit and tools give the same bytes, wherever the
//! checkout, the packages and the build lie.

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

use self::build_info::Origin;
pub(crate) use self::paths::Place;
use crate::shell::{Result, timed};

/// What releases run on: Linux of any kind, as nothing of it is needed but the kernel.
const TARGET: &str = "x86_64-unknown-linux-musl";
/// As cheap to build as can be: for the checks alone.
const QUICK: &str = "quick";

/// A release that was built: what its checks look at.
pub(crate) struct Release {
    /// As in Cargo.toml.
    pub(crate) version: String,
    /// What it runs on.
    pub(crate) target: String,
    /// Its files, as they are in the tarball.
    pub(crate) folder: PathBuf,
    /// The tarball; its checksum lies beside it.
    pub(crate) tarball: PathBuf,
    /// The checkout that it was built from.
    pub(crate) place: Place,
    /// The date of all its files, in seconds since 1970.
    pub(crate) epoch: u64,
}

impl Release {
    /// What its folder is called, and how the names of its files begin.
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
    let place = Place::here()?;
    let release = release(&place, &args.profile)?;
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

/// A release as a step of the whole check: quickly built, once; where the tools cannot be had, that is told, and no
/// failure.
pub(crate) fn dist_if_possible() -> Result {
    if let Err(missing) = tools::provide() {
        eprintln!("could not try a release: {missing}");
        return Ok(());
    }
    let release = release(&Place::here()?, QUICK)?;
    checks::check(&release)
}

/// Builds in a place, and packs what came of it.
pub(crate) fn release(place: &Place, profile: &str) -> Result<Release> {
    tools::provide()?;
    let origin = Origin::of(place)?;
    let program = build::build(place, &origin, profile)?;
    let parts = layout::parts(place, &origin, &program)?;
    let dist = place.target.join("dist");
    fs::create_dir_all(&dist)?;
    let name = name(&origin.version, TARGET);
    let release = Release {
        folder: dist.join(&name),
        tarball: dist.join(format!("{name}.tar.gz")),
        version: origin.version.clone(),
        target: TARGET.to_owned(),
        place: place.clone(),
        epoch: origin.epoch,
    };
    layout::write(&release.folder, &parts)?;
    pack::write(&release.tarball, &name, &parts, origin.epoch)?;
    let bill = dist.join(format!("{name}.cdx.json"));
    fs::copy(release.folder.join(layout::BILL), bill)?;
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
    fn a_release_is_checked_and_built_twice_on_request() {
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

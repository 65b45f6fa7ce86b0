//! `cargo xtask dist`: a release as one file: a static program, its documents, and the description of its build.
//!
//! It owns the order of the steps and what the checks know of a release; each step is in a file of its own. It
//! publishes nothing and writes below `target/dist`. Invariant: the same commit and tools give the same bytes, wherever
//! the checkout, the packages and the build are.

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

/// The target of releases: any Linux, as only the kernel is needed.
const TARGET: &str = "x86_64-unknown-linux-musl";
/// The profile that builds fastest, for the checks alone.
const QUICK: &str = "quick";

/// A release as its checks know it.
pub(crate) struct Release {
    /// The version in Cargo.toml.
    pub(crate) version: String,
    /// The target.
    pub(crate) target: String,
    /// Its files, as in the tarball.
    pub(crate) folder: PathBuf,
    /// The tarball; its checksum is in a file next to it.
    pub(crate) tarball: PathBuf,
    /// The checkout that it was built from.
    pub(crate) place: Place,
    /// The date of all its files, in seconds since 1970.
    pub(crate) epoch: u64,
}

impl Release {
    /// Returns the name of its folder, with which the names of its files begin.
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

/// Builds and checks a release quickly, as a step of the checks. Without the tools it prints a note and succeeds.
pub(crate) fn dist_if_possible() -> Result {
    if let Err(missing) = tools::provide() {
        eprintln!("skipped the check of a release: {missing}");
        return Ok(());
    }
    let release = release(&Place::here()?, QUICK)?;
    checks::check(&release)
}

/// Builds in a place and packs the result.
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

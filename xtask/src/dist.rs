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

use self::build_info::Origin;
pub(crate) use self::paths::Place;
use crate::shell::{Result, timed};

/// What releases run on: Linux of any kind, as nothing of it is needed but the kernel.
const TARGET: &str = "x86_64-unknown-linux-musl";
const USAGE: &str = "usage: cargo xtask dist [--profile P] [--check [--once]]";
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

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    profile: String,
    /// Whether everything about the release is checked.
    is_checked: bool,
    /// Whether a second build must give the same.
    is_built_twice: bool,
}

/// Builds a release and packs it.
pub(crate) fn dist(arguments: &[String]) -> Result {
    let wish = read_wish(arguments)?;
    let place = Place::here()?;
    let release = release(&place, &wish.profile)?;
    if wish.is_checked {
        checks::check(&release)?;
    }
    if wish.is_built_twice {
        timed("a second build, elsewhere", || {
            reproducible::check(&release, &wish.profile)
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

fn read_wish(arguments: &[String]) -> Result<Wish> {
    let mut wish = Wish {
        profile: "release".to_owned(),
        is_checked: false,
        is_built_twice: false,
    };
    let mut is_once = false;
    let mut left = arguments.iter();
    while let Some(argument) = left.next() {
        match argument.as_str() {
            "--check" => wish.is_checked = true,
            "--once" => is_once = true,
            "--profile" => wish.profile.clone_from(left.next().ok_or(USAGE)?),
            _ => return Err(USAGE.into()),
        }
    }
    if is_once && !wish.is_checked {
        return Err(USAGE.into());
    }
    wish.is_built_twice = wish.is_checked && !is_once;
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(arguments: &str) -> Result<Wish> {
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        read_wish(&arguments)
    }

    fn wished(profile: &str, is_checked: bool, is_built_twice: bool) -> Wish {
        let profile = profile.to_owned();
        Wish {
            profile,
            is_checked,
            is_built_twice,
        }
    }

    #[test]
    fn what_is_done_can_be_said() {
        assert_eq!(wish("").unwrap(), wished("release", false, false));
        assert_eq!(wish("--check").unwrap(), wished("release", true, true));
        assert_eq!(
            wish("--profile quick").unwrap(),
            wished("quick", false, false)
        );
        assert_eq!(
            wish("--once --check --profile quick").unwrap(),
            wished("quick", true, false)
        );
        for wrong in ["--profile", "--once", "quick", "--checks"] {
            assert!(wish(wrong).is_err(), "{wrong}");
        }
    }
}

//! The crates that are linked into the program: those of the target, no tools of the build.
//!
//! Owns which they are and what Cargo knows of them. Does not judge licences: `cargo xtask licences` does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

use super::{Place, TARGET};
use crate::shell::{Result, read};

/// What is linked, sorted by name and version.
pub(super) struct Crates(pub(super) Vec<Crate>);

/// A crate.
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: Option<String>,
    /// Its sources.
    pub(super) folder: PathBuf,
    /// The SHA-256 of the package that it came in; none of our own.
    pub(super) checksum: Option<String>,
    /// Those that it is linked with, by their places in the list.
    pub(super) needs: Vec<usize>,
}

impl Crates {
    /// Those of the program in a checkout.
    pub(super) fn of(place: &Place) -> Result<Crates> {
        let linked = linked(place)?;
        let checksums = checksums(&fs::read_to_string(place.checkout.join("Cargo.lock"))?)?;
        let metadata = place.metadata()?;
        let mut packages: Vec<&Package> = metadata
            .packages
            .iter()
            .filter(|package| linked.contains(&key(package)))
            .collect();
        packages.sort_by_key(|package| key(package));
        if packages.len() != linked.len() {
            return Err("cargo's tree and its metadata disagree on the crates".into());
        }
        let needs = needs(&metadata, &packages);
        let crates = packages.iter().zip(needs).map(|(package, needs)| {
            let folder = package.manifest_path.parent();
            Crate {
                name: package.name.to_string(),
                version: package.version.to_string(),
                licence: package.license.clone(),
                folder: folder.map_or_else(PathBuf::new, |folder| folder.into()),
                checksum: checksums.get(&key(package)).cloned(),
                needs,
            }
        });
        Ok(Crates(crates.collect()))
    }
}

/// Name and version: no two crates of ours have both alike.
type Key = (String, String);

fn key(package: &Package) -> Key {
    (package.name.to_string(), package.version.to_string())
}

/// As Cargo's tree tells: its metadata alone would count the features that only our tools and tests turn on.
fn linked(place: &Place) -> Result<BTreeSet<Key>> {
    let mut tree = place.cargo(&["tree", "--locked", "--package", "akvs", "--target", TARGET]);
    tree.args(["--edges", "normal,no-proc-macro", "--prefix", "none"]);
    tree.args(["--format", "{p}"]);
    Ok(read(&mut tree)?.lines().filter_map(key_in).collect())
}

/// Of a line such as `bytes v1.12.0 (*)`.
fn key_in(line: &str) -> Option<Key> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    Some((name.to_owned(), version.to_owned()))
}

/// The checksums that Cargo.lock pins.
fn checksums(lock: &str) -> Result<BTreeMap<Key, String>> {
    let lock: toml::Table = lock.parse()?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let packages = packages.ok_or("Cargo.lock lists no packages")?;
    let text = |package: &toml::Value, name: &str| -> Option<String> {
        Some(package.get(name)?.as_str()?.to_owned())
    };
    let sums = packages.iter().filter_map(|package| {
        let key = (text(package, "name")?, text(package, "version")?);
        Some((key, text(package, "checksum")?))
    });
    Ok(sums.collect())
}

fn needs(metadata: &Metadata, packages: &[&Package]) -> Vec<Vec<usize>> {
    let places: BTreeMap<&PackageId, usize> = packages
        .iter()
        .enumerate()
        .map(|(at, package)| (&package.id, at))
        .collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let mut needs = vec![Vec::new(); packages.len()];
    for node in nodes {
        let Some(&at) = places.get(&node.id) else {
            continue;
        };
        let normal = node.deps.iter().filter(|dependency| {
            let mut kinds = dependency.dep_kinds.iter();
            kinds.any(|kind| kind.kind == DependencyKind::Normal)
        });
        needs[at] = normal
            .filter_map(|dependency| places.get(&dependency.pkg).copied())
            .collect();
        needs[at].sort_unstable();
        needs[at].dedup();
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_names_a_crate() {
        let key = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(key_in("bytes v1.12.0"), key("bytes", "1.12.0"));
        assert_eq!(key_in("bytes v1.12.0 (*)"), key("bytes", "1.12.0"));
        assert_eq!(key_in("akvs v0.1.0 (a/folder)"), key("akvs", "0.1.0"));
        assert_eq!(key_in(""), None);
    }

    #[test]
    fn what_is_linked_is_what_runs_on_the_target() {
        let crates = Crates::of(&Place::here().unwrap()).unwrap();
        let find = |name: &str| crates.0.iter().find(|one| one.name == name);
        let fjall = find("fjall").unwrap();
        assert!(fjall.checksum.as_ref().is_some_and(|sum| sum.len() == 64));
        let needed: Vec<&str> = fjall
            .needs
            .iter()
            .map(|&at| crates.0[at].name.as_str())
            .collect();
        assert!(needed.contains(&"lsm-tree"), "{needed:?}");
        let ours = find("akvs").unwrap();
        assert_eq!(ours.checksum, None);
        assert!(!ours.needs.is_empty());
        // Of a macro, of the tests, of other systems, of the build.
        for other in ["serde_derive", "proptest", "windows-sys", "cc", "xtask"] {
            assert!(find(other).is_none(), "{other}");
        }
    }
}

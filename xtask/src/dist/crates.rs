//! The crates that are linked into the program: not build dependencies, procedural macros, nor crates of other targets.
//!
//! It owns their selection and what Cargo knows of them. It does not check licences: `cargo xtask licences` does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

use super::{BuildPaths, TARGET};
use crate::shell::{Result, read};

/// The linked crates, sorted by name and version.
pub(super) struct Crates(pub(super) Vec<Crate>);

/// A crate.
pub(super) struct Crate {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: Option<String>,
    /// The directory of its sources.
    pub(super) folder: PathBuf,
    /// The SHA-256 of its package; `None` for crates of the workspace.
    pub(super) checksum: Option<String>,
    /// The indices of its dependencies in the list.
    pub(super) dependencies: Vec<usize>,
}

impl Crates {
    /// Reads the crates of the program in a checkout.
    pub(super) fn read(paths: &BuildPaths) -> Result<Crates> {
        let linked = linked(paths)?;
        let checksums = checksums(&fs::read_to_string(paths.checkout.join("Cargo.lock"))?)?;
        let metadata = paths.metadata()?;
        let mut packages: Vec<&Package> = metadata
            .packages
            .iter()
            .filter(|package| linked.contains(&key(package)))
            .collect();
        packages.sort_by_key(|package| key(package));
        if packages.len() != linked.len() {
            return Err("cargo tree and cargo metadata disagree on the crates".into());
        }
        let dependencies = dependencies(&metadata, &packages);
        let crates = packages.iter().zip(dependencies);
        let crates = crates.map(|(package, dependencies)| {
            let folder = package.manifest_path.parent();
            Crate {
                name: package.name.to_string(),
                version: package.version.to_string(),
                licence: package.license.clone(),
                folder: folder.map_or_else(PathBuf::new, |folder| folder.into()),
                checksum: checksums.get(&key(package)).cloned(),
                dependencies,
            }
        });
        Ok(Crates(crates.collect()))
    }
}

/// Name and version, which identify a crate of the program.
type Key = (String, String);

fn key(package: &Package) -> Key {
    (package.name.to_string(), package.version.to_string())
}

/// Returns the linked crates by `cargo tree`: `cargo metadata` includes features that only xtask and tests enable.
fn linked(paths: &BuildPaths) -> Result<BTreeSet<Key>> {
    let mut tree = paths.cargo(&["tree", "--locked", "--package", "akvs", "--target", TARGET]);
    tree.args(["--edges", "normal,no-proc-macro", "--prefix", "none"]);
    tree.args(["--format", "{p}"]);
    Ok(read(&mut tree)?.lines().filter_map(parse_key).collect())
}

/// Parses a line such as `bytes v1.12.0 (*)`.
fn parse_key(line: &str) -> Option<Key> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    Some((name.to_owned(), version.to_owned()))
}

/// Returns the checksums in Cargo.lock.
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

/// Returns the indices of each package's linked dependencies.
fn dependencies(metadata: &Metadata, packages: &[&Package]) -> Vec<Vec<usize>> {
    let indices: BTreeMap<&PackageId, usize> = packages
        .iter()
        .enumerate()
        .map(|(index, package)| (&package.id, index))
        .collect();
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    let mut dependencies = vec![Vec::new(); packages.len()];
    for node in nodes {
        let Some(&index) = indices.get(&node.id) else {
            continue;
        };
        let normal = node.deps.iter().filter(|dependency| {
            let mut kinds = dependency.dep_kinds.iter();
            kinds.any(|kind| kind.kind == DependencyKind::Normal)
        });
        dependencies[index] = normal
            .filter_map(|dependency| indices.get(&dependency.pkg).copied())
            .collect();
        dependencies[index].sort_unstable();
        dependencies[index].dedup();
    }
    dependencies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_names_a_crate() {
        let key = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(parse_key("bytes v1.12.0"), key("bytes", "1.12.0"));
        assert_eq!(parse_key("bytes v1.12.0 (*)"), key("bytes", "1.12.0"));
        assert_eq!(parse_key("akvs v0.1.0 (a/path)"), key("akvs", "0.1.0"));
        assert_eq!(parse_key(""), None);
    }

    #[test]
    fn only_crates_of_the_target_are_linked() {
        let crates = Crates::read(&BuildPaths::current().unwrap()).unwrap();
        let find = |name: &str| crates.0.iter().find(|one| one.name == name);
        let tree = find("lsm-tree").unwrap();
        assert!(tree.checksum.as_ref().is_some_and(|sum| sum.len() == 64));
        let names: Vec<&str> = tree
            .dependencies
            .iter()
            .map(|&index| crates.0[index].name.as_str())
            .collect();
        assert!(names.contains(&"quick_cache"), "{names:?}");
        let akvs = find("akvs").unwrap();
        assert_eq!(akvs.checksum, None);
        assert!(!akvs.dependencies.is_empty());
        // A macro, a dependency of tests, of another system, of a build script, and this crate.
        for other in ["serde_derive", "proptest", "windows-sys", "cc", "xtask"] {
            assert!(find(other).is_none(), "{other}");
        }
    }
}

//! The layers of the crates: which may depend on which, as cargo sees it.
//!
//! It owns the table of layers. A crate that is not in the table is a violation. The names that a file uses within its
//! crate are for `source`.

use std::collections::BTreeSet;
use std::path::Path;

use cargo_metadata::{Dependency, DependencyKind, MetadataCommand, Package};

use super::{File, Violation};
use crate::shell::{Result, cargo, read};

/// A crate of the workspace, and the others that it may name.
struct Layer {
    name: &'static str,
    may_name: &'static [&'static str],
    tests_may_name: &'static [&'static str],
}

const LAYERS: &[Layer] = &[
    Layer {
        name: "akvs-core",
        may_name: &[],
        tests_may_name: &[],
    },
    Layer {
        name: "akvs-api",
        may_name: &["akvs-core"],
        tests_may_name: &[],
    },
    Layer {
        name: "akvs-server",
        may_name: &["akvs-core"],
        tests_may_name: &[],
    },
    Layer {
        name: "akvs-postgres",
        may_name: &["akvs-core", "akvs-server"],
        tests_may_name: &[],
    },
    Layer {
        name: "akvs-registry",
        may_name: &["akvs-core", "akvs-server"],
        tests_may_name: &[],
    },
    Layer {
        name: "akvs-http",
        may_name: &["akvs-core", "akvs-api", "akvs-server", "akvs-registry"],
        tests_may_name: &["akvs-client", "akvs-testing"],
    },
    Layer {
        name: "akvs-client",
        may_name: &["akvs-core", "akvs-api"],
        tests_may_name: &["akvs-server", "akvs-registry", "akvs-http", "akvs-testing"],
    },
    Layer {
        name: "akvs-testing",
        may_name: &[
            "akvs-core",
            "akvs-api",
            "akvs-server",
            "akvs-registry",
            "akvs-http",
            "akvs-client",
        ],
        tests_may_name: &[],
    },
    Layer {
        name: "akvs",
        may_name: &[
            "akvs-core",
            "akvs-api",
            "akvs-server",
            "akvs-registry",
            "akvs-http",
            "akvs-client",
        ],
        tests_may_name: &[],
    },
    // It sees AKVS only from outside.
    Layer {
        name: "akvs-bench",
        may_name: &[],
        tests_may_name: &[],
    },
    Layer {
        name: "xtask",
        may_name: &[],
        tests_may_name: &[],
    },
];

/// External crates by the beginning of their names, and the only crates that may depend on them outside tests.
const FOREIGN: &[(&str, &[&str])] = &[
    ("lsm-tree", &["akvs-core"]),
    (
        "actix",
        &["akvs-http", "akvs-testing", "akvs-bench", "akvs"],
    ),
    ("reqwest", &["akvs-client"]),
    ("tokio-postgres", &["akvs-postgres"]),
];

/// Crates that must not be in the dependency tree of a crate, without tests.
const TREES: &[(&[&str], &[&str])] = &[
    (
        &["akvs-core", "--no-default-features"],
        &["tokio", "actix", "reqwest", "lsm-tree"],
    ),
    (&["akvs-core"], &["tokio", "actix", "reqwest"]),
    (
        &["akvs-api", "--all-features"],
        &["tokio", "actix", "reqwest", "lsm-tree"],
    ),
    // Neither the server's crates nor cryptography that needs more than a C compiler, with any features.
    (&["akvs-client"], CLIENT),
    (&["akvs-client", "--all-features"], CLIENT),
    (&["akvs-client", "--no-default-features"], CLIENT),
    (
        &["akvs-client", "--no-default-features"],
        &["rustls", "ring"],
    ),
];

const CLIENT: &[&str] = &[
    "akvs-http",
    "akvs-registry",
    "akvs-server",
    "actix",
    "lsm-tree",
    "heed",
    "redb",
    "rocksdb",
    "rusqlite",
    "sled",
    "aws-lc",
    "cmake",
    "native-tls",
    "openssl-sys",
];

/// Checks the workspace's manifests and dependency trees.
pub(super) fn check(root: &Path, files: &[File]) -> Result<Vec<Violation>> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec()?;
    let ours: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut found = Vec::new();
    for package in &metadata.packages {
        let path = package
            .manifest_path
            .strip_prefix(&metadata.workspace_root)?;
        let text = files
            .iter()
            .find(|file| file.path == path.as_str())
            .map_or("", |file| &file.text);
        let manifest = Manifest {
            path: path.as_str(),
            text,
        };
        found.extend(manifest.check(package, &ours)?);
    }
    for (selection, banned) in TREES {
        let mut tree = cargo(&["tree", "--edges", "no-dev", "--prefix", "none", "--package"]);
        let tree = read(tree.args(*selection).current_dir(root))?;
        found.extend(in_tree(selection, banned, &tree));
    }
    Ok(found)
}

struct Manifest<'a> {
    path: &'a str,
    text: &'a str,
}

impl Manifest<'_> {
    fn check(&self, package: &Package, ours: &BTreeSet<&str>) -> Result<Vec<Violation>> {
        let mut found = Vec::new();
        let parsed: toml::Table = self.text.parse()?;
        let lints = parsed.get("lints").and_then(|lints| lints.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            found.push(self.violation("lints", "does not take the workspace's lints"));
        }
        let Some(layer) = LAYERS.iter().find(|layer| package.name == layer.name) else {
            found.push(self.violation(
                "name",
                "has no place in the table of layers (xtask/src/tidy/layers.rs)",
            ));
            return Ok(found);
        };
        let wrong = package.dependencies.iter().filter_map(|dependency| {
            let what = layer.objection(dependency, ours)?;
            Some(self.violation(&dependency.name, &what))
        });
        found.extend(wrong);
        Ok(found)
    }

    /// Returns a violation at the line that begins with the name, or at the first line.
    fn violation(&self, name: &str, what: &str) -> Violation {
        let line = self
            .text
            .lines()
            .position(|line| line.split([' ', '=', '.']).next() == Some(name));
        Violation::new(self.path, line.map_or(1, |line| line + 1), what)
    }
}

impl Layer {
    fn objection(&self, dependency: &Dependency, ours: &BTreeSet<&str>) -> Option<String> {
        let name = dependency.name.as_str();
        let test = dependency.kind == DependencyKind::Development;
        if ours.contains(name) {
            let allowed =
                self.may_name.contains(&name) || (test && self.tests_may_name.contains(&name));
            // A crate's tests may ask for its own features by naming itself.
            let itself = test && name == self.name;
            return (!allowed && !itself).then(|| {
                let whose = if test { "tests" } else { "code" };
                format!("the {whose} of {} may not name {name}", self.name)
            });
        }
        let (_, allowed) = FOREIGN
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix))?;
        (!test && !allowed.contains(&self.name))
            .then(|| format!("{name} is for {} alone", allowed.join(" and ")))
    }
}

fn in_tree(selection: &[&str], banned: &[&str], tree: &str) -> Vec<Violation> {
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let found = names
        .iter()
        .filter(|name| banned.iter().any(|banned| name.starts_with(banned)));
    found
        .map(|name| {
            let what = format!(
                "`cargo tree --edges no-dev --package {}` shows {name}",
                selection.join(" ")
            );
            Violation::new(&format!("{}/Cargo.toml", selection[0]), 1, what)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of empty crates, each with the manifest lines given.
    fn violations(crates: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let names: Vec<String> = crates.iter().map(|(name, _)| format!("{name:?}")).collect();
        write(
            "Cargo.toml",
            &format!(
                "[workspace]\nresolver = \"3\"\nmembers = [{}]\n[workspace.lints]\n",
                names.join(", ")
            ),
        );
        for (name, lines) in crates {
            let lints = match lines.contains("[lints") {
                true => "",
                false => "[lints]\nworkspace = true\n",
            };
            let package = format!("[package]\nname = \"{name}\"\n\n{lints}\n{lines}");
            write(&format!("{name}/Cargo.toml"), &package);
            write(&format!("{name}/src/lib.rs"), "//! Empty.\n");
        }
        let metadata = MetadataCommand::new()
            .current_dir(root.path())
            .no_deps()
            .exec()
            .unwrap();
        let ours: BTreeSet<&str> = metadata
            .packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        let check = |package: &Package| {
            let path = package
                .manifest_path
                .strip_prefix(&metadata.workspace_root)
                .unwrap();
            let text = std::fs::read_to_string(&package.manifest_path).unwrap();
            let manifest = Manifest {
                path: path.as_str(),
                text: &text,
            };
            manifest.check(package, &ours).unwrap()
        };
        metadata
            .packages
            .iter()
            .flat_map(check)
            .map(|violation| violation.to_string())
            .collect()
    }

    #[test]
    fn a_layer_names_only_what_lies_below() {
        let core = ("akvs-core", "");
        let below = "[dependencies]\nakvs-core = { path = \"../akvs-core\" }\n";
        assert_eq!(violations(&[core, ("akvs-server", below)]), [""; 0]);
        let above = "[dependencies]\nakvs-http = { path = \"../akvs-http\" }\n";
        let found = violations(&[("akvs-http", ""), ("akvs-server", above)]);
        assert_eq!(
            found,
            ["akvs-server/Cargo.toml:8: the code of akvs-server may not name akvs-http"]
        );
    }

    #[test]
    fn the_client_names_the_server_side_in_tests_only() {
        let http = ("akvs-http", "");
        let tests = "[dev-dependencies]\nakvs-http = { path = \"../akvs-http\" }\n";
        assert_eq!(violations(&[http, ("akvs-client", tests)]), [""; 0]);
        let code = tests.replace("dev-", "");
        assert_eq!(violations(&[http, ("akvs-client", &code)]).len(), 1);
        assert_eq!(violations(&[http, ("akvs-registry", tests)]).len(), 1);
    }

    #[test]
    fn external_crates_have_listed_users() {
        let dependency = "[dependencies]\nlsm-tree = \"3\"\n";
        assert_eq!(violations(&[("akvs-core", dependency)]), [""; 0]);
        let found = violations(&[("akvs-http", dependency)]);
        assert_eq!(
            found,
            ["akvs-http/Cargo.toml:8: lsm-tree is for akvs-core alone"]
        );
        let test = "[dev-dependencies]\nactix-web = \"4\"\n";
        assert_eq!(violations(&[("akvs-client", test)]), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_layer_is_reported() {
        let found = violations(&[("akvs-new", "")]);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].contains("no place in the table of layers"),
            "{found:?}"
        );
    }

    #[test]
    fn a_crate_inherits_the_lints() {
        let found = violations(&[("akvs-core", "")]);
        assert_eq!(found, [""; 0]);
        let found = violations(&[("akvs-core", "[lints.rust]\nmissing_docs = \"warn\"\n")]);
        assert_eq!(
            found,
            ["akvs-core/Cargo.toml:1: does not take the workspace's lints"]
        );
    }

    #[test]
    fn a_banned_dependency_is_found_in_the_tree() {
        let tree = "akvs-core v0.1.0 (here)\nbytes v1.0.0\ntokio-util v1.0.0 (*)\n";
        assert_eq!(in_tree(&["akvs-core"], &["tokio"], tree).len(), 1);
        assert_eq!(in_tree(&["akvs-core"], &["lsm-tree"], tree), []);
    }
}

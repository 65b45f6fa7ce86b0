//! The version in the manifest of the workspace, which all crates inherit.
//!
//! It owns the position of the version. It does not own `Cargo.lock`. Invariant: it changes only the version, and
//! keeps comments and order.

use std::ops::Range;

use crate::shell::Result;

/// The path of the manifest.
pub(super) const PATH: &str = "Cargo.toml";
const TABLE: &str = "[workspace.package]";
const KEY: &str = "version = \"";

/// Returns the version.
pub(super) fn version(manifest: &str) -> Result<&str> {
    Ok(&manifest[version_range(manifest)?])
}

/// Returns the manifest with another version.
pub(super) fn with_version(manifest: &str, version: &str) -> Result<String> {
    let range = version_range(manifest)?;
    Ok([&manifest[..range.start], version, &manifest[range.end..]].concat())
}

/// Returns the position of the version.
fn version_range(manifest: &str) -> Result<Range<usize>> {
    let missing = || format!("{PATH} has no version in {TABLE}");
    let table = manifest.find(TABLE).ok_or_else(missing)?;
    let rest = &manifest[table + TABLE.len()..];
    // The next table begins with a bracket.
    let rest = &rest[..rest.find("\n[").unwrap_or(rest.len())];
    let line = format!("\n{KEY}");
    let begin = table + TABLE.len() + rest.find(&line).ok_or_else(missing)? + line.len();
    let length = manifest[begin..].find('"').ok_or_else(missing)?;
    Ok(begin..begin + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_version_changes() {
        let manifest = "[package]\nversion = \"9\"\n[workspace.package]\nrust-version = \"1\"\nversion = \"0.1.0\" # x\n[a]\nversion = \"8\"\n";
        assert_eq!(version(manifest).unwrap(), "0.1.0");
        let changed = with_version(manifest, "0.2.0-rc.1").unwrap();
        assert_eq!(changed, manifest.replace("0.1.0", "0.2.0-rc.1"));
    }

    #[test]
    fn the_version_of_another_table_is_ignored() {
        for other in [
            "",
            "[package]\nversion = \"1\"\n",
            "[workspace.package]\n[a]\nversion = \"1\"\n",
        ] {
            assert!(version(other).is_err(), "{other}");
        }
    }

    #[test]
    fn the_version_of_this_workspace_is_found() {
        let manifest = std::fs::read_to_string(crate::shell::root().join(PATH)).unwrap();
        assert!(semver::Version::parse(version(&manifest).unwrap()).is_ok());
    }
}

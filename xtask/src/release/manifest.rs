//! The version in the workspace's manifest, which all crates take theirs from.
//!
//! Changes that line alone: comments and order are their writers'. `Cargo.lock` is Cargo's.

use crate::shell::Result;

/// The manifest.
pub(super) const PATH: &str = "Cargo.toml";
const PART: &str = "[workspace.package]";
const KEY: &str = "version = \"";

/// The version that it has.
pub(super) fn version(manifest: &str) -> Result<&str> {
    let (begin, end) = place(manifest)?;
    Ok(&manifest[begin..end])
}

/// The manifest with another version.
pub(super) fn with_version(manifest: &str, version: &str) -> Result<String> {
    let (begin, end) = place(manifest)?;
    Ok([&manifest[..begin], version, &manifest[end..]].concat())
}

/// From where to where the version stands.
fn place(manifest: &str) -> Result<(usize, usize)> {
    let nowhere = || format!("{PATH} has no version in {PART}");
    let part = manifest.find(PART).ok_or_else(nowhere)?;
    let rest = &manifest[part + PART.len()..];
    // Of this part: the next begins with a bracket.
    let rest = &rest[..rest.find("\n[").unwrap_or(rest.len())];
    let line = format!("\n{KEY}");
    let begin = part + PART.len() + rest.find(&line).ok_or_else(nowhere)? + line.len();
    let length = manifest[begin..].find('"').ok_or_else(nowhere)?;
    Ok((begin, begin + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_changes() {
        let manifest = "[package]\nversion = \"9\"\n[workspace.package]\nrust-version = \"1\"\nversion = \"0.1.0\" # x\n[a]\nversion = \"8\"\n";
        assert_eq!(version(manifest).unwrap(), "0.1.0");
        let changed = with_version(manifest, "0.2.0-rc.1").unwrap();
        assert_eq!(changed, manifest.replace("0.1.0", "0.2.0-rc.1"));
    }

    #[test]
    fn another_part_s_version_is_not_taken() {
        for other in [
            "",
            "[package]\nversion = \"1\"\n",
            "[workspace.package]\n[a]\nversion = \"1\"\n",
        ] {
            assert!(version(other).is_err(), "{other}");
        }
    }

    #[test]
    fn ours_is_found() {
        let ours = std::fs::read_to_string(crate::shell::root().join(PATH)).unwrap();
        assert!(semver::Version::parse(version(&ours).unwrap()).is_ok());
    }
}

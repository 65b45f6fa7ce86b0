//! The layout of a release: path, mode and content of each entry.
//!
//! It owns the paths. The contents are from the checkout, from the program and from the modules next to this one.
//! Invariants: entries are sorted by path; pages have the same paths as in the checkout, so that their links work in
//! both.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::build_info::BuildInfo;
use super::crates::Crates;
use super::{BuildPaths, notices, sbom};
use crate::shell::{Result, program, read as output};

/// The bill of materials.
pub(super) const SBOM: &str = "share/doc/akvs.cdx.json";
/// The program.
pub(super) const PROGRAM: &str = "bin/akvs";

/// Files of the checkout and their paths in a release. A path with a trailing slash is a directory with its files, but
/// without subdirectories; it may be missing.
const FROM_CHECKOUT: &[(&str, &str)] = &[
    ("config/akvs.toml", "config/akvs.toml"),
    ("README.md", "README.md"),
    ("CHANGELOG.md", "CHANGELOG.md"),
    ("CONTRIBUTING.md", "CONTRIBUTING.md"),
    ("docs/", "docs/"),
    ("docs/adr/", "docs/adr/"),
    ("packaging/systemd/", "share/systemd/"),
    ("packaging/container/", "share/container/"),
];

/// Commands of the program, and the files that have their output.
const FROM_PROGRAM: &[(&[&str], &str)] = &[
    (&["man"], "share/man/man1/akvs.1"),
    (&["completions", "bash"], "share/completions/akvs.bash"),
    (&["completions", "zsh"], "share/completions/_akvs"),
    (&["completions", "fish"], "share/completions/akvs.fish"),
];

const LICENCES: &[(&str, &str)] = &[
    ("MIT", "LICENSE-MIT"),
    ("Apache License, Version 2.0", "LICENSE-APACHE"),
];

/// The data directory of a container: the image has no program that could create it.
const EMPTY: &str = "share/container/data/";

/// A file of a release, or an empty directory, whose path has a trailing slash.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Relative to the release's directory.
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

impl Entry {
    /// Returns a file with the mode 644.
    pub(super) fn file(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Entry {
        Entry {
            path: path.into(),
            mode: 0o644,
            bytes: bytes.into(),
        }
    }

    pub(super) fn is_dir(&self) -> bool {
        self.path.ends_with('/')
    }
}

/// Returns all entries of a release.
pub(super) fn entries(
    paths: &BuildPaths,
    build_info: &BuildInfo,
    akvs: &Path,
) -> Result<Vec<Entry>> {
    let crates = Crates::read(paths)?;
    let bytes = fs::read(akvs)?;
    let sbom = sbom::sbom(&crates, build_info, &bytes)?;
    let rust_notices = notices::standard_library()?;
    let mut entries = vec![
        Entry {
            path: PROGRAM.to_owned(),
            mode: 0o755,
            bytes,
        },
        Entry::file("LICENSE", licence(&paths.checkout)?),
        Entry::file("share/doc/THIRD-PARTY.txt", notices::notices(&crates)?),
        Entry::file("share/doc/THIRD-PARTY-RUST.html", rust_notices),
        Entry::file(SBOM, sbom),
        Entry::file(EMPTY, ""),
    ];
    for (from, to) in FROM_CHECKOUT {
        entries.extend(from_checkout(&paths.checkout, from, to)?);
    }
    for (arguments, to) in FROM_PROGRAM {
        entries.push(Entry::file(*to, output(&mut program(akvs, arguments))?));
    }
    entries.sort();
    Ok(entries)
}

fn from_checkout(checkout: &Path, from: &str, to: &str) -> Result<Vec<Entry>> {
    match from.ends_with('/') && !checkout.join(from).is_dir() {
        true => Ok(Vec::new()),
        false => read(checkout, from, to),
    }
}

/// Reads a file, or all files of a directory, whose path has a trailing slash, as entries with other paths.
pub(super) fn read(folder: &Path, from: &str, to: &str) -> Result<Vec<Entry>> {
    let path = folder.join(from);
    let named = |error| format!("{from}: {error}");
    if !from.ends_with('/') {
        return Ok(vec![Entry::file(to, fs::read(&path).map_err(named)?)]);
    }
    let mut entries = Vec::new();
    for file in fs::read_dir(path).map_err(named)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if file.file_type()?.is_file() {
            entries.push(Entry::file(format!("{to}{name}"), fs::read(file.path())?));
        }
    }
    Ok(entries)
}

/// Returns both licences as one file.
fn licence(checkout: &Path) -> Result<String> {
    let mut text = "AKVS is licensed under either of the following, as you choose.\n".to_owned();
    text.push_str("Third-party notices are in share/doc/THIRD-PARTY.txt.\n");
    for (name, file) in LICENCES {
        let licence = fs::read_to_string(checkout.join(file))?;
        text.push_str(&format!("\n{}\n{name}\n\n", "=".repeat(79)));
        text.push_str(licence.trim_matches('\n'));
        text.push('\n');
    }
    Ok(text)
}

/// Replaces a directory with these entries.
pub(super) fn write(folder: &Path, entries: &[Entry]) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for entry in entries {
        let path = folder.join(&entry.path);
        if entry.is_dir() {
            fs::create_dir_all(&path)?;
            continue;
        }
        fs::create_dir_all(path.parent().ok_or("an entry without a directory")?)?;
        fs::write(&path, &entry.bytes)?;
        // The mode must not depend on the umask.
        fs::set_permissions(&path, fs::Permissions::from_mode(entry.mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::root;

    #[test]
    fn the_licence_file_has_both_texts() {
        let text = licence(&root()).unwrap();
        for (name, file) in LICENCES {
            let licence = fs::read_to_string(root().join(file)).unwrap();
            assert!(text.contains(licence.trim_matches('\n')), "{file}");
            assert!(text.contains(&format!("\n{name}\n")), "{name}");
        }
        assert!(text.contains("either"));
    }

    #[test]
    fn the_links_between_the_pages_lead_to_entries_of_a_release() {
        let read = |(from, to): &(&str, &str)| from_checkout(&root(), from, to).unwrap();
        let entries: Vec<Entry> = FROM_CHECKOUT.iter().flat_map(read).collect();
        let mut links = 0;
        let is_page = |entry: &&Entry| entry.path.ends_with(".md");
        for page in entries.iter().filter(is_page) {
            let text = String::from_utf8(page.bytes.clone()).unwrap();
            let folder = Path::new(&page.path).parent().unwrap();
            for target in text.split("](").skip(1) {
                let target = target.split([')', '#']).next().unwrap();
                if target.is_empty() || target.starts_with("http") {
                    continue;
                }
                let linked = without_parents(&folder.join(target));
                let exists = entries.iter().any(|entry| entry.path == linked);
                assert!(
                    exists,
                    "{} links to {linked}, which is not packed",
                    page.path
                );
                links += 1;
            }
        }
        assert!(links > 40, "{links} links");
    }

    /// Resolves the `..` of a path.
    fn without_parents(path: &Path) -> String {
        let mut names: Vec<&str> = Vec::new();
        for name in path.to_str().unwrap().split('/') {
            match name {
                ".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        names.join("/")
    }

    #[test]
    fn a_missing_directory_has_no_files_and_a_missing_file_is_an_error() {
        let checkout = tempfile::tempdir().unwrap();
        assert_eq!(from_checkout(checkout.path(), "docs/", "x/").unwrap(), []);
        let missing = from_checkout(checkout.path(), "README.md", "README.md");
        assert!(missing.unwrap_err().to_string().starts_with("README.md: "));

        fs::create_dir_all(checkout.path().join("docs/below")).unwrap();
        fs::write(checkout.path().join("docs/a.md"), "A").unwrap();
        let entries = from_checkout(checkout.path(), "docs/", "share/doc/").unwrap();
        assert_eq!(entries, [Entry::file("share/doc/a.md", "A")]);
    }

    #[test]
    fn a_directory_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("staged");
        let mut entry = Entry::file("a/b", "1");
        entry.mode = 0o755;
        write(&folder, &[Entry::file("old", "0")]).unwrap();
        write(&folder, &[entry, Entry::file("c/d/", "")]).unwrap();
        assert!(folder.join("c/d").is_dir());
        assert!(!folder.join("old").exists());
        let found = fs::metadata(folder.join("a/b")).unwrap();
        assert_eq!(found.permissions().mode() & 0o7777, 0o755);
    }
}

//! The parts of a release: each one's path, mode and bytes.
//!
//! Owns the layout. The contents come from the checkout, from the program itself and from the modules next to this one.
//! Invariants: the parts are sorted by path, and what is staged is what is packed; the pages are at the same places as
//! in the checkout, so that their links work in both.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::build_info::Origin;
use super::crates::Crates;
use super::{Place, notices, sbom};
use crate::shell::{Result, program, read};

/// The bill of materials.
pub(super) const BILL: &str = "share/doc/akvs.cdx.json";
/// The program.
pub(super) const PROGRAM: &str = "bin/akvs";

/// Files of the checkout, and their places in a release. A folder is taken with its files, without the folders in it;
/// a folder that does not exist has none.
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

/// What the program says of itself.
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

/// What becomes the folder of the data in a container, where nothing can make one.
const EMPTY: &str = "share/container/data/";

/// A file of a release, or a folder with nothing in it, whose path ends with `/`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// Below the release's folder, with `/` between its parts.
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

impl Part {
    /// A file that all may read and none may run.
    pub(super) fn text(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Part {
        Part {
            path: path.into(),
            mode: 0o644,
            bytes: bytes.into(),
        }
    }

    pub(super) fn is_folder(&self) -> bool {
        self.path.ends_with('/')
    }
}

/// All parts of a release.
pub(super) fn parts(place: &Place, origin: &Origin, akvs: &Path) -> Result<Vec<Part>> {
    let crates = Crates::of(place)?;
    let bytes = fs::read(akvs)?;
    let bill = sbom::bill(&crates, origin, &bytes)?;
    let mut parts = vec![
        Part {
            path: PROGRAM.to_owned(),
            mode: 0o755,
            bytes,
        },
        Part::text("LICENSE", licence(&place.checkout)?),
        Part::text("share/doc/THIRD-PARTY.txt", notices::notices(&crates)?),
        Part::text("share/doc/THIRD-PARTY-RUST.html", notices::of_rust()?),
        Part::text(BILL, bill),
        Part::text(EMPTY, ""),
    ];
    for (from, to) in FROM_CHECKOUT {
        parts.extend(from_checkout(&place.checkout, from, to)?);
    }
    for (arguments, to) in FROM_PROGRAM {
        parts.push(Part::text(*to, read(&mut program(akvs, arguments))?));
    }
    parts.sort();
    Ok(parts)
}

fn from_checkout(checkout: &Path, from: &str, to: &str) -> Result<Vec<Part>> {
    match from.ends_with('/') && !checkout.join(from).is_dir() {
        true => Ok(Vec::new()),
        false => taken(checkout, from, to),
    }
}

/// What a folder has at a path, for another: a file, or all files of a folder, whose path ends with a slash.
pub(super) fn taken(folder: &Path, from: &str, to: &str) -> Result<Vec<Part>> {
    let path = folder.join(from);
    let named = |error| format!("{from}: {error}");
    if !from.ends_with('/') {
        return Ok(vec![Part::text(to, fs::read(&path).map_err(named)?)]);
    }
    let mut parts = Vec::new();
    for entry in fs::read_dir(path).map_err(named)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_file() {
            parts.push(Part::text(format!("{to}{name}"), fs::read(entry.path())?));
        }
    }
    Ok(parts)
}

/// Both licences in one file, as people look for one.
fn licence(checkout: &Path) -> Result<String> {
    let mut text = "AKVS is licensed under either of the following, as you choose.\n".to_owned();
    text.push_str("What it contains of others is in share/doc/THIRD-PARTY.txt.\n");
    for (name, file) in LICENCES {
        let licence = fs::read_to_string(checkout.join(file))?;
        text.push_str(&format!("\n{}\n{name}\n\n", "=".repeat(79)));
        text.push_str(licence.trim_matches('\n'));
        text.push('\n');
    }
    Ok(text)
}

/// Writes the parts into a folder that holds nothing else afterwards.
pub(super) fn write(folder: &Path, parts: &[Part]) -> Result {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for part in parts {
        let path = folder.join(&part.path);
        if part.is_folder() {
            fs::create_dir_all(&path)?;
            continue;
        }
        fs::create_dir_all(path.parent().ok_or("a part without a folder")?)?;
        fs::write(&path, &part.bytes)?;
        // Whoever builds may have chosen another mask.
        fs::set_permissions(&path, fs::Permissions::from_mode(part.mode))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::root;

    #[test]
    fn the_licence_is_both_texts_at_choice() {
        let text = licence(&root()).unwrap();
        for (name, file) in LICENCES {
            let whole = fs::read_to_string(root().join(file)).unwrap();
            assert!(text.contains(whole.trim_matches('\n')), "{file}");
            assert!(text.contains(&format!("\n{name}\n")), "{name}");
        }
        assert!(text.contains("either"));
    }

    #[test]
    fn the_links_between_the_pages_lead_to_parts_of_a_release() {
        let taken = |(from, to): &(&str, &str)| from_checkout(&root(), from, to).unwrap();
        let parts: Vec<Part> = FROM_CHECKOUT.iter().flat_map(taken).collect();
        let mut links = 0;
        for page in parts.iter().filter(|part| part.path.ends_with(".md")) {
            let text = String::from_utf8(page.bytes.clone()).unwrap();
            let folder = Path::new(&page.path).parent().unwrap();
            for target in text.split("](").skip(1) {
                let target = target.split([')', '#']).next().unwrap();
                if target.is_empty() || target.starts_with("http") {
                    continue;
                }
                let linked = without_parents(&folder.join(target));
                let exists = parts.iter().any(|part| part.path == linked);
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

    /// A path without `..`, each of which takes away the folder before it.
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
    fn a_folder_that_is_not_there_has_no_files_but_a_file_must_be() {
        let checkout = tempfile::tempdir().unwrap();
        assert_eq!(from_checkout(checkout.path(), "docs/", "x/").unwrap(), []);
        let missing = from_checkout(checkout.path(), "README.md", "README.md");
        assert!(missing.unwrap_err().to_string().starts_with("README.md: "));

        fs::create_dir_all(checkout.path().join("docs/below")).unwrap();
        fs::write(checkout.path().join("docs/a.md"), "A").unwrap();
        let parts = from_checkout(checkout.path(), "docs/", "share/doc/").unwrap();
        assert_eq!(parts, [Part::text("share/doc/a.md", "A")]);
    }

    #[test]
    fn a_folder_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("staged");
        let mut part = Part::text("a/b", "1");
        part.mode = 0o755;
        write(&folder, &[Part::text("old", "0")]).unwrap();
        write(&folder, &[part, Part::text("c/d/", "")]).unwrap();
        assert!(folder.join("c/d").is_dir());
        assert!(!folder.join("old").exists());
        let found = fs::metadata(folder.join("a/b")).unwrap();
        assert_eq!(found.permissions().mode() & 0o7777, 0o755);
    }
}

//! The third-party notices: the licence texts of all libraries in the program, each text once.
//!
//! It owns where the texts are found. A crate without a text gets the standard text of the licence that it states.
//! Libraries that are not crates (musl, the standard library) are included. cargo-about is not used: it knows crates
//! only, so that the notices of musl and the standard library would remain here, and takes three minutes of CPU time to
//! compile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use spdx::{Expression, ParseMode};

use super::crates::{Crate, Crates};
use crate::shell::{Result, program, read};

/// Prefixes of the files' names, in lower case.
const NAMES: &[&str] = &["licen", "copying", "copyright", "notice", "unlicen"];
/// The depth of bundled C below a crate's directory.
const DEPTH: usize = 4;
/// Directories whose code is not compiled.
const NOT_COMPILED: &[&str] = &["tests", "benches", "examples", "fuzz", "doc", "docs", "v2"];
const MUSL: &str = include_str!("../../notices/musl.txt");
const HEAD: &str = "\
AKVS contains the libraries below, under the licences below. If a library offers a choice of licences, all are included.
The Rust standard library's own notices are in THIRD-PARTY-RUST.html.
";

/// Returns the notices of all crates from outside the workspace, and of musl.
pub(super) fn notices(crates: &Crates) -> Result<String> {
    // Compared by words: many crates have the same text with other line breaks.
    let mut texts: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for one in crates.0.iter().filter(|one| one.checksum.is_some()) {
        for text in texts_of(one)? {
            let group = texts.entry(words(&text));
            let (names, _) = group.or_insert_with(|| (Vec::new(), text));
            if names.last() != Some(&title(one)) {
                names.push(title(one));
            }
        }
    }
    let mut groups: Vec<(Vec<String>, String)> = texts.into_values().collect();
    groups.push((vec!["musl libc (MIT)".to_owned()], normalize(MUSL)));
    groups.sort();
    let mut all = HEAD.to_owned();
    for (names, text) in groups {
        all.push_str(&format!(
            "\n{}\n{}\n\n{text}",
            "=".repeat(79),
            names.join("\n")
        ));
    }
    Ok(all)
}

/// Returns the notices of the standard library, from the toolchain.
pub(super) fn standard_library() -> Result<Vec<u8>> {
    let sysroot = read(&mut program("rustc", &["--print", "sysroot"]))?;
    let path = Path::new(sysroot.trim()).join("share/doc/rust/COPYRIGHT-library.html");
    fs::read(path).map_err(|error| {
        let what = "the toolchain has no notices of its standard library";
        format!("{what} ({error}): use a toolchain installed by rustup").into()
    })
}

fn title(one: &Crate) -> String {
    let licence = one.licence.as_deref().unwrap_or("no licence stated");
    format!("{} {} ({licence})", one.name, one.version)
}

/// Returns the texts of a crate's licences.
fn texts_of(one: &Crate) -> Result<Vec<String>> {
    let mut files = Vec::new();
    find(&one.folder, DEPTH, &mut files)?;
    files.sort();
    let mut texts: Vec<String> = Vec::new();
    for file in files {
        let text = normalize(&String::from_utf8_lossy(&fs::read(file)?));
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    if texts.is_empty() {
        texts = standard_texts(one)?;
    }
    Ok(texts)
}

/// Finds the files below a directory that have names of licence texts.
fn find(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 && !NOT_COMPILED.contains(&name.as_str()) {
            find(&entry.path(), depth - 1, files)?;
        } else if kind.is_file() && is_notice(&name) {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn is_notice(name: &str) -> bool {
    // Such as a module about licences.
    let is_code = [".rs", ".c", ".h", ".py", ".json", ".toml"]
        .iter()
        .any(|end| name.ends_with(end));
    !is_code && NAMES.iter().any(|begin| name.starts_with(begin))
}

/// Removes invisible differences: white space at line ends, blank lines around the text, a byte order mark.
fn normalize(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let text = lines.join("\n");
    format!("{}\n", text.trim_matches(['\n', '\u{feff}']))
}

/// Returns the standard texts of the licences that a crate states.
fn standard_texts(one: &Crate) -> Result<Vec<String>> {
    let missing = || format!("{}: no licence text", title(one));
    let licence = one.licence.as_deref().ok_or_else(missing)?;
    let expression = Expression::parse_mode(licence, ParseMode::LAX)
        .map_err(|error| format!("{}: {error}", missing()))?;
    let mut texts = Vec::new();
    for requirement in expression.requirements() {
        let id = requirement.req.license.id().ok_or_else(missing)?;
        texts.push(normalize(id.text()));
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_crate(name: &str, licence: &str, files: &[(&str, &str)]) -> (Crate, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let one = Crate {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: Some(licence.to_owned()),
            folder: folder.path().to_owned(),
            checksum: Some(String::new()),
            dependencies: Vec::new(),
        };
        (one, folder)
    }

    #[test]
    fn a_shared_text_is_included_once_with_both_names() {
        let (a, _a) = a_crate("a", "MIT", &[("LICENSE", "the same\r\n")]);
        let (b, _b) = a_crate("b", "MIT", &[("License.md", "\n the\nsame\n\n")]);
        let text = notices(&Crates(vec![a, b])).unwrap();
        assert_eq!(text.matches("same").count(), 1, "{text}");
        assert!(
            text.contains("a 1.0.0 (MIT)\nb 1.0.0 (MIT)\n\nthe same\n"),
            "{text}"
        );
        assert!(text.contains("musl libc"), "{text}");
    }

    #[test]
    fn texts_of_bundled_code_are_found() {
        let files = [
            ("c_src/lib/COPYING", "bundled"),
            ("src/licence.rs", "code"),
            ("tests/LICENSE", "not compiled"),
        ];
        let (one, _folder) = a_crate("a", "MIT", &files);
        assert_eq!(texts_of(&one).unwrap(), ["bundled\n"]);
    }

    #[test]
    fn a_crate_without_a_text_gets_the_standard_text() {
        let (one, _folder) = a_crate("a", "MIT/Apache-2.0", &[]);
        let texts = texts_of(&one).unwrap();
        assert_eq!(texts.len(), 2);
        assert!(
            texts
                .iter()
                .any(|text| text.contains("Permission is hereby"))
        );
        let (one, _folder) = a_crate("a", "no such licence", &[]);
        assert!(texts_of(&one).unwrap_err().to_string().contains("a 1.0.0"));
    }

    #[test]
    fn crates_of_the_workspace_are_omitted() {
        let (mut one, _folder) = a_crate("akvs-core", "MIT", &[("LICENSE", "a text")]);
        one.checksum = None;
        assert!(!notices(&Crates(vec![one])).unwrap().contains("akvs-core"));
    }
}

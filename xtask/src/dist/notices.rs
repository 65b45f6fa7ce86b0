//! The notices of all works in the program: the texts of their licences, each once.
//!
//! It owns where the texts are found. A crate without a text gets the standard text of the licence that it states.
//! Works that are not Cargo's (musl, the standard library) are included.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use spdx::{Expression, ParseMode};

use super::crates::{Crate, Crates};
use crate::shell::{Result, program, read};

/// How the names of such files begin, in small letters.
const NAMES: &[&str] = &["licen", "copying", "copyright", "notice", "unlicen"];
/// Bundled C lies a few folders deep; what lies deeper, or in these, is not compiled.
const DEPTH: usize = 4;
const NOT_COMPILED: &[&str] = &["tests", "benches", "examples", "fuzz", "doc", "docs", "v2"];
const MUSL: &str = include_str!("../../notices/musl.txt");
const HEAD: &str = "\
AKVS is linked with the works below, under the licences below. Where a work offers a choice, all that it offers is here.
The Rust standard library's own notices are in THIRD-PARTY-RUST.html.
";

/// The notices of all crates but our own, and of musl.
pub(super) fn notices(crates: &Crates) -> Result<String> {
    // By words, because many crates have the same text, and break its lines elsewhere.
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
    let of_musl = (vec!["musl libc (MIT)".to_owned()], tidied(MUSL));
    let mut groups: Vec<(Vec<String>, String)> = texts.into_values().collect();
    groups.push(of_musl);
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

/// The notices of the standard library, which the toolchain has.
pub(super) fn of_rust() -> Result<Vec<u8>> {
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

/// The texts of a crate's licences.
fn texts_of(one: &Crate) -> Result<Vec<String>> {
    let mut files = Vec::new();
    find(&one.folder, DEPTH, &mut files)?;
    files.sort();
    let mut texts: Vec<String> = Vec::new();
    for file in files {
        let text = tidied(&String::from_utf8_lossy(&fs::read(file)?));
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    if texts.is_empty() {
        texts = standard(one)?;
    }
    Ok(texts)
}

/// The files below a folder whose names say that they are such texts.
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
    // A module about licences is none.
    let is_code = [".rs", ".c", ".h", ".py", ".json", ".toml"]
        .iter()
        .any(|end| name.ends_with(end));
    !is_code && NAMES.iter().any(|begin| name.starts_with(begin))
}

/// Lines without what no eye sees, so that the same texts are the same.
fn tidied(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let text = lines.join("\n");
    format!("{}\n", text.trim_matches(['\n', '\u{feff}']))
}

/// The standard texts of the licences that a crate states.
fn standard(one: &Crate) -> Result<Vec<String>> {
    let what = || format!("{}: no licence can be found", title(one));
    let licence = one.licence.as_deref().ok_or_else(what)?;
    let expression = Expression::parse_mode(licence, ParseMode::LAX)
        .map_err(|error| format!("{}: {error}", what()))?;
    let mut texts = Vec::new();
    for requirement in expression.requirements() {
        let id = requirement.req.license.id().ok_or_else(what)?;
        texts.push(tidied(id.text()));
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
            needs: Vec::new(),
        };
        (one, folder)
    }

    #[test]
    fn a_text_that_two_have_is_told_once_with_both_names() {
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
    fn bundled_works_are_found_and_code_is_not() {
        let files = [
            ("c_src/lib/COPYING", "bundled"),
            ("src/licence.rs", "code"),
            ("tests/LICENSE", "of a test"),
        ];
        let (one, _folder) = a_crate("a", "MIT", &files);
        assert_eq!(texts_of(&one).unwrap(), ["bundled\n"]);
    }

    #[test]
    fn without_a_text_the_standard_one_stands() {
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
    fn our_own_are_no_third_party() {
        let (mut one, _folder) = a_crate("ours", "MIT", &[("LICENSE", "our text")]);
        one.checksum = None;
        assert!(!notices(&Crates(vec![one])).unwrap().contains("ours"));
    }
}

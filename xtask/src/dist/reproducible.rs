//! The same input gives the same bytes: a second build of the commit, with every folder elsewhere.
//!
//! Owns the second place: a clone, an empty folder of what is built, and packages in another home. The compilers are
//! the same ones. All of it is gone afterwards.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use tar::Archive;

use super::build_info::Origin;
use super::{Place, Release, deb, release};
use crate::shell::{Result, program, run};

/// The parts of Cargo's home that are packages. The sources are unpacked again.
const PACKAGES: &[&str] = &["registry/index", "registry/cache"];

/// Builds it again, and compares.
pub(super) fn check(first: &Release, profile: &str) -> Result {
    if Origin::of(&first.place)?.is_dirty() {
        let what = "the checkout has changes that no commit has";
        return Err(format!("{what}: a second build, from a clone, would be another one").into());
    }
    let folder = tempfile::Builder::new()
        .prefix("second-")
        .tempdir_in(&first.place.target)?;
    let place = second(&first.place, folder.path())?;
    let second = release(&place, profile)?;
    if fs::read(&first.tarball)? == fs::read(&second.tarball)? {
        let (one, other) = (deb::path(first), deb::path(&second));
        if one.is_file() && fs::read(one)? != fs::read(other)? {
            return Err("the second build gave another Debian package".into());
        }
        println!(
            "both builds gave the same {} bytes",
            fs::metadata(&first.tarball)?.len()
        );
        return Ok(());
    }
    let (first, second) = (contents(&first.tarball)?, contents(&second.tarball)?);
    let differences = differences(&first, &second);
    Err(format!(
        "the second build gave something else:\n{}",
        differences.join("\n")
    )
    .into())
}

/// A place that has no folder in common with the first.
fn second(first: &Place, folder: &Path) -> Result<Place> {
    let place = Place {
        checkout: folder.join("a clone"),
        target: folder.join("built here"),
        cargo_home: folder.join("home of cargo"),
    };
    let mut clone = first.git(&["clone", "--quiet", "--no-local", "."]);
    run(clone.arg(&place.checkout))?;
    // A clone of a commit that no branch is at would have another one.
    let head = crate::shell::read(&mut first.git(&["rev-parse", "HEAD"]))?;
    run(&mut place.git(&["checkout", "--quiet", "--detach", head.trim()]))?;
    for name in PACKAGES {
        let (from, to) = (first.cargo_home.join(name), place.cargo_home.join(name));
        fs::create_dir_all(to.parent().ok_or("packages in no folder")?)?;
        if from.is_dir() {
            run(program("cp", &["--recursive"]).arg(from).arg(to))?;
        }
    }
    Ok(place)
}

/// A header, as far as it matters, and what follows it.
type Content = (u32, u64, Vec<u8>);

fn contents(tarball: &Path) -> Result<BTreeMap<String, Content>> {
    let mut archive = Archive::new(GzDecoder::new(File::open(tarball)?));
    let mut contents = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        contents.insert(
            path,
            (entry.header().mode()?, entry.header().mtime()?, bytes),
        );
    }
    Ok(contents)
}

/// A line for each path whose content is not the same.
fn differences(
    first: &BTreeMap<String, Content>,
    second: &BTreeMap<String, Content>,
) -> Vec<String> {
    let paths: std::collections::BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let lines = paths.into_iter().filter_map(|path| {
        let what = match (first.get(path), second.get(path)) {
            (Some(first), Some(second)) => difference(first, second)?,
            (Some(_), None) => "only in the first".to_owned(),
            (None, _) => "only in the second".to_owned(),
        };
        Some(format!("{path}: {what}"))
    });
    let mut lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        lines.push("the files are the same, their order or their packing is not".to_owned());
    }
    lines
}

fn difference(first: &Content, second: &Content) -> Option<String> {
    if first == second {
        return None;
    }
    let (bytes, others) = (&first.2, &second.2);
    let at = bytes
        .iter()
        .zip(others)
        .position(|(one, other)| one != other);
    let at = at.or_else(|| (bytes.len() != others.len()).then(|| bytes.len().min(others.len())));
    Some(match at {
        Some(at) => format!(
            "byte {at} of {} and {}: `{}` and `{}`",
            bytes.len(),
            others.len(),
            around(bytes, at),
            around(others, at)
        ),
        None => "its mode or its date".to_owned(),
    })
}

/// The text at a place.
fn around(bytes: &[u8], at: usize) -> String {
    let end = bytes.len().min(at + 40);
    bytes[at.saturating_sub(20).min(end)..end]
        .escape_ascii()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(all: &[(&str, u32, &str)]) -> BTreeMap<String, Content> {
        let all = all.iter().map(|&(path, mode, text)| {
            let content = (mode, 0, text.as_bytes().to_vec());
            (path.to_owned(), content)
        });
        all.collect()
    }

    #[test]
    fn each_difference_is_told() {
        let first = contents(&[
            ("a", 1, "same"),
            ("b", 1, "one"),
            ("c", 1, ""),
            ("d", 1, ""),
        ]);
        let second = contents(&[
            ("a", 1, "same"),
            ("b", 1, "onto"),
            ("c", 2, ""),
            ("e", 1, ""),
        ]);
        assert_eq!(
            differences(&first, &second),
            [
                "b: byte 2 of 3 and 4: `one` and `onto`",
                "c: its mode or its date",
                "d: only in the first",
                "e: only in the second",
            ]
        );
        assert_eq!(differences(&first, &first).len(), 1);
    }

    #[test]
    fn what_was_cut_differs_where_it_ends() {
        let (whole, cut) = (contents(&[("a", 1, "12")]), contents(&[("a", 1, "1")]));
        assert_eq!(
            differences(&whole, &cut),
            ["a: byte 1 of 2 and 1: `12` and `1`"]
        );
        assert_eq!(
            differences(&cut, &whole),
            ["a: byte 1 of 1 and 2: `1` and `12`"]
        );
    }
}

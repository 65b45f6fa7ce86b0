//! The check of reproducibility: a second build of the commit, in other directories, gives the same bytes.
//!
//! It owns the directories of the second build: a clone, an empty target directory, and another Cargo home. The
//! toolchain is the same. The directories are deleted after the check.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use tar::Archive;

use super::build_info::BuildInfo;
use super::{BuildPaths, Release, deb, release};
use crate::shell::{Result, program, run};

/// The packages in Cargo's home; Cargo unpacks their sources again.
const PACKAGES: &[&str] = &["registry/index", "registry/cache"];

/// Builds the release again and compares the two.
pub(super) fn check(first: &Release, profile: &str) -> Result {
    if BuildInfo::read(&first.paths)?.is_dirty() {
        return Err(
            "the checkout has uncommitted changes: the second build clones the commit".into(),
        );
    }
    let folder = tempfile::Builder::new()
        .prefix("second-")
        .tempdir_in(&first.paths.target)?;
    let paths = second(&first.paths, folder.path())?;
    let second = release(&paths, profile)?;
    if fs::read(&first.tarball)? == fs::read(&second.tarball)? {
        let (deb, second_deb) = (deb::path(first), deb::path(&second));
        if deb.is_file() && fs::read(deb)? != fs::read(second_deb)? {
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
        "the second build gave another tarball:\n{}",
        differences.join("\n")
    )
    .into())
}

/// Prepares directories of which none is one of the first build.
fn second(first: &BuildPaths, folder: &Path) -> Result<BuildPaths> {
    let paths = BuildPaths {
        checkout: folder.join("other checkout"),
        target: folder.join("other target"),
        cargo_home: folder.join("other cargo home"),
    };
    let mut clone = first.git(&["clone", "--quiet", "--no-local", "."]);
    run(clone.arg(&paths.checkout))?;
    // The commit may be on no branch.
    let head = crate::shell::read(&mut first.git(&["rev-parse", "HEAD"]))?;
    run(&mut paths.git(&["checkout", "--quiet", "--detach", head.trim()]))?;
    for name in PACKAGES {
        let (from, to) = (first.cargo_home.join(name), paths.cargo_home.join(name));
        fs::create_dir_all(to.parent().ok_or("packages without a directory")?)?;
        if from.is_dir() {
            run(program("cp", &["--recursive"]).arg(from).arg(to))?;
        }
    }
    Ok(paths)
}

/// Mode, date and content of a file.
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

/// Returns a line for each path that differs.
fn differences(
    first: &BTreeMap<String, Content>,
    second: &BTreeMap<String, Content>,
) -> Vec<String> {
    let paths: std::collections::BTreeSet<&String> = first.keys().chain(second.keys()).collect();
    let lines = paths.into_iter().filter_map(|path| {
        let difference = match (first.get(path), second.get(path)) {
            (Some(first), Some(second)) => difference(first, second)?,
            (Some(_), None) => "only in the first".to_owned(),
            (None, _) => "only in the second".to_owned(),
        };
        Some(format!("{path}: {difference}"))
    });
    let mut lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        lines.push("the files are the same; their order or the compression differs".to_owned());
    }
    lines
}

fn difference(first: &Content, second: &Content) -> Option<String> {
    if first == second {
        return None;
    }
    let (first, second) = (&first.2, &second.2);
    let at = first.iter().zip(second).position(|(a, b)| a != b);
    let at = at.or_else(|| (first.len() != second.len()).then(|| first.len().min(second.len())));
    Some(match at {
        Some(at) => format!(
            "byte {at} of {} and {}: `{}` and `{}`",
            first.len(),
            second.len(),
            excerpt(first, at),
            excerpt(second, at)
        ),
        None => "its mode or its date".to_owned(),
    })
}

/// Returns the bytes around a position, as text.
fn excerpt(bytes: &[u8], at: usize) -> String {
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
    fn each_difference_is_reported() {
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
    fn a_truncated_file_differs_at_its_end() {
        let (full, truncated) = (contents(&[("a", 1, "12")]), contents(&[("a", 1, "1")]));
        assert_eq!(
            differences(&full, &truncated),
            ["a: byte 1 of 2 and 1: `12` and `1`"]
        );
        assert_eq!(
            differences(&truncated, &full),
            ["a: byte 1 of 1 and 2: `1` and `12`"]
        );
    }
}

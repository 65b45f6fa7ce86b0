//! The check of the tarball: its checksum, its files and their modes, and that no file names a path of this machine.
//!
//! It runs no program of the release. It lists the expected files by hand, so that a file that the layout forgets is
//! noticed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use flate2::read::GzDecoder;
use memchr::memmem;
use tar::{Archive, Header};

use crate::dist::Release;
use crate::shell::{Result, program, read};

/// The files of every release.
const EXPECTED: &[&str] = &[
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "bin/akvs",
    "config/akvs.toml",
    "share/completions/_akvs",
    "share/completions/akvs.bash",
    "share/completions/akvs.fish",
    "share/doc/THIRD-PARTY-RUST.html",
    "share/doc/THIRD-PARTY.txt",
    "share/doc/akvs.cdx.json",
    "share/man/man1/akvs.1",
];
/// Directories of the checkout whose files are in every release, and their paths there.
const EXPECTED_DIRS: &[(&str, &str)] = &[
    ("docs", "docs"),
    ("docs/adr", "docs/adr"),
    ("packaging/systemd", "share/systemd"),
    ("packaging/container", "share/container"),
];

/// Checks the tarball of a release.
pub(crate) fn check(release: &Release) -> Result {
    let folder = release.tarball.parent();
    let folder = folder.ok_or("a tarball without a directory")?;
    let sum = format!("{}.tar.gz.sha256", release.name());
    let mut check = program("sha256sum", &["--check", "--strict", &sum]);
    read(check.current_dir(folder))?;

    let mut expected: BTreeSet<String> = EXPECTED.iter().map(|&path| path.to_owned()).collect();
    for (from, to) in EXPECTED_DIRS {
        expected.extend(files(&release.paths.checkout.join(from), to)?);
    }
    let found = entries(release)?;
    let missing: Vec<&String> = expected.difference(&found).collect();
    let unexpected: Vec<&String> = found.difference(&expected).collect();
    if !missing.is_empty() || !unexpected.is_empty() {
        return Err(
            format!("the tarball lacks {missing:?} and has unexpected {unexpected:?}").into(),
        );
    }
    check_local_paths(release)
}

fn files(folder: &Path, to: &str) -> Result<Vec<String>> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                files.push(format!("{to}/{}", entry.file_name().to_string_lossy()));
            }
        }
    }
    Ok(files)
}

/// Returns the files in the tarball, after a check of their paths, modes, owners and dates.
fn entries(release: &Release) -> Result<BTreeSet<String>> {
    let mut archive = Archive::new(GzDecoder::new(File::open(&release.tarball)?));
    let begin = format!("{}/", release.name());
    let mut found = BTreeSet::new();
    let mut dates = BTreeSet::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let path = String::from_utf8(entry.path_bytes().into_owned())?;
        let below = path
            .strip_prefix(&begin)
            .ok_or_else(|| format!("{path} is not below {begin}"))?;
        check_header(entry.header(), below).map_err(|error| format!("{path}: {error}"))?;
        dates.insert(entry.header().mtime()?);
        if entry.header().entry_type().is_file() && !found.insert(below.to_owned()) {
            return Err(format!("duplicate path {path}").into());
        }
    }
    match dates.len() {
        1 => Ok(found),
        count => Err(format!("the files have {count} dates").into()),
    }
}

/// Checks mode and owner, which must be the same on every machine.
fn check_header(header: &Header, path: &str) -> Result {
    let kind = header.entry_type();
    if !kind.is_dir() && !kind.is_file() {
        return Err(format!("is neither a file nor a directory: {kind:?}").into());
    }
    let is_executable = kind.is_dir() || path.starts_with("bin/");
    let mode = if is_executable { 0o755 } else { 0o644 };
    if header.mode()? != mode {
        return Err(format!("has mode {:o}, not {mode:o}", header.mode()?).into());
    }
    if (header.uid()?, header.gid()?) != (0, 0) {
        return Err("is not owned by root".into());
    }
    Ok(())
}

/// Checks that no file names a directory of this machine.
fn check_local_paths(release: &Release) -> Result {
    let paths = &release.paths;
    let mut folders = vec![&paths.checkout, &paths.target, &paths.cargo_home];
    let home = std::env::home_dir();
    // Every path begins with a home of `/`.
    folders.extend(home.iter().filter(|home| home.as_os_str().len() > 1));
    for path in EXPECTED {
        let bytes = fs::read(release.folder.join(path))?;
        for folder in &folders {
            // With a slash, because a short path could be the beginning of another word.
            let folder = format!("{}/", folder.display());
            if let Some(at) = memmem::find(&bytes, folder.as_bytes()) {
                let end = bytes.len().min(at + folder.len() + 60);
                let text = bytes[at..end].escape_ascii();
                return Err(format!("{path} names a path of this machine: {text}").into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::layout::Entry;
    use crate::dist::{BuildPaths, layout, pack};

    /// Builds a release whose files contain their own paths.
    fn release(folder: &Path, change: impl FnOnce(&mut Vec<Entry>)) -> Release {
        let mut entries: Vec<Entry> = EXPECTED
            .iter()
            .map(|path| Entry {
                path: (*path).to_owned(),
                mode: if path.starts_with("bin/") {
                    0o755
                } else {
                    0o644
                },
                bytes: path.as_bytes().to_vec(),
            })
            .collect();
        change(&mut entries);
        let release = Release {
            version: "1.2.3".to_owned(),
            target: "target".to_owned(),
            folder: folder.join("akvs-1.2.3-target"),
            tarball: folder.join("akvs-1.2.3-target.tar.gz"),
            epoch: 7,
            paths: BuildPaths {
                checkout: folder.join("checkout"),
                target: folder.join("target"),
                cargo_home: folder.join("cargo"),
            },
        };
        layout::write(&release.folder, &entries).unwrap();
        pack::write(&release.tarball, &release.name(), &entries, release.epoch).unwrap();
        release
    }

    /// Returns the error of a release with a change.
    fn error(change: impl FnOnce(&mut Vec<Entry>)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let error = check(&release(folder.path(), change)).unwrap_err();
        error.to_string()
    }

    fn entry<'a>(entries: &'a mut [Entry], path: &str) -> &'a mut Entry {
        let mut entries = entries.iter_mut();
        entries.find(|entry| entry.path == path).unwrap()
    }

    #[test]
    fn a_changed_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let release = release(folder.path(), |_| {});
        check(&release).unwrap();
        let mut bytes = fs::read(&release.tarball).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&release.tarball, bytes).unwrap();
        assert!(
            check(&release)
                .unwrap_err()
                .to_string()
                .contains("sha256sum")
        );
    }

    #[test]
    fn missing_and_unexpected_files_and_modes_are_found() {
        let missing = error(|entries| entries.retain(|entry| entry.path != "LICENSE"));
        assert!(missing.contains("lacks [\"LICENSE\"]"), "{missing}");
        let moved = error(|entries| entry(entries, "LICENSE").path.insert_str(0, "x/"));
        assert!(moved.contains("has unexpected [\"x/LICENSE\"]"), "{moved}");
        let mode = error(|entries| entry(entries, "LICENSE").mode = 0o600);
        assert!(mode.contains("LICENSE: has mode 600, not 644"), "{mode}");
    }

    #[test]
    fn a_path_of_this_machine_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let release = release(folder.path(), |entries| {
            let path = folder.path().join("cargo/registry/a.rs");
            entry(entries, "bin/akvs").bytes = format!("\0\0{}\0", path.display()).into_bytes();
        });
        let error = check(&release).unwrap_err().to_string();
        assert!(
            error.starts_with("bin/akvs names a path of this machine"),
            "{error}"
        );
        assert!(error.contains("cargo/registry/a.rs"), "{error}");
    }
}

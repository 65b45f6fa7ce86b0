//! The tarball as such: its checksum, its files and their modes, no trace of the building machine.
//!
//! Runs nothing of it. What was promised is listed here by hand, so that a part that is forgotten is missed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use flate2::read::GzDecoder;
use memchr::memmem;
use tar::{Archive, Header};

use crate::dist::Release;
use crate::shell::{Result, program, read};

/// What every release has.
const PROMISED: &[&str] = &[
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
/// Folders of the checkout whose files every release has too.
const PROMISED_FOLDERS: &[(&str, &str)] = &[
    ("docs", "docs"),
    ("docs/adr", "docs/adr"),
    ("packaging/systemd", "share/systemd"),
    ("packaging/container", "share/container"),
];

/// Checks the tarball of a release.
pub(crate) fn check(release: &Release) -> Result {
    let folder = release.tarball.parent().ok_or("a tarball in no folder")?;
    let sum = format!("{}.tar.gz.sha256", release.name());
    let mut check = program("sha256sum", &["--check", "--strict", &sum]);
    read(check.current_dir(folder))?;

    let mut expected: BTreeSet<String> = PROMISED.iter().map(|&path| path.to_owned()).collect();
    for (from, to) in PROMISED_FOLDERS {
        expected.extend(files(&release.place.checkout.join(from), to)?);
    }
    let found = entries(release)?;
    let missing: Vec<&String> = expected.difference(&found).collect();
    let surplus: Vec<&String> = found.difference(&expected).collect();
    if !missing.is_empty() || !surplus.is_empty() {
        return Err(format!("the tarball lacks {missing:?} and has unexpected {surplus:?}").into());
    }
    no_trace(release)
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

/// The files in the tarball, all of them below the release's folder, in order, each as it should be.
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
        judge(entry.header(), below).map_err(|what| format!("{path}: {what}"))?;
        dates.insert(entry.header().mtime()?);
        if entry.header().entry_type().is_file() && !found.insert(below.to_owned()) {
            return Err(format!("{path} is there twice").into());
        }
    }
    match dates.len() {
        1 => Ok(found),
        count => Err(format!("the files have {count} dates").into()),
    }
}

/// Mode and owner, which are the same on every machine.
fn judge(header: &Header, path: &str) -> Result {
    let kind = header.entry_type();
    if !kind.is_dir() && !kind.is_file() {
        return Err(format!("is neither a file nor a folder: {kind:?}").into());
    }
    let is_run = kind.is_dir() || path.starts_with("bin/");
    let mode = if is_run { 0o755 } else { 0o644 };
    if header.mode()? != mode {
        return Err(format!("has mode {:o}, not {mode:o}", header.mode()?).into());
    }
    if (header.uid()?, header.gid()?) != (0, 0) {
        return Err("does not belong to root".into());
    }
    Ok(())
}

/// No file names a folder of the machine that built it.
fn no_trace(release: &Release) -> Result {
    let place = &release.place;
    let mut folders = vec![&place.checkout, &place.target, &place.cargo_home];
    let home = std::env::home_dir();
    // Of a home as short as `/` there is a trace everywhere.
    folders.extend(home.iter().filter(|home| home.as_os_str().len() > 1));
    for path in PROMISED {
        let bytes = fs::read(release.folder.join(path))?;
        for folder in &folders {
            // With what follows, because a short one could be the beginning of a word.
            let folder = format!("{}/", folder.display());
            if let Some(at) = memmem::find(&bytes, folder.as_bytes()) {
                let end = bytes.len().min(at + folder.len() + 60);
                let text = bytes[at..end].escape_ascii();
                return Err(format!("{path} names a folder of this machine: {text}").into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::layout::Part;
    use crate::dist::{Place, layout, pack};

    /// A release of which each file says its own name.
    fn release(folder: &Path, change: impl FnOnce(&mut Vec<Part>)) -> Release {
        let mut parts: Vec<Part> = PROMISED
            .iter()
            .map(|path| Part {
                path: (*path).to_owned(),
                mode: if path.starts_with("bin/") {
                    0o755
                } else {
                    0o644
                },
                bytes: path.as_bytes().to_vec(),
            })
            .collect();
        change(&mut parts);
        let release = Release {
            version: "1.2.3".to_owned(),
            target: "somewhere".to_owned(),
            folder: folder.join("akvs-1.2.3-somewhere"),
            tarball: folder.join("akvs-1.2.3-somewhere.tar.gz"),
            epoch: 7,
            place: Place {
                checkout: folder.join("checkout"),
                target: folder.join("target"),
                cargo_home: folder.join("cargo"),
            },
        };
        layout::write(&release.folder, &parts).unwrap();
        pack::write(&release.tarball, &release.name(), &parts, release.epoch).unwrap();
        release
    }

    /// What is said of a release that was changed so.
    fn refusal(change: impl FnOnce(&mut Vec<Part>)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let error = check(&release(folder.path(), change)).unwrap_err();
        error.to_string()
    }

    fn named<'a>(parts: &'a mut [Part], path: &str) -> &'a mut Part {
        parts.iter_mut().find(|part| part.path == path).unwrap()
    }

    #[test]
    fn a_release_as_promised_is_good_until_a_byte_changes() {
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
    fn neither_more_nor_less_than_promised_is_in_it() {
        let less = refusal(|parts| parts.retain(|part| part.path != "LICENSE"));
        assert!(less.contains("lacks [\"LICENSE\"]"), "{less}");
        let more = refusal(|parts| named(parts, "LICENSE").path.insert_str(0, "x/"));
        assert!(more.contains("has unexpected [\"x/LICENSE\"]"), "{more}");
        let mode = refusal(|parts| named(parts, "LICENSE").mode = 0o600);
        assert!(mode.contains("LICENSE: has mode 600, not 644"), "{mode}");
    }

    #[test]
    fn a_trace_of_the_building_machine_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let traced = release(folder.path(), |parts| {
            let path = folder.path().join("cargo/registry/a.rs");
            named(parts, "bin/akvs").bytes = format!("\0\0{}\0", path.display()).into_bytes();
        });
        let error = check(&traced).unwrap_err().to_string();
        assert!(
            error.starts_with("bin/akvs names a folder of this machine"),
            "{error}"
        );
        assert!(error.contains("cargo/registry/a.rs"), "{error}");
    }
}

//! The Debian package: a release's files where Debian has them, and what dpkg has to know of them.
//!
//! Owns which file goes where. What an installation and a removal do, the scripts in `packaging/debian` say. dpkg-deb
//! packs it, which is on every Debian, and takes a second; a tool of cargo's would first be built for minutes.
//! Invariant: the same release gives the same bytes.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::{Compression, GzBuilder};

use super::Release;
use super::layout;
use super::layout::Part;
use crate::shell::{self, Result, Tool, program, read};

const DPKG: Tool = Tool {
    name: "dpkg",
    without: "the Debian package will not be made",
};
/// The scripts and texts of the package.
const SOURCE: &str = "packaging/debian";
/// Where the texts go.
const TEXTS: &[(&str, &str)] = &[
    ("copyright", "usr/share/doc/akvs/copyright"),
    ("lintian-overrides", "usr/share/lintian/overrides/akvs"),
];
/// What dpkg runs.
const SCRIPTS: &[&str] = &["postinst", "prerm", "postrm"];
/// What runs where our releases do.
const ARCHITECTURE: &str = "amd64";
const PROGRAM: &str = "usr/bin/akvs";
const MAN: &str = "usr/share/man/";
const CHANGELOG: &str = "usr/share/doc/akvs/CHANGELOG.md";
pub(super) const CONFIG: &str = "etc/akvs/akvs.toml";
/// The line of the shipped settings that differs.
const NO_DATA_DIR: &str = "# data_dir = \"\"\n";
const DATA_DIR: &str = "data_dir = \"/var/lib/akvs\"\n";

/// What a release has, where it is and where it goes. A folder goes with all its files.
const FILES: &[(&str, &str)] = &[
    ("bin/akvs", PROGRAM),
    ("share/systemd/", "usr/lib/systemd/system/"),
    ("share/man/man1/", "usr/share/man/man1/"),
    (
        "share/completions/akvs.bash",
        "usr/share/bash-completion/completions/akvs",
    ),
    (
        "share/completions/_akvs",
        "usr/share/zsh/vendor-completions/_akvs",
    ),
    (
        "share/completions/akvs.fish",
        "usr/share/fish/vendor_completions.d/akvs.fish",
    ),
    ("README.md", "usr/share/doc/akvs/README.md"),
    ("CHANGELOG.md", CHANGELOG),
    ("CONTRIBUTING.md", "usr/share/doc/akvs/CONTRIBUTING.md"),
    ("docs/", "usr/share/doc/akvs/docs/"),
    ("docs/adr/", "usr/share/doc/akvs/docs/adr/"),
    ("share/doc/", "usr/share/doc/akvs/"),
];

/// Returns the path of the package of a release: next to the tarball.
pub(super) fn path(release: &Release) -> PathBuf {
    let version = version(&release.version);
    release
        .tarball
        .with_file_name(format!("akvs_{version}_{ARCHITECTURE}.deb"))
}

/// Makes the package of a release; without dpkg it prints a note.
pub(super) fn write(release: &Release) -> Result {
    if shell::provide(&DPKG) {
        pack(release, &version(&release.version), &path(release))?;
    }
    Ok(())
}

/// Makes a package of a release, as if this were its version.
pub(super) fn pack(release: &Release, version: &str, deb: &Path) -> Result {
    let epoch = release.epoch;
    let source = release.place.checkout.join(SOURCE);
    let control = fs::read_to_string(source.join("control"))?;
    let mut parts = files(&release.folder)?;
    let changelog = changelog(&control, version, epoch)?;
    parts.push(Part::text(
        "usr/share/doc/akvs/changelog.Debian.gz",
        gzip(changelog.as_bytes())?,
    ));
    for (name, path) in TEXTS {
        parts.push(Part::text(*path, fs::read(source.join(name))?));
    }
    let control = control_of(&control, version, kib(&parts));
    parts.push(Part::text("DEBIAN/control", control));
    parts.push(Part::text("DEBIAN/conffiles", format!("/{CONFIG}\n")));
    for script in SCRIPTS {
        let bytes = fs::read(source.join(script))?;
        parts.push(Part {
            mode: 0o755,
            ..Part::text(format!("DEBIAN/{script}"), bytes)
        });
    }
    let scratch = tempfile::tempdir()?;
    let tree = scratch.path().join("tree");
    layout::write(&tree, &parts)?;
    settle(&tree, SystemTime::UNIX_EPOCH + Duration::from_secs(epoch))?;
    // As the tarball: quickly made, and every dpkg reads it.
    let how = ["--root-owner-group", "-Zgzip", "-z6", "--build"];
    let mut build = program("dpkg-deb", &how);
    build
        .arg(&tree)
        .arg(deb)
        .env("SOURCE_DATE_EPOCH", epoch.to_string());
    read(&mut build).map(drop)
}

/// A version as Debian orders them: what comes before a release sorts before it.
pub(super) fn version(version: &str) -> String {
    format!("{}-1", version.replacen('-', "~", 1))
}

/// The release's files at their new places.
fn files(release: &Path) -> Result<Vec<Part>> {
    let settings = fs::read_to_string(release.join("config/akvs.toml"))?;
    let mut parts = vec![Part::text(CONFIG, with_data_dir(&settings)?)];
    for (from, to) in FILES {
        parts.extend(layout::taken(release, from, to)?);
    }
    for part in &mut parts {
        if part.path == PROGRAM {
            part.mode = 0o755;
        } else if part.path == CHANGELOG {
            part.path = "usr/share/doc/akvs/changelog.gz".to_owned();
            part.bytes = gzip(&part.bytes)?;
        } else if part.path.starts_with(MAN) {
            part.path.push_str(".gz");
            part.bytes = gzip(&part.bytes)?;
        }
    }
    Ok(parts)
}

/// The shipped settings, with the data where Debian has such.
fn with_data_dir(settings: &str) -> Result<String> {
    match settings.contains(NO_DATA_DIR) {
        true => Ok(settings.replacen(NO_DATA_DIR, DATA_DIR, 1)),
        false => Err(format!("config/akvs.toml has no line `{}`", NO_DATA_DIR.trim()).into()),
    }
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

/// Returns the control file: the fields of the checkout, and those that only a build knows.
fn control_of(control: &str, version: &str, installed_kib: u64) -> String {
    let known = format!(
        "Version: {version}\nArchitecture: {ARCHITECTURE}\nInstalled-Size: {installed_kib}\n"
    );
    let (package, rest) = control.split_once('\n').unwrap_or((control, ""));
    format!("{package}\n{known}{rest}")
}

/// About what the files take on a disk.
fn kib(parts: &[Part]) -> u64 {
    let sizes = parts.iter().map(|part| part.bytes.len().div_ceil(1_024));
    sizes.sum::<usize>() as u64
}

/// The package's own list of changes, which is short: a package is made of a release, and says where to read on.
fn changelog(control: &str, version: &str, epoch: u64) -> Result<String> {
    let maintainer = control
        .lines()
        .find_map(|line| line.strip_prefix("Maintainer: "))
        .ok_or("the package has no maintainer")?;
    let mut date = program(
        "date",
        &["--utc", "--rfc-email", &format!("--date=@{epoch}")],
    );
    let date = read(date.env("LC_ALL", "C"))?;
    Ok(format!(
        "akvs ({version}) stable; urgency=medium\n\n  * What is new in this release, changelog.gz says.\n\n \
         -- {maintainer}  {date}"
    ))
}

/// Gives everything in a folder its rights, and one date.
fn settle(folder: &Path, date: SystemTime) -> Result {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => settle(&path, date)?,
            false => File::options()
                .write(true)
                .open(&path)?
                .set_modified(date)?,
        }
    }
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    File::open(folder)?.set_modified(date)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_before_a_release_sorts_before_it() {
        assert_eq!(version("1.2.3"), "1.2.3-1");
        assert_eq!(version("1.2.3-rc.1"), "1.2.3~rc.1-1");
        assert_eq!(version("1.2.3-rc-1"), "1.2.3~rc-1-1");
    }

    #[test]
    fn the_data_lies_where_debian_has_such() {
        let shipped = fs::read_to_string(shell::root().join("config/akvs.toml")).unwrap();
        let ours = with_data_dir(&shipped).unwrap();
        let differing: Vec<_> = shipped
            .lines()
            .zip(ours.lines())
            .filter(|(a, b)| a != b)
            .collect();
        assert_eq!(differing, [(NO_DATA_DIR.trim(), DATA_DIR.trim())]);
        assert!(with_data_dir("data_dir = \"x\"").is_err());
    }

    #[test]
    fn what_only_a_build_knows_stands_among_the_fields() {
        assert_eq!(
            control_of("Package: a\nSection: b\n", "1-1", 7),
            "Package: a\nVersion: 1-1\nArchitecture: amd64\nInstalled-Size: 7\nSection: b\n"
        );
    }

    #[test]
    fn the_list_of_changes_has_the_form_that_debian_wants() {
        let text = changelog("Package: a\nMaintainer: B <b@c>\n", "1-1", 86_400).unwrap();
        assert!(
            text.starts_with("akvs (1-1) stable; urgency=medium\n\n  * "),
            "{text}"
        );
        assert!(
            text.ends_with("\n\n -- B <b@c>  Fri, 02 Jan 1970 00:00:00 +0000\n"),
            "{text}"
        );
        assert!(changelog("Package: a\n", "1-1", 0).is_err());
    }
}

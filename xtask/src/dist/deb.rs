//! The Debian package: the files of a release at Debian's paths, with the control files.
//!
//! It owns the paths and the control fields. It does not own the maintainer scripts: `packaging/debian` has them.
//! Invariant: the same release gives the same bytes. dpkg-deb, Debian's own tool, packs it in a second. cargo-deb is not
//! used: it takes one and a half minutes of CPU time to compile, and the changed settings file, the Debian changelog and
//! the layout of the release would remain here.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::{Compression, GzBuilder};

use super::Release;
use super::layout;
use super::layout::Entry;
use crate::shell::{self, Result, Tool, program, read};

const DPKG: Tool = Tool {
    name: "dpkg",
    without: "the Debian package will not be built",
};
/// The directory with the scripts and texts of the package.
const SOURCE: &str = "packaging/debian";
/// The texts and their paths in the package.
const TEXTS: &[(&str, &str)] = &[
    ("copyright", "usr/share/doc/akvs/copyright"),
    ("lintian-overrides", "usr/share/lintian/overrides/akvs"),
];
/// The maintainer scripts.
const SCRIPTS: &[&str] = &["postinst", "prerm", "postrm"];
/// Debian's name of the release target's architecture.
const ARCHITECTURE: &str = "amd64";
const PROGRAM: &str = "usr/bin/akvs";
const MAN: &str = "usr/share/man/";
const CHANGELOG: &str = "usr/share/doc/akvs/CHANGELOG.md";
pub(super) const CONFIG: &str = "etc/akvs/akvs.toml";
/// The line of the shipped settings that the package changes.
const NO_DATA_DIR: &str = "# data_dir = \"\"\n";
const DATA_DIR: &str = "data_dir = \"/var/lib/akvs\"\n";

/// Files of a release and their paths in the package. A path with a trailing slash is a directory with all its files.
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

/// Builds the package of a release; without dpkg it prints a note.
pub(super) fn write(release: &Release) -> Result {
    if shell::provide(&DPKG) {
        pack(release, &version(&release.version), &path(release))?;
    }
    Ok(())
}

/// Builds a package of a release with this version.
pub(super) fn pack(release: &Release, version: &str, deb: &Path) -> Result {
    let epoch = release.epoch;
    let source = release.paths.checkout.join(SOURCE);
    let control = fs::read_to_string(source.join("control"))?;
    let mut entries = files(&release.folder)?;
    let changelog = changelog(&control, version, epoch)?;
    entries.push(Entry::file(
        "usr/share/doc/akvs/changelog.Debian.gz",
        gzip(changelog.as_bytes())?,
    ));
    for (name, path) in TEXTS {
        entries.push(Entry::file(*path, fs::read(source.join(name))?));
    }
    let control = control_file(&control, version, installed_kib(&entries));
    entries.push(Entry::file("DEBIAN/control", control));
    entries.push(Entry::file("DEBIAN/conffiles", format!("/{CONFIG}\n")));
    for script in SCRIPTS {
        let bytes = fs::read(source.join(script))?;
        entries.push(Entry {
            mode: 0o755,
            ..Entry::file(format!("DEBIAN/{script}"), bytes)
        });
    }
    let scratch = tempfile::tempdir()?;
    let tree = scratch.path().join("tree");
    layout::write(&tree, &entries)?;
    set_metadata(&tree, SystemTime::UNIX_EPOCH + Duration::from_secs(epoch))?;
    // gzip, as for the tarball: it is fast, and every version of dpkg reads it.
    let arguments = ["--root-owner-group", "-Zgzip", "-z6", "--build"];
    let mut build = program("dpkg-deb", &arguments);
    build
        .arg(&tree)
        .arg(deb)
        .env("SOURCE_DATE_EPOCH", epoch.to_string());
    read(&mut build).map(drop)
}

/// Returns the Debian version. A pre-release sorts before its release.
pub(super) fn version(version: &str) -> String {
    format!("{}-1", version.replacen('-', "~", 1))
}

/// Returns the release's files at their paths in the package.
fn files(release: &Path) -> Result<Vec<Entry>> {
    let settings = fs::read_to_string(release.join("config/akvs.toml"))?;
    let mut entries = vec![Entry::file(CONFIG, with_data_dir(&settings)?)];
    for (from, to) in FILES {
        entries.extend(layout::read(release, from, to)?);
    }
    for entry in &mut entries {
        if entry.path == PROGRAM {
            entry.mode = 0o755;
        } else if entry.path == CHANGELOG {
            entry.path = "usr/share/doc/akvs/changelog.gz".to_owned();
            entry.bytes = gzip(&entry.bytes)?;
        } else if entry.path.starts_with(MAN) {
            entry.path.push_str(".gz");
            entry.bytes = gzip(&entry.bytes)?;
        }
    }
    Ok(entries)
}

/// Returns the shipped settings with Debian's data directory.
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

/// Returns the control file: the fields in the checkout, and those of the build.
fn control_file(control: &str, version: &str, installed_kib: u64) -> String {
    let fields = format!(
        "Version: {version}\nArchitecture: {ARCHITECTURE}\nInstalled-Size: {installed_kib}\n"
    );
    let (package, rest) = control.split_once('\n').unwrap_or((control, ""));
    format!("{package}\n{fields}{rest}")
}

/// Returns the approximate disk space of the files, in KiB.
fn installed_kib(entries: &[Entry]) -> u64 {
    let sizes = entries.iter();
    let sizes = sizes.map(|entry| entry.bytes.len().div_ceil(1_024));
    sizes.sum::<usize>() as u64
}

/// Returns the Debian changelog, which refers to the changelog of the release.
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
        "akvs ({version}) stable; urgency=medium\n\n  * New release: see changelog.gz for its changes.\n\n \
         -- {maintainer}  {date}"
    ))
}

/// Sets the date of all files and directories, and the mode of directories.
fn set_metadata(folder: &Path, date: SystemTime) -> Result {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => set_metadata(&path, date)?,
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
    fn a_pre_release_sorts_before_its_release() {
        assert_eq!(version("1.2.3"), "1.2.3-1");
        assert_eq!(version("1.2.3-rc.1"), "1.2.3~rc.1-1");
        assert_eq!(version("1.2.3-rc-1"), "1.2.3~rc-1-1");
    }

    #[test]
    fn only_the_data_directory_of_the_settings_changes() {
        let shipped = fs::read_to_string(shell::root().join("config/akvs.toml")).unwrap();
        let packaged = with_data_dir(&shipped).unwrap();
        let differing: Vec<_> = shipped
            .lines()
            .zip(packaged.lines())
            .filter(|(a, b)| a != b)
            .collect();
        assert_eq!(differing, [(NO_DATA_DIR.trim(), DATA_DIR.trim())]);
        assert!(with_data_dir("data_dir = \"x\"").is_err());
    }

    #[test]
    fn the_control_file_has_the_fields_of_the_build() {
        assert_eq!(
            control_file("Package: a\nSection: b\n", "1-1", 7),
            "Package: a\nVersion: 1-1\nArchitecture: amd64\nInstalled-Size: 7\nSection: b\n"
        );
    }

    #[test]
    fn the_changelog_has_debian_s_format() {
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

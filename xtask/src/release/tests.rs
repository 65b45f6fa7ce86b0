//! Releases of a small repository: the steps before and after the build.

use std::fs;

use super::*;
use crate::shell::{on_path, parse};

const CHANGES: &str = "# Changelog\n\n## Unreleased\n\n### Added\n\n- Something.\n";

/// A repository with one crate.
struct Repository {
    folder: tempfile::TempDir,
    paths: BuildPaths,
}

impl Repository {
    /// Creates a repository; returns none and prints a note if git is not installed.
    fn new() -> Option<Repository> {
        if !on_path("git") {
            eprintln!("skipped the test of a release: git is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let checkout = folder.path().join("checkout");
        let home = BuildPaths::current().unwrap().cargo_home;
        let paths = BuildPaths {
            checkout: checkout.clone(),
            target: folder.path().join("target"),
            cargo_home: home,
        };
        let manifest = "[workspace]\n[workspace.package]\nversion = \"0.1.0\"\n[package]\nname = \"small\"\nversion.workspace = true\nedition = \"2024\"\n";
        for (path, text) in [
            ("Cargo.toml", manifest),
            ("CHANGELOG.md", CHANGES),
            ("src/lib.rs", ""),
        ] {
            let path = checkout.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let repository = Repository { folder, paths };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository.git(&["config", "user.name", "test"]);
        repository.git(&["config", "user.email", "test@example.org"]);
        read(&mut repository.paths.cargo(&["generate-lockfile", "--offline"])).unwrap();
        repository.git(&["add", "--all"]);
        repository.git(&["commit", "--quiet", "--message", "begin"]);
        Some(repository)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let text = read(&mut self.paths.git(arguments)).unwrap();
        text.trim().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.paths.checkout.join(path), text).unwrap();
    }

    /// Returns the refs and the uncommitted changes.
    fn state(&self) -> String {
        let refs = self.git(&["for-each-ref"]);
        refs + &self.git(&["status", "--porcelain", "--branch"])
    }

    fn plan(&self, version: &str) -> Result {
        release_in(&self.paths, version, Mode::Plan, "2026-01-02")
    }

    /// Makes a release in a clone, without adding it to the checkout.
    fn tagged(&self) -> (Release, Scratch) {
        let release = prepare(&self.paths, "0.2.0", "2026-01-02").unwrap();
        let scratch = Scratch::clone(&self.paths, &release).unwrap();
        scratch.commit(&release).unwrap();
        scratch.tag(&release).unwrap();
        (release, scratch)
    }

    /// Checks that a release fails with this error and changes nothing.
    #[track_caller]
    fn assert_refused(&self, version: &str, expected: &str) {
        let before = self.state();
        let error = self.plan(version).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(self.state(), before);
    }
}

#[test]
fn a_plan_changes_nothing() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let before = repository.state();
    repository.plan("0.2.0").unwrap();
    assert_eq!(repository.state(), before);
    let left = fs::read_dir(repository.folder.path().join("target")).unwrap();
    let names: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    let is_clone = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("release-");
    assert!(!names.iter().any(is_clone), "{names:?}");
}

#[test]
fn an_impossible_release_is_refused() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.assert_refused("0.0.9", "0.0.9 is older than 0.1.0");
    repository.assert_refused("two", "invalid version \"two\"");
    repository.git(&["tag", "v0.2.0"]);
    repository.assert_refused("0.2.0", "tag v0.2.0 exists");
    repository.write("new", "");
    repository.assert_refused("0.3.0", "uncommitted changes:\n?? new");
    fs::remove_file(repository.paths.checkout.join("new")).unwrap();

    repository.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n");
    repository.git(&["commit", "--quiet", "--all", "--message", "no changes"]);
    repository.assert_refused("0.3.0", "CHANGELOG.md: no changes");
    repository.git(&["checkout", "--quiet", "--detach"]);
    repository.assert_refused("0.3.0", "no branch is checked out");
}

#[test]
fn the_commit_and_the_tag_are_added_together() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let paths = &repository.paths;
    let (release, scratch) = repository.tagged();
    scratch.apply(paths, &release).unwrap();

    assert_eq!(repository.git(&["status", "--porcelain"]), "");
    assert_eq!(
        repository.git(&["log", "--format=%s"]),
        "Release 0.2.0\nbegin"
    );
    let changed = repository.git(&["diff", "--name-only", "HEAD~"]);
    assert_eq!(changed, "CHANGELOG.md\nCargo.lock\nCargo.toml");
    let tagged = repository.git(&["rev-parse", "v0.2.0^{commit}"]);
    assert_eq!(tagged, repository.git(&["rev-parse", "main"]));
    let notes = repository.git(&["tag", "--list", "--format=%(contents)"]);
    assert_eq!(notes, "AKVS 0.2.0\n\n### Added\n\n- Something.");
    let lock = fs::read_to_string(paths.checkout.join("Cargo.lock")).unwrap();
    assert!(lock.contains("version = \"0.2.0\""), "{lock}");
    repository.assert_refused("0.2.0", "tag v0.2.0 exists");
}

#[test]
fn a_checkout_with_new_commits_is_not_changed() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let paths = &repository.paths;
    let (release, scratch) = repository.tagged();
    repository.git(&["commit", "--quiet", "--allow-empty", "--message", "more"]);
    let before = repository.state();
    let error = scratch.apply(paths, &release).unwrap_err().to_string();
    assert!(error.contains("has changed since"), "{error}");
    assert_eq!(repository.state(), before);
}

#[test]
fn a_tag_that_was_created_meanwhile_reverts_the_commit() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let paths = &repository.paths;
    let (release, scratch) = repository.tagged();
    repository.git(&["tag", "v0.2.0"]);
    let before = repository.state();
    assert!(scratch.apply(paths, &release).is_err());
    assert_eq!(repository.state(), before);
}

#[test]
fn flags_set_the_mode() {
    let mode = |line: &str| parse::<Args>(line).map(|args| (args.version.clone(), args.mode()));
    let expected = |mode| Some(("1.0.0".to_owned(), mode));
    assert_eq!(mode("1.0.0"), expected(Mode::Full));
    assert_eq!(mode("1.0.0 --dry-run"), expected(Mode::DryRun));
    assert_eq!(mode("--plan 1.0.0"), expected(Mode::Plan));
}

//! Releases of a small repository, up to where building would begin, and over its end.

use std::fs;

use super::*;
use crate::shell::{on_path, parse};

const CHANGES: &str = "# Changelog\n\n## Unreleased\n\n### Added\n\n- Something.\n";

/// A repository with one crate.
struct Repository {
    folder: tempfile::TempDir,
    place: Place,
}

impl Repository {
    /// None where there is no git, which is told.
    fn new() -> Option<Repository> {
        if !on_path("git") {
            eprintln!("not tested: there is no git here, without which there is no release");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let checkout = folder.path().join("checkout");
        let home = Place::here().unwrap().cargo_home;
        let place = Place {
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
        let repository = Repository { folder, place };
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository.git(&["config", "user.name", "somebody"]);
        repository.git(&["config", "user.email", "somebody@example.org"]);
        read(&mut repository.place.cargo(&["generate-lockfile", "--offline"])).unwrap();
        repository.git(&["add", "--all"]);
        repository.git(&["commit", "--quiet", "--message", "begin"]);
        Some(repository)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let text = read(&mut self.place.git(arguments)).unwrap();
        text.trim().to_owned()
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.place.checkout.join(path), text).unwrap();
    }

    /// Refs, and what differs from the commit.
    fn state(&self) -> String {
        let refs = self.git(&["for-each-ref"]);
        refs + &self.git(&["status", "--porcelain", "--branch"])
    }

    fn plan(&self, version: &str) -> Result {
        release_in(&self.place, version, Extent::Plan, "2026-01-02")
    }

    /// A release in its clone, before the commit and the tag come over.
    fn tagged(&self) -> (Release, Scratch) {
        let release = judge(&self.place, "0.2.0", "2026-01-02").unwrap();
        let scratch = Scratch::clone(&self.place, &release).unwrap();
        scratch.commit(&release).unwrap();
        scratch.tag(&release).unwrap();
        (release, scratch)
    }

    /// What must be said of a release that does not go, which must leave all as it was.
    #[track_caller]
    fn refuses(&self, version: &str, why: &str) {
        let before = self.state();
        let error = self.plan(version).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(self.state(), before);
    }
}

#[test]
fn a_plan_leaves_all_as_it_was() {
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
fn what_does_not_go_is_named() {
    let Some(repository) = Repository::new() else {
        return;
    };
    repository.refuses("0.0.9", "0.0.9 is older than 0.1.0");
    repository.refuses("two", "`two` is no version");
    repository.git(&["tag", "v0.2.0"]);
    repository.refuses("0.2.0", "tag v0.2.0 exists");
    repository.write("new", "");
    repository.refuses("0.3.0", "uncommitted changes:\n?? new");
    fs::remove_file(repository.place.checkout.join("new")).unwrap();

    repository.write("CHANGELOG.md", "# Changelog\n\n## Unreleased\n");
    repository.git(&["commit", "--quiet", "--all", "--message", "no words"]);
    repository.refuses("0.3.0", "CHANGELOG.md: says nothing");
    repository.git(&["checkout", "--quiet", "--detach"]);
    repository.refuses("0.3.0", "no branch is checked out");
}

#[test]
fn the_commit_and_the_tag_come_over_together() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let place = &repository.place;
    let (release, scratch) = repository.tagged();
    scratch.bring_over(place, &release).unwrap();

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
    let lock = fs::read_to_string(place.checkout.join("Cargo.lock")).unwrap();
    assert!(lock.contains("version = \"0.2.0\""), "{lock}");
    repository.refuses("0.2.0", "tag v0.2.0 exists");
}

#[test]
fn a_checkout_that_went_on_gets_no_release() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let place = &repository.place;
    let (release, scratch) = repository.tagged();
    repository.git(&["commit", "--quiet", "--allow-empty", "--message", "more"]);
    let before = repository.state();
    let error = scratch.bring_over(place, &release).unwrap_err().to_string();
    assert!(error.contains("changed meanwhile"), "{error}");
    assert_eq!(repository.state(), before);
}

#[test]
fn a_tag_that_came_meanwhile_keeps_the_commit_away() {
    let Some(repository) = Repository::new() else {
        return;
    };
    let place = &repository.place;
    let (release, scratch) = repository.tagged();
    repository.git(&["tag", "v0.2.0"]);
    let before = repository.state();
    assert!(scratch.bring_over(place, &release).is_err());
    assert_eq!(repository.state(), before);
}

#[test]
fn the_extent_can_be_chosen() {
    let extent = |line: &str| parse::<Args>(line).map(|args| (args.version.clone(), args.extent()));
    let expected = |extent| Some(("1.0.0".to_owned(), extent));
    assert_eq!(extent("1.0.0"), expected(Extent::All));
    assert_eq!(extent("1.0.0 --dry-run"), expected(Extent::DryRun));
    assert_eq!(extent("--plan 1.0.0"), expected(Extent::Plan));
}

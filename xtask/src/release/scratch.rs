//! The clone in which a release is made, and the transfer of its commit and tag to the checkout.
//!
//! It owns the use of git. The clone is deleted with the value. Invariant: the checkout changes in one step, at the end,
//! and only if it is still at the commit of the release.

use std::fs;

use tempfile::TempDir;

use super::{CHANGELOG, Release, manifest};
use crate::dist::BuildPaths;
use crate::shell::{Result, read, run};

/// A clone of the checkout.
pub(super) struct Scratch {
    pub(super) paths: BuildPaths,
    _folder: TempDir,
}

impl Scratch {
    /// Clones the checkout. The clone shares its target directory, so that dependencies are not built again.
    pub(super) fn clone(paths: &BuildPaths, release: &Release) -> Result<Scratch> {
        fs::create_dir_all(&paths.target)?;
        let folder = tempfile::Builder::new()
            .prefix("release-")
            .tempdir_in(&paths.target)?;
        let scratch = Scratch {
            paths: BuildPaths {
                checkout: folder.path().join("akvs"),
                ..paths.clone()
            },
            _folder: folder,
        };
        let mut clone = paths.git(&["clone", "--quiet", "--no-local", "--branch"]);
        clone.arg(&release.branch).arg(".");
        run(clone.arg(&scratch.paths.checkout))?;
        // They may be set for this checkout only.
        for key in ["user.name", "user.email"] {
            if let Ok(value) = read(&mut paths.git(&["config", "--get", key])) {
                run(&mut scratch.paths.git(&["config", key, value.trim_end()]))?;
            }
        }
        Ok(scratch)
    }

    /// Commits the version and the date of the release.
    pub(super) fn commit(&self, release: &Release) -> Result {
        let path = self.paths.checkout.join(manifest::PATH);
        let text = fs::read_to_string(&path)?;
        fs::write(&path, manifest::with_version(&text, &release.version)?)?;
        fs::write(self.paths.checkout.join(CHANGELOG), &release.changelog)?;
        // Only the crates of the workspace: the tested versions of all others stay locked.
        run(&mut self
            .paths
            .cargo(&["update", "--workspace", "--offline", "--quiet"]))?;
        let message = format!("Release {}", release.version);
        run(&mut self
            .paths
            .git(&["commit", "--quiet", "--all", "--message", &message]))
    }

    /// Creates the tag, with the version's part of the changelog as its message.
    pub(super) fn tag(&self, release: &Release) -> Result {
        let message = format!("AKVS {}\n\n{}\n", release.version, release.notes);
        let file = self.paths.checkout.join(".git/release-notes");
        fs::write(&file, message)?;
        // By default git removes headings as comments.
        let mut tag = self
            .paths
            .git(&["tag", "--annotate", "--cleanup=whitespace"]);
        run(tag.arg("--file").arg(file).arg(&release.tag))
    }

    /// Adds the commit to the checkout's branch, and the tag to its tags.
    pub(super) fn apply(&self, paths: &BuildPaths, release: &Release) -> Result {
        let (branch, tag) = (&release.branch, &release.tag);
        let git = |arguments: &[&str]| -> Result<String> {
            Ok(read(&mut paths.git(arguments))?.trim().to_owned())
        };
        let is_same = git(&["rev-parse", "HEAD"])? == release.head
            && git(&["branch", "--show-current"])? == *branch
            && git(&["status", "--porcelain"])?.is_empty();
        if !is_same {
            return Err("the checkout has changed since the release began".into());
        }
        let mut fetch = paths.git(&["fetch", "--quiet", "--no-tags"]);
        fetch.arg(&self.paths.checkout);
        run(fetch.arg(format!("refs/tags/{tag}")))?;
        let object = git(&["rev-parse", "FETCH_HEAD"])?;
        run(&mut paths.git(&["merge", "--quiet", "--ff-only", "FETCH_HEAD"]))?;
        let name = format!("refs/tags/{tag}");
        // The zeros require that the tag does not exist.
        let create = ["update-ref", &name, &object, &"0".repeat(object.len())];
        run(&mut paths.git(&create)).inspect_err(|_| {
            // The commit must not stay without its tag.
            let _ = run(&mut paths.git(&["reset", "--quiet", "--keep", &release.head]));
        })
    }
}

//! The clone in which a release is made, and the way of its commit and tag into the checkout.
//!
//! Owns what git does. The clone is gone with the value. Invariant: the checkout changes in one step, at the end, and
//! only if it is still what the release was made of.

use std::fs;

use tempfile::TempDir;

use super::{CHANGELOG, Release, manifest};
use crate::dist::Place;
use crate::shell::{Result, read, run};

/// A clone.
pub(super) struct Scratch {
    pub(super) place: Place,
    _folder: TempDir,
}

impl Scratch {
    /// A clone of the checkout. What is built goes where it always goes, so that nothing is built twice for it.
    pub(super) fn clone(place: &Place, release: &Release) -> Result<Scratch> {
        fs::create_dir_all(&place.target)?;
        let folder = tempfile::Builder::new()
            .prefix("release-")
            .tempdir_in(&place.target)?;
        let scratch = Scratch {
            place: Place {
                checkout: folder.path().join("akvs"),
                ..place.clone()
            },
            _folder: folder,
        };
        let mut clone = place.git(&["clone", "--quiet", "--no-local", "--branch"]);
        clone.arg(&release.branch).arg(".");
        run(clone.arg(&scratch.place.checkout))?;
        // Who releases is said in the checkout, if not for all.
        for key in ["user.name", "user.email"] {
            if let Ok(value) = read(&mut place.git(&["config", "--get", key])) {
                run(&mut scratch.place.git(&["config", key, value.trim_end()]))?;
            }
        }
        Ok(scratch)
    }

    /// The commit of the release: version and date, and nothing else.
    pub(super) fn commit(&self, release: &Release) -> Result {
        let path = self.place.checkout.join(manifest::PATH);
        let text = fs::read_to_string(&path)?;
        fs::write(&path, manifest::with_version(&text, &release.version)?)?;
        fs::write(self.place.checkout.join(CHANGELOG), &release.changelog)?;
        // Of the crates of the workspace alone, so that what was tested is what is locked.
        run(&mut self
            .place
            .cargo(&["update", "--workspace", "--offline", "--quiet"]))?;
        let message = format!("Release {}", release.version);
        run(&mut self
            .place
            .git(&["commit", "--quiet", "--all", "--message", &message]))
    }

    /// The tag, whose text is what the changelog says.
    pub(super) fn tag(&self, release: &Release) -> Result {
        let message = format!("AKVS {}\n\n{}\n", release.version, release.notes);
        let file = self.place.checkout.join(".git/notes-of-the-release");
        fs::write(&file, message)?;
        // Left to itself, git would take the headings for comments.
        let mut tag = self
            .place
            .git(&["tag", "--annotate", "--cleanup=whitespace"]);
        run(tag.arg("--file").arg(file).arg(&release.tag))
    }

    /// Adds the commit to the checkout's branch, and the tag to its tags.
    pub(super) fn bring_over(&self, place: &Place, release: &Release) -> Result {
        let (branch, tag) = (&release.branch, &release.tag);
        let git = |arguments: &[&str]| -> Result<String> {
            Ok(read(&mut place.git(arguments))?.trim().to_owned())
        };
        let is_same = git(&["rev-parse", "HEAD"])? == release.head
            && git(&["branch", "--show-current"])? == *branch
            && git(&["status", "--porcelain"])?.is_empty();
        if !is_same {
            return Err("the checkout changed meanwhile: this is no release of it any more".into());
        }
        let mut fetch = place.git(&["fetch", "--quiet", "--no-tags"]);
        fetch.arg(&self.place.checkout);
        run(fetch.arg(format!("refs/tags/{tag}")))?;
        let object = git(&["rev-parse", "FETCH_HEAD"])?;
        run(&mut place.git(&["merge", "--quiet", "--ff-only", "FETCH_HEAD"]))?;
        let name = format!("refs/tags/{tag}");
        // All zeros: only if nothing has that name.
        let create = ["update-ref", &name, &object, &"0".repeat(object.len())];
        run(&mut place.git(&create)).inspect_err(|_| {
            // Then the commit is not wanted either.
            let _ = run(&mut place.git(&["reset", "--quiet", "--keep", &release.head]));
        })
    }
}

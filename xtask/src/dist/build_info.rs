//! The build info of a release: version, commit and date.
//!
//! It owns their sources: Cargo.toml, git, or the environment. Invariant: the date is that of the commit, so that a
//! later build of the commit is the same.

use std::env;

use super::BuildPaths;
use crate::shell::{Result, read};

/// The mark of a commit whose checkout has uncommitted changes.
const DIRTY: &str = "-dirty";

/// The build info of a release.
#[derive(Debug)]
pub(super) struct BuildInfo {
    pub(super) version: String,
    pub(super) commit: String,
    /// The date, in seconds since 1970.
    pub(super) epoch: u64,
}

impl BuildInfo {
    /// Reads the info of a checkout; the environment overrides git.
    pub(super) fn read(paths: &BuildPaths) -> Result<BuildInfo> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let commit = variable("AKVS_COMMIT").map_or_else(|| commit(paths), Ok)?;
        let date = variable("SOURCE_DATE_EPOCH").map_or_else(|| date(paths), Ok)?;
        Ok(BuildInfo {
            version: version(paths)?,
            commit,
            epoch: date
                .trim()
                .parse()
                .map_err(|_| format!("invalid date \"{date}\": expected seconds since 1970"))?,
        })
    }

    /// Returns whether the checkout has changes that are not in the commit.
    pub(super) fn is_dirty(&self) -> bool {
        self.commit.ends_with(DIRTY)
    }
}

fn version(paths: &BuildPaths) -> Result<String> {
    let metadata = paths.metadata()?;
    let akvs = metadata
        .packages
        .iter()
        .find(|package| package.name == "akvs" && package.source.is_none());
    Ok(akvs.ok_or("there is no package akvs")?.version.to_string())
}

fn commit(paths: &BuildPaths) -> Result<String> {
    let commit = read(&mut paths.git(&["rev-parse", "HEAD"]))
        .map_err(|error| format!("{error}; without git, set AKVS_COMMIT"))?;
    let changes = read(&mut paths.git(&["status", "--porcelain"]))?;
    let mark = if changes.is_empty() { "" } else { DIRTY };
    Ok(format!("{}{mark}", commit.trim()))
}

fn date(paths: &BuildPaths) -> Result<String> {
    read(&mut paths.git(&["show", "--no-patch", "--format=%ct", "HEAD"]))
        .map_err(|error| format!("{error}; without git, set SOURCE_DATE_EPOCH").into())
}

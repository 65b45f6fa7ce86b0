//! What a release is made of: version, commit and date, which all of its files agree on.
//!
//! The date is the commit's, so that a release built later is the same. Does not judge whether this should be released.

use std::env;

use super::Place;
use crate::shell::{Result, read};

/// What marks a commit whose checkout had other files, too.
const DIRTY: &str = "-dirty";

/// Version, commit and date.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) version: String,
    pub(super) commit: String,
    /// The date, in seconds since 1970.
    pub(super) epoch: u64,
}

impl Origin {
    /// What a checkout says, unless the environment says otherwise: where there is no git, only that can.
    pub(super) fn of(place: &Place) -> Result<Origin> {
        let given = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let commit = given("AKVS_COMMIT").map_or_else(|| commit(place), Ok)?;
        let date = given("SOURCE_DATE_EPOCH").map_or_else(|| date(place), Ok)?;
        Ok(Origin {
            version: version(place)?,
            commit,
            epoch: date
                .trim()
                .parse()
                .map_err(|_| format!("the date `{date}` is no count of seconds since 1970"))?,
        })
    }

    /// Whether the commit alone does not say what the release is made of.
    pub(super) fn is_dirty(&self) -> bool {
        self.commit.ends_with(DIRTY)
    }
}

fn version(place: &Place) -> Result<String> {
    let metadata = place.metadata()?;
    let ours = metadata
        .packages
        .iter()
        .find(|package| package.name == "akvs" && package.source.is_none());
    Ok(ours.ok_or("there is no package akvs")?.version.to_string())
}

fn commit(place: &Place) -> Result<String> {
    let commit = read(&mut place.git(&["rev-parse", "HEAD"]))
        .map_err(|error| format!("{error}; without git, AKVS_COMMIT has to say the commit"))?;
    let changes = read(&mut place.git(&["status", "--porcelain"]))?;
    let mark = if changes.is_empty() { "" } else { DIRTY };
    Ok(format!("{}{mark}", commit.trim()))
}

fn date(place: &Place) -> Result<String> {
    read(&mut place.git(&["show", "--no-patch", "--format=%ct", "HEAD"])).map_err(|error| {
        format!("{error}; without git, SOURCE_DATE_EPOCH has to say the date").into()
    })
}

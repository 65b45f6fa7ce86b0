//! What must be true of a release.
//!
//! Owns the list of checks and their order; each is a file beside. A check changes nothing of the release, ends what it
//! starts, and says in one line what it could not try here.

mod deb;
mod empty_root;
mod image;
mod page;
mod session;
mod tarball;
mod texts;
mod unit;
mod unpacked;

use super::Release;
use crate::shell::{Result, timed};

type Check = fn(&Release) -> Result;

const CHECKS: &[(&str, Check)] = &[
    ("what is in the tarball", tarball::check),
    ("completions, manual and bill", texts::check),
    ("the units for systemd", unit::check),
    ("unpacked anywhere", unpacked::check),
    ("in an empty root", empty_root::check),
    ("the Debian package", deb::check),
    ("the container's image", image::check),
];

/// All checks, one after the other.
pub(super) fn check(release: &Release) -> Result {
    for (what, check) in CHECKS {
        timed(what, || check(release))?;
    }
    Ok(())
}

/// That something is as it should be; else an error that shows it.
fn expect(what: &str, found: &str, is_good: impl Fn(&str) -> bool) -> Result {
    match is_good(found) {
        true => Ok(()),
        false => Err(format!("{what}: this is not what it should be: {found}").into()),
    }
}

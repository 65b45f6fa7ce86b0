//! The checks of a release.
//!
//! It owns the list of checks and their order; each is in a file of its own. A check does not change the release, ends
//! what it starts, and prints in one line what it could not check on this machine.

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

/// Runs all checks in order.
pub(super) fn check(release: &Release) -> Result {
    for (what, check) in CHECKS {
        timed(what, || check(release))?;
    }
    Ok(())
}

/// Returns an error that shows the value if a condition does not hold.
fn expect(what: &str, found: &str, is_good: impl Fn(&str) -> bool) -> Result {
    match is_good(found) {
        true => Ok(()),
        false => Err(format!("{what}: unexpected: {found}").into()),
    }
}

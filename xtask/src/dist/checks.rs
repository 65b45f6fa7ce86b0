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
    ("the contents of the tarball", tarball::check),
    ("completions, manual and bill of materials", texts::check),
    ("the systemd units", unit::check),
    ("the unpacked release", unpacked::check),
    ("the program in an empty root", empty_root::check),
    ("the Debian package", deb::check),
    ("the container image", image::check),
];

/// Runs all checks in order.
pub(super) fn check(release: &Release) -> Result {
    for (name, check) in CHECKS {
        timed(name, || check(release))?;
    }
    Ok(())
}

/// Returns an error that shows the value if a condition does not hold.
fn expect(name: &str, found: &str, condition: impl Fn(&str) -> bool) -> Result {
    match condition(found) {
        true => Ok(()),
        false => Err(format!("{name}: unexpected: {found}").into()),
    }
}

//! The units for systemd: whether systemd understands them, and how little they let the server do.
//!
//! Owns no units and starts no service. Needs `systemd-analyze`; without it one line says that nothing was tried.

use std::fs;
use std::path::Path;

use crate::dist::Release;
use crate::shell::{Result, Tool, on_path, program, provide};

const ANALYZE: &str = "systemd-analyze";
const SYSTEMD: Tool = Tool {
    name: "systemd",
    without: "the units for systemd were not checked",
};
/// Where a package puts the program, and the units therefore look for it.
const INSTALLED: &str = "/usr/bin/akvs";
const SERVICE: &str = "akvs.service";
const UNITS: [&str; 2] = [SERVICE, "akvs.socket"];
/// What the service says of itself, in a comment.
const EXPOSURE: &str = "# Exposure: ";

/// Checks the units of a release, which are to start its program.
pub(super) fn check(release: &Release) -> Result {
    if !on_path(ANALYZE) && !provide(&SYSTEMD) {
        return Ok(());
    }
    let copies = tempfile::tempdir()?;
    let folder = release.folder.join("share/systemd");
    let akvs = release.folder.join("bin/akvs");
    let akvs = akvs.to_str().ok_or("a path that is not UTF-8")?;
    for unit in UNITS {
        let text = fs::read_to_string(folder.join(unit))?;
        fs::write(copies.path().join(unit), text.replace(INSTALLED, akvs))?;
    }
    verify(copies.path())?;
    let said = exposure(&fs::read_to_string(folder.join(SERVICE))?)?;
    // It counts in tenths.
    let threshold = format!("--threshold={said}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    let judged = analyze(copies.path(), &arguments).arg(SERVICE).output()?;
    let report = String::from_utf8_lossy(&judged.stdout);
    let sum = report.lines().rev().find(|line| !line.trim().is_empty());
    eprintln!("{}", sum.unwrap_or_default().trim());
    match judged.status.success() {
        true => Ok(()),
        false => {
            let why = format!("{SERVICE} lets the server do more than it says at its top");
            Err(format!("{why}:\n{report}").into())
        }
    }
}

/// Whether systemd understands all of it, without a word.
fn verify(folder: &Path) -> Result {
    let mut verify = analyze(folder, &["verify", "--man=no"]);
    let output = verify.args(UNITS.map(|unit| folder.join(unit))).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.success() && said.trim().is_empty() {
        true => Ok(()),
        false => Err(format!("systemd does not understand the units:\n{said}").into()),
    }
}

fn analyze(folder: &Path, arguments: &[&str]) -> std::process::Command {
    let mut analyze = program(ANALYZE, arguments);
    analyze.current_dir(folder);
    analyze
}

/// The exposure that a unit says of itself, in tenths.
fn exposure(unit: &str) -> Result<u32> {
    let said = unit.lines().find_map(|line| line.strip_prefix(EXPOSURE));
    let number = said.and_then(|said| said.split(' ').next()?.split_once('.'));
    let (whole, tenths) = number.ok_or_else(|| format!("{SERVICE} says no {EXPOSURE:?}"))?;
    Ok(10 * whole.parse::<u32>()? + tenths.trim_end().parse::<u32>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposure_is_read_in_tenths() {
        let unit = "# A comment\n# Exposure: 1.2 (as it is)\n[Unit]\n";
        assert_eq!(exposure(unit).unwrap(), 12);
        for none in ["", "# Exposure: low", "# Exposure: 1.x (so)"] {
            assert!(exposure(none).is_err(), "{none:?}");
        }
    }
}

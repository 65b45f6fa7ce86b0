//! The check of the systemd units: their syntax, and the exposure of the service.
//!
//! It starts no service. It needs `systemd-analyze`; without it, it prints a note.

use std::fs;
use std::path::Path;

use crate::dist::Release;
use crate::shell::{Result, Tool, on_path, program, provide};

const ANALYZE: &str = "systemd-analyze";
const SYSTEMD: Tool = Tool {
    name: "systemd",
    without: "the systemd units will not be checked",
};
/// The path of the program in the units.
const INSTALLED: &str = "/usr/bin/akvs";
const SERVICE: &str = "akvs.service";
const UNITS: [&str; 2] = [SERVICE, "akvs.socket"];
/// The comment with the exposure of the service.
const EXPOSURE: &str = "# Exposure: ";

/// Checks the units of a release.
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
    let exposure = exposure(&fs::read_to_string(folder.join(SERVICE))?)?;
    let threshold = format!("--threshold={exposure}");
    let arguments = ["security", "--offline=true", "--no-pager", &threshold];
    let output = analyze(copies.path(), &arguments).arg(SERVICE).output()?;
    let report = String::from_utf8_lossy(&output.stdout);
    let summary = report.lines().rev().find(|line| !line.trim().is_empty());
    eprintln!("{}", summary.unwrap_or_default().trim());
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "the exposure of {SERVICE} is higher than its first comment states:\n{report}"
        )
        .into()),
    }
}

/// Checks that systemd accepts the units without a warning.
fn verify(folder: &Path) -> Result {
    let mut verify = analyze(folder, &["verify", "--man=no"]);
    let output = verify.args(UNITS.map(|unit| folder.join(unit))).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.success() && errors.trim().is_empty() {
        true => Ok(()),
        false => Err(format!("systemd-analyze rejects the units:\n{errors}").into()),
    }
}

fn analyze(folder: &Path, arguments: &[&str]) -> std::process::Command {
    let mut analyze = program(ANALYZE, arguments);
    analyze.current_dir(folder);
    analyze
}

/// Returns the exposure in the comment of a unit, in tenths.
fn exposure(unit: &str) -> Result<u32> {
    let text = unit.lines().find_map(|line| line.strip_prefix(EXPOSURE));
    let number = text.and_then(|text| text.split(' ').next()?.split_once('.'));
    let (units, tenths) = number.ok_or_else(|| format!("{SERVICE} has no {EXPOSURE:?}"))?;
    Ok(10 * units.parse::<u32>()? + tenths.trim_end().parse::<u32>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exposure_is_read_in_tenths() {
        let unit = "# A comment\n# Exposure: 1.2 (as it is)\n[Unit]\n";
        assert_eq!(exposure(unit).unwrap(), 12);
        for invalid in ["", "# Exposure: low", "# Exposure: 1.x (so)"] {
            assert!(exposure(invalid).is_err(), "{invalid:?}");
        }
    }
}

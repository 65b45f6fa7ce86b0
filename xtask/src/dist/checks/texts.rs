//! The files that other programs read: completions, the manual, the bill of materials.
//!
//! Owns which program judges which file. Without that program, one line says what was not tried.

use std::fs;
use std::process::Command;

use cyclonedx_bom::prelude::{Bom, SpecVersion, Validate};

use crate::dist::Release;
use crate::shell::{Result, on_path};

/// A program, and how it judges which file.
struct Judge {
    program: &'static str,
    arguments: &'static [&'static str],
    file: &'static str,
}

const JUDGES: &[Judge] = &[
    Judge {
        program: "bash",
        arguments: &["-n"],
        file: "share/completions/akvs.bash",
    },
    Judge {
        program: "zsh",
        arguments: &["-n"],
        file: "share/completions/_akvs",
    },
    Judge {
        program: "fish",
        arguments: &["--no-execute"],
        file: "share/completions/akvs.fish",
    },
    Judge {
        program: "groff",
        arguments: &["-man", "-ww", "-z", "-Tutf8"],
        file: "share/man/man1/akvs.1",
    },
];
/// What a bill of this program has among much else.
const ON_THE_BILL: &[&str] = &["pkg:cargo/fjall@", "pkg:generic/musl@", "pkg:generic/zstd@"];

/// Checks the texts of a release.
pub(crate) fn check(release: &Release) -> Result {
    for judge in JUDGES {
        if !on_path(judge.program) {
            eprintln!("not tried: {}, as {} is missing", judge.file, judge.program);
            continue;
        }
        let mut command = Command::new(judge.program);
        command.args(judge.arguments);
        let output = command.arg(release.folder.join(judge.file)).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        // Warnings are no failures to these programs, but they are to us.
        if !output.status.success() || !errors.is_empty() {
            return Err(format!("{} finds in {}:\n{errors}", judge.program, judge.file).into());
        }
    }
    bill(release)
}

fn bill(release: &Release) -> Result {
    let bytes = fs::read(release.folder.join("share/doc/akvs.cdx.json"))?;
    let bill = Bom::parse_from_json_v1_5(bytes.as_slice())?;
    let judged = bill.validate_version(SpecVersion::V1_5);
    if !judged.passed() {
        return Err(format!("the bill of materials is not valid: {judged:?}").into());
    }
    let components = bill.components.iter().flat_map(|components| &components.0);
    let names: Vec<&str> = components
        .filter_map(|component| component.bom_ref.as_deref())
        .collect();
    for begin in ON_THE_BILL {
        if !names.iter().any(|name| name.starts_with(begin)) {
            return Err(format!("{begin} is not on the bill of materials").into());
        }
    }
    Ok(())
}

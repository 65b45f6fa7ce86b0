//! The check of the files that other programs read: completions, the manual, the bill of materials.
//!
//! It owns which program checks which file. If a program is missing, it prints what was skipped.

use std::fs;
use std::process::Command;

use cyclonedx_bom::prelude::{Bom, SpecVersion, Validate};

use crate::dist::Release;
use crate::shell::{Result, on_path};

/// A program that checks a file.
struct Linter {
    program: &'static str,
    arguments: &'static [&'static str],
    file: &'static str,
}

const LINTERS: &[Linter] = &[
    Linter {
        program: "bash",
        arguments: &["-n"],
        file: "share/completions/akvs.bash",
    },
    Linter {
        program: "zsh",
        arguments: &["-n"],
        file: "share/completions/_akvs",
    },
    Linter {
        program: "fish",
        arguments: &["--no-execute"],
        file: "share/completions/akvs.fish",
    },
    Linter {
        program: "groff",
        arguments: &["-man", "-ww", "-z", "-Tutf8"],
        file: "share/man/man1/akvs.1",
    },
];
/// A part of the components that the bill of materials must list.
const COMPONENTS: &[&str] = &[
    "pkg:cargo/lsm-tree@",
    "pkg:generic/musl@",
    "pkg:generic/zstd@",
];

/// Checks the texts of a release.
pub(crate) fn check(release: &Release) -> Result {
    for linter in LINTERS {
        let Linter { program, file, .. } = linter;
        if !on_path(program) {
            eprintln!("skipped the check of {file}: {program} is not installed");
            continue;
        }
        let mut command = Command::new(program);
        command.args(linter.arguments);
        let output = command.arg(release.folder.join(file)).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        // The exit code of these programs ignores warnings.
        if !output.status.success() || !errors.is_empty() {
            return Err(format!("{program} rejects {file}:\n{errors}").into());
        }
    }
    check_sbom(release)
}

fn check_sbom(release: &Release) -> Result {
    let bytes = fs::read(release.folder.join("share/doc/akvs.cdx.json"))?;
    let sbom = Bom::parse_from_json_v1_5(bytes.as_slice())?;
    let validation = sbom.validate_version(SpecVersion::V1_5);
    if !validation.passed() {
        return Err(format!("invalid bill of materials: {validation:?}").into());
    }
    let components = sbom.components.iter().flat_map(|components| &components.0);
    let names: Vec<&str> = components
        .filter_map(|component| component.bom_ref.as_deref())
        .collect();
    for prefix in COMPONENTS {
        if !names.iter().any(|name| name.starts_with(prefix)) {
            return Err(format!("the bill of materials does not list {prefix}").into());
        }
    }
    Ok(())
}

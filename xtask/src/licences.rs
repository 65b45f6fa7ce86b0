//! `cargo xtask licences`: checks the licences and sources of the dependencies against `.deny.toml`.
//!
//! It makes the check for developers without cargo-deny, which checks more. It does not check advisories: their
//! database needs the network. A crate without a readable licence is rejected.

use std::fs;

use cargo_metadata::{CargoOpt, MetadataCommand, Package};
use spdx::{Expression, Licensee, ParseMode};

use crate::shell::{Result, cargo, on_path, root, run};

/// Checks the licences and sources of all dependencies, on all platforms.
pub(crate) fn licences() -> Result {
    println!(
        "advisories were not checked, their database needs the network: cargo deny check advisories"
    );
    if on_path("cargo-deny") {
        return run(&mut cargo(&[
            "deny",
            "--offline",
            "check",
            "bans",
            "licenses",
            "sources",
        ]));
    }
    let allowed = allowed(&fs::read_to_string(root().join(".deny.toml"))?)?;
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .features(CargoOpt::AllFeatures)
        .exec()?;
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter_map(|package| {
            Some(format!(
                "{} {}: {}",
                package.name,
                package.version,
                refusal(package, &allowed)?
            ))
        })
        .collect();
    for line in &refused {
        println!("{line}");
    }
    match refused.len() {
        0 => {
            println!(
                "{} packages, all with allowed licences",
                metadata.packages.len()
            );
            Ok(())
        }
        count => Err(format!("{count} packages are rejected by .deny.toml").into()),
    }
}

fn allowed(config: &str) -> Result<Vec<Licensee>> {
    let config: toml::Table = config.parse()?;
    let list = config
        .get("licenses")
        .and_then(|licenses| licenses.get("allow"))
        .and_then(toml::Value::as_array)
        .ok_or("no list licenses.allow in .deny.toml")?;
    list.iter()
        .map(|name| {
            let name = name
                .as_str()
                .ok_or("invalid licenses.allow: expected strings")?;
            Licensee::parse(name)
                .map_err(|error| format!("licenses.allow: `{name}`: {error}").into())
        })
        .collect()
}

fn refusal(package: &Package, allowed: &[Licensee]) -> Option<String> {
    if package
        .source
        .as_ref()
        .is_some_and(|source| !source.is_crates_io())
    {
        return Some("is not from the package registry".to_owned());
    }
    match &package.license {
        Some(licence) => check_licence(licence, allowed).err(),
        None => Some("states no licence".to_owned()),
    }
}

fn check_licence(licence: &str, allowed: &[Licensee]) -> std::result::Result<(), String> {
    // Lenient, because old crates write `MIT/Apache-2.0`.
    let expression = Expression::parse_mode(licence, ParseMode::LAX)
        .map_err(|error| format!("`{licence}`: {error}"))?;
    let satisfied = expression.evaluate(|requirement| {
        allowed
            .iter()
            .any(|licensee| licensee.satisfies(requirement))
    });
    match satisfied {
        true => Ok(()),
        false => Err(format!("licence `{licence}` is not allowed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_need_one_allowed_licence_and_conjunctions_all() {
        let list = allowed("[licenses]\nallow = ['MIT', 'Apache-2.0']").unwrap();
        for accepted in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "MIT AND Apache-2.0",
        ] {
            assert_eq!(check_licence(accepted, &list), Ok(()), "{accepted}");
        }
        for refused in ["GPL-3.0-only", "MIT AND MPL-2.0", "no such licence", ""] {
            assert!(check_licence(refused, &list).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_is_an_error() {
        for broken in [
            "",
            "[licenses]\nallow = 'MIT'",
            "[licenses]\nallow = ['nonsense']",
            "[licenses]\nallow = [1]",
        ] {
            assert!(allowed(broken).is_err(), "{broken}");
        }
    }
}

//! The static program, built so that it does not show where.
//!
//! Owns the compilers' flags. Invariant: none of the folders of a place is in the program: they have fixed names there
//! instead, in Rust as in C.

use std::path::{Path, PathBuf};

use super::build_info::Origin;
use super::{Place, TARGET};
use crate::shell::{Result, program, read, run_as};

/// What cc-rs calls the target's C flags, the general ones besides.
const C_FLAGS: &str = "CFLAGS_x86_64_unknown_linux_musl";
const OTHER_C_FLAGS: &[&str] = &[
    "CFLAGS",
    "TARGET_CFLAGS",
    "CFLAGS_x86_64-unknown-linux-musl",
];
/// What separates the flags of CARGO_ENCODED_RUSTFLAGS.
const SEPARATOR: &str = "\x1f";

/// Builds the program with a profile of Cargo.toml, and says where it is.
pub(super) fn build(place: &Place, origin: &Origin, profile: &str) -> Result<PathBuf> {
    let names = names(place)?;
    let rust: Vec<String> = names.iter().map(|name| name.of_rust()).collect();
    let c: Vec<String> = names.iter().map(Name::of_c).collect();
    let mut build = place.cargo(&["build", "--locked", "--package", "akvs", "--bin", "akvs"]);
    build.args(["--target", TARGET, "--profile", profile]);
    for name in OTHER_C_FLAGS {
        build.env_remove(name);
    }
    build
        .env("AKVS_COMMIT", &origin.commit)
        .env("SOURCE_DATE_EPOCH", origin.epoch.to_string())
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join(SEPARATOR))
        .env("CC_SHELL_ESCAPED_FLAGS", "1")
        .env(C_FLAGS, c.join(" "));
    // All else that is set would fill the screen.
    run_as(
        &format!("cargo build --package akvs --target {TARGET} --profile {profile}"),
        &mut build,
    )?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(place.target.join(TARGET).join(folder).join("akvs"))
}

/// A folder, and what it is called in the program.
struct Name {
    folder: PathBuf,
    name: String,
}

impl Name {
    fn of_rust(&self) -> String {
        format!(
            "--remap-path-prefix={}={}",
            self.folder.display(),
            self.name
        )
    }

    fn of_c(&self) -> String {
        format!(
            "'-ffile-prefix-map={}={}'",
            self.folder.display(),
            self.name
        )
    }
}

/// The folders that compilers see; the last that fits counts.
fn names(place: &Place) -> Result<Vec<Name>> {
    let sysroot = read(&mut program("rustc", &["--print", "sysroot"]))?;
    let version = read(&mut program("rustc", &["--version", "--verbose"]))?;
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))
        .ok_or("rustc does not say its commit")?;
    let name = |folder: &Path, name: &str| Name {
        folder: folder.to_owned(),
        name: name.to_owned(),
    };
    Ok(vec![
        name(&place.checkout, "/akvs"),
        name(&place.cargo_home, "/cargo"),
        name(&place.target, "/target"),
        // With its sources installed, the standard library's paths would be those of this machine.
        name(
            &Path::new(sysroot.trim()).join("lib/rustlib/src/rust"),
            &format!("/rustc/{commit}"),
        ),
    ])
}

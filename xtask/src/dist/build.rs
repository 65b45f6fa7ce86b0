//! The build of the static program.
//!
//! It owns the compilers' flags. Invariant: the program contains no path of the build; Rust and C code have fixed names
//! for its directories.

use std::path::{Path, PathBuf};

use super::build_info::BuildInfo;
use super::{BuildPaths, TARGET};
use crate::shell::{Result, program, read, run_as};

/// The variable of cc-rs for the C flags of the target, and its other variables for C flags.
const C_FLAGS: &str = "CFLAGS_x86_64_unknown_linux_musl";
const OTHER_C_FLAGS: &[&str] = &[
    "CFLAGS",
    "TARGET_CFLAGS",
    "CFLAGS_x86_64-unknown-linux-musl",
];
/// The separator of the flags in CARGO_ENCODED_RUSTFLAGS.
const SEPARATOR: &str = "\x1f";

/// Builds the program with a profile of Cargo.toml; returns its path.
pub(super) fn build(paths: &BuildPaths, build_info: &BuildInfo, profile: &str) -> Result<PathBuf> {
    let remaps = remaps(paths)?;
    let rust: Vec<String> = remaps.iter().map(Remap::rust_flag).collect();
    let c: Vec<String> = remaps.iter().map(Remap::c_flag).collect();
    let mut build = paths.cargo(&["build", "--locked", "--package", "akvs", "--bin", "akvs"]);
    build.args(["--target", TARGET, "--profile", profile]);
    for name in OTHER_C_FLAGS {
        build.env_remove(name);
    }
    build
        .env("AKVS_COMMIT", &build_info.commit)
        .env("SOURCE_DATE_EPOCH", build_info.epoch.to_string())
        .env("CARGO_ENCODED_RUSTFLAGS", rust.join(SEPARATOR))
        .env("CC_SHELL_ESCAPED_FLAGS", "1")
        .env(C_FLAGS, c.join(" "));
    // The variables would fill the screen.
    run_as(
        &format!("cargo build --package akvs --target {TARGET} --profile {profile}"),
        &mut build,
    )?;
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(paths.target.join(TARGET).join(folder).join("akvs"))
}

/// A directory, and its name in the program.
struct Remap {
    folder: PathBuf,
    name: String,
}

impl Remap {
    fn rust_flag(&self) -> String {
        format!(
            "--remap-path-prefix={}={}",
            self.folder.display(),
            self.name
        )
    }

    fn c_flag(&self) -> String {
        format!(
            "'-ffile-prefix-map={}={}'",
            self.folder.display(),
            self.name
        )
    }
}

/// Returns the directories that compilers see; the last that matches a path counts.
fn remaps(paths: &BuildPaths) -> Result<Vec<Remap>> {
    let sysroot = read(&mut program("rustc", &["--print", "sysroot"]))?;
    let version = read(&mut program("rustc", &["--version", "--verbose"]))?;
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))
        .ok_or("rustc --version --verbose has no commit-hash")?;
    let remap = |folder: &Path, name: &str| Remap {
        folder: folder.to_owned(),
        name: name.to_owned(),
    };
    Ok(vec![
        remap(&paths.checkout, "/akvs"),
        remap(&paths.cargo_home, "/cargo"),
        remap(&paths.target, "/target"),
        // If its sources are installed, the standard library has paths of this machine.
        remap(
            &Path::new(sysroot.trim()).join("lib/rustlib/src/rust"),
            &format!("/rustc/{commit}"),
        ),
    ])
}

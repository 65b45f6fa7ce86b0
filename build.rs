//! Tells the program which commit it is built from: what `AKVS_COMMIT` says, else what git says, else nothing.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=AKVS_COMMIT");
    let given = std::env::var("AKVS_COMMIT").ok();
    let commit = given
        .filter(|commit| !commit.is_empty())
        .or_else(checked_out)
        .unwrap_or_else(|| "unknown".to_owned());
    // Not with the prefix of settings: `cargo run` hands it to the program as well, which would take it for one.
    println!("cargo::rustc-env=BUILT_COMMIT={commit}");
}

/// The commit that is checked out, if these files are git's at all: an unpacked archive may lie in another's checkout.
fn checked_out() -> Option<String> {
    git(&["ls-files", "--error-unmatch", "Cargo.toml"])?;
    // What changes with the commit, and nothing that changes without it. A file that is not there would always count
    // as changed.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in [
        Some("HEAD".to_owned()),
        branch,
        Some("packed-refs".to_owned()),
    ] {
        let path = name.and_then(|name| git(&["rev-parse", "--git-path", &name]));
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next().unwrap_or_default();
    output.status.success().then(|| line.to_owned())
}

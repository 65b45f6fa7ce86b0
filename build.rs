//! The build info of the program: commit, date, target and engine version, as variables of the compilation.
//!
//! The commit is that of `AKVS_COMMIT` or else of git, the date that of `SOURCE_DATE_EPOCH` or else of the commit. A
//! missing value is `unknown`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Without the prefix AKVS_: `cargo run` passes them to the program too, which would read them as settings.
    set("BUILT_COMMIT", variable("AKVS_COMMIT").or_else(head_commit));
    // Seconds since 1970.
    set(
        "BUILT_DATE",
        variable("SOURCE_DATE_EPOCH").or_else(head_date),
    );
    set("BUILT_TARGET", std::env::var("TARGET").ok());
    set("BUILT_ENGINE", engine());
}

/// Sets a variable of the compilation.
fn set(name: &str, value: Option<String>) {
    let value = value.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={name}={value}");
}

/// Returns a variable of the environment, if it is set and not empty.
fn variable(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the library of the disk engine with its version in Cargo.lock.
fn engine() -> Option<String> {
    const LOCK: &str = "Cargo.lock";
    if Path::new(LOCK).exists() {
        println!("cargo::rerun-if-changed={LOCK}");
    }
    let lock = std::fs::read_to_string(LOCK).ok()?;
    let mut lines = lock
        .lines()
        .skip_while(|line| *line != "name = \"lsm-tree\"");
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    Some(format!("lsm-tree {}", version.trim_end_matches('"')))
}

/// Returns the commit of the checkout.
fn head_commit() -> Option<String> {
    rerun_at_commits()?;
    git(&["rev-parse", "HEAD"])
}

/// Returns the date of that commit.
fn head_date() -> Option<String> {
    rerun_at_commits()?;
    git(&["log", "--max-count=1", "--format=%ct"])
}

/// Makes Cargo run this script again at another commit. Returns `None` if git does not track these files, such as those
/// of an archive that was unpacked in another repository.
fn rerun_at_commits() -> Option<()> {
    git(&["ls-files", "--error-unmatch", "Cargo.toml"])?;
    // Only files that change with the commit. Cargo treats a missing file as changed.
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
    Some(())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next().unwrap_or_default();
    output.status.success().then(|| line.to_owned())
}

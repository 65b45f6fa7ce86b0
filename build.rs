//! Tells the program what it is built from, and for what: the commit that `AKVS_COMMIT` names, else git, with the date
//! that `SOURCE_DATE_EPOCH` says, else git; the target; and the engine's version. What nobody knows is `unknown`.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Not with the prefix of settings: `cargo run` hands them to the program as well, which would take them for some.
    let commit = given("AKVS_COMMIT").or_else(checked_out);
    tell("BUILT_COMMIT", commit);
    // Seconds since 1970.
    let date = given("SOURCE_DATE_EPOCH").or_else(committed);
    tell("BUILT_DATE", date);
    tell("BUILT_TARGET", std::env::var("TARGET").ok());
    tell("BUILT_ENGINE", engine());
}

fn tell(name: &str, value: Option<String>) {
    let value = value.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env={name}={value}");
}

/// What the environment says, if it says something.
fn given(name: &str) -> Option<String> {
    println!("cargo::rerun-if-env-changed={name}");
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The disk engine's library and its version, as they are locked.
fn engine() -> Option<String> {
    const LOCK: &str = "Cargo.lock";
    if Path::new(LOCK).exists() {
        println!("cargo::rerun-if-changed={LOCK}");
    }
    let lock = std::fs::read_to_string(LOCK).ok()?;
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"fjall\"");
    let version = lines.nth(1)?.strip_prefix("version = \"")?;
    Some(format!("fjall {}", version.trim_end_matches('"')))
}

/// The commit that is checked out.
fn checked_out() -> Option<String> {
    in_checkout()?;
    git(&["rev-parse", "HEAD"])
}

/// When it was committed.
fn committed() -> Option<String> {
    in_checkout()?;
    git(&["log", "--max-count=1", "--format=%ct"])
}

/// Whether these files are git's at all, since an unpacked archive may lie in another's checkout; another commit then
/// has the build be done again.
fn in_checkout() -> Option<()> {
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
    Some(())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next().unwrap_or_default();
    output.status.success().then(|| line.to_owned())
}

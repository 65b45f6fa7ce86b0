//! Running other programs: announced, timed, from the repository's root, with a clean environment.
//!
//! Does not know what is run or why. Every child is waited for, and none sees settings of an `akvs` of the person who
//! runs the check.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a verb ends with: an error is one text for a person.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Knobs of the tests themselves, which share the prefix of the program's settings.
const TEST_KNOBS: &[&str] = &["AKVS_CRASH_ROUNDS"];

/// A program of a Debian package, which a check needs from outside the Rust toolchain.
pub(crate) struct Tool {
    /// The program's name, and its package's.
    pub(crate) name: &'static str,
    /// What cannot be done without it.
    pub(crate) without: &'static str,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // Cargo sets it for what it runs; the value at build time would go stale in a checkout that was moved.
    let manifest = env::var_os("CARGO_MANIFEST_DIR");
    let manifest = manifest.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// A program to run in the repository's root.
pub(crate) fn program(name: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    for (name, _) in env::vars_os() {
        if is_setting(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether a variable would change what an `akvs` that a test starts does or says.
fn is_setting(name: &str) -> bool {
    // RUST_LOG could hide the lines by which tests know that a server is ready.
    (name.starts_with("AKVS_") || name == "RUST_LOG") && !TEST_KNOBS.contains(&name)
}

/// The cargo that started us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    program(env::var_os("CARGO").unwrap_or("cargo".into()), arguments)
}

/// Announces and runs it; its output goes where ours goes.
pub(crate) fn run(command: &mut Command) -> Result {
    let line = describe(command);
    run_as(&line, command)
}

/// The same, of a command that is too long to be read.
pub(crate) fn run_as(line: &str, command: &mut Command) -> Result {
    timed(line, || {
        let status = command
            .status()
            .map_err(|error| format!("cannot start `{line}`: {error}"))?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("`{line}` failed: {status}").into()),
        }
    })
}

/// Runs it and gives what it wrote to its standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot start `{line}`: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Announces a step, and says how long it took.
#[expect(
    clippy::disallowed_methods,
    reason = "the time of a step is for a person to read; the server's clock is not involved"
)]
pub(crate) fn timed(line: &str, step: impl FnOnce() -> Result) -> Result {
    eprintln!("\n$ {line}");
    let began = Instant::now();
    let outcome = step();
    let end = if outcome.is_ok() { "done" } else { "FAILED" };
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("[{end} in {seconds:.1} s] {line}");
    outcome
}

/// Whether a program of that name can be run.
pub(crate) fn on_path(name: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// Sees to it that a tool is there, and says whether it is; what is missing without it is told in one line.
pub(crate) fn provide(tool: &Tool) -> bool {
    if on_path(tool.name) || install(tool.name) {
        return true;
    }
    eprintln!(
        "could not install the Debian package `{}`: {}",
        tool.name, tool.without
    );
    false
}

/// Whether we may do everything on this machine.
pub(crate) fn is_root() -> bool {
    read(&mut program("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}

fn install(package: &str) -> bool {
    if !on_path("apt-get") || !is_root() {
        return false;
    }
    let apt = |arguments: &[&str]| {
        run(program("apt-get", arguments).env("DEBIAN_FRONTEND", "noninteractive")).is_ok()
    };
    let install = ["install", "--yes", "--no-install-recommends", package];
    // A fresh container has no package lists; elsewhere the first try is enough.
    apt(&install) || (apt(&["update"]) && apt(&install))
}

/// The command as one would type it.
fn describe(command: &Command) -> String {
    let quoted = |text: &std::ffi::OsStr| match text.to_string_lossy() {
        text if text.contains(' ') => format!("'{text}'"),
        text => text.into_owned(),
    };
    let program = Path::new(command.get_program());
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quoted(value?))));
    set.chain(program.file_name().map(quoted))
        .chain(command.get_args().map(quoted))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Parses a command's arguments from a line.
#[cfg(test)]
pub(crate) fn parse<T: clap::Args>(line: &str) -> Option<T> {
    let command = T::augment_args(clap::Command::new("command").no_binary_name(true));
    let matches = command.try_get_matches_from(line.split_whitespace()).ok()?;
    T::from_arg_matches(&matches).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_announced_as_one_would_type_it() {
        let mut command = Command::new("/opt/bin/cargo");
        command
            .args(["doc", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings");
        command.env_remove("AKVS_CONFIG");
        assert_eq!(
            describe(&command),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
    }

    #[test]
    fn settings_stay_outside() {
        for setting in ["AKVS_CONFIG", "AKVS_HTTP__LISTEN", "RUST_LOG"] {
            assert!(is_setting(setting), "{setting}");
        }
        for other in [
            "AKVS_CRASH_ROUNDS",
            "PATH",
            "RUST_BACKTRACE",
            "MY_AKVS_HOME",
        ] {
            assert!(!is_setting(other), "{other}");
        }
    }

    #[test]
    fn a_failed_program_is_an_error_that_names_it() {
        let error = run(&mut program("false", &["--now"])).unwrap_err();
        assert!(
            error.to_string().starts_with("`false --now` failed"),
            "{error}"
        );
        let error = read(&mut program("no-such-program", &[])).unwrap_err();
        assert!(
            error.to_string().contains("cannot start `no-such-program`"),
            "{error}"
        );
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("xtask/Cargo.toml").is_file());
    }
}

//! Other programs: printed, timed, run in the repository's root with a clean environment.
//!
//! It does not know what is run or why. Every child is waited for, and none inherits the settings of an `akvs` of the
//! user.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The result of a command: an error is a text for the user.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Variables of the tests, which share the prefix of the program's settings.
const TEST_KNOBS: &[&str] = &["AKVS_CRASH_ROUNDS"];

/// A program of a Debian package that a check needs.
pub(crate) struct Tool {
    /// The name of the program and of its package.
    pub(crate) name: &'static str,
    /// What cannot be done without it.
    pub(crate) without: &'static str,
}

/// Returns the repository's root.
pub(crate) fn root() -> PathBuf {
    // Cargo sets it for the programs that it runs; the value at build time is wrong in a checkout that was moved.
    let manifest = env::var_os("CARGO_MANIFEST_DIR");
    let manifest = manifest.map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Returns a command in the repository's root.
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

/// Returns whether a variable would change the behaviour or the output of an `akvs` that a test starts.
fn is_setting(name: &str) -> bool {
    // RUST_LOG could hide the lines that tests wait for.
    (name.starts_with("AKVS_") || name == "RUST_LOG") && !TEST_KNOBS.contains(&name)
}

/// Returns a command of the cargo that started this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    program(env::var_os("CARGO").unwrap_or("cargo".into()), arguments)
}

/// Prints and runs a command; its output is passed on.
pub(crate) fn run(command: &mut Command) -> Result {
    let line = describe(command);
    run_as(&line, command)
}

/// Runs a command that is too long to print.
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

/// Runs a command; returns its standard output.
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

/// Prints a step and its duration.
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

/// Returns whether a program can be found.
pub(crate) fn on_path(name: &str) -> bool {
    env::var_os("PATH")
        .is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(name).is_file()))
}

/// Installs a tool if it is missing; returns whether it is there, and otherwise prints what is skipped.
pub(crate) fn provide(tool: &Tool) -> bool {
    provide_from(tool.name, tool)
}

/// Installs this package if a tool of another name is missing; otherwise as [`provide()`].
pub(crate) fn provide_from(package: &str, tool: &Tool) -> bool {
    if on_path(tool.name) || install(package) {
        return true;
    }
    eprintln!(
        "could not install the Debian package `{package}`: {}",
        tool.without
    );
    false
}

/// Returns whether this program runs as root.
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
    // A fresh container has no package lists; elsewhere the first attempt succeeds.
    apt(&install) || (apt(&["update"]) && apt(&install))
}

/// Returns the command as typed in a shell.
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
    fn a_command_is_printed_as_in_a_shell() {
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
    fn settings_are_not_passed_on() {
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

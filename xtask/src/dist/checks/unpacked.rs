//! The check of an unpacked release: in any directory, without set-up, by the commands of the README.
//!
//! It owns the parsing of the README's commands for a release. The server listens on a free port, because the port in
//! the README may be in use.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::session::{Session, TIMEOUT_SECONDS, unpack};
use crate::dist::Release;
use crate::shell::{Result, Tool, provide};

const CURL: Tool = Tool {
    name: "curl",
    without: "the README's commands for a release will not be run",
};
/// The fence of the commands for a release; other blocks are `sh`.
const FENCE: &str = "```shell\n";
const ADDRESS: &str = "localhost:8080";

/// Checks an unpacked release.
pub(crate) fn check(release: &Release) -> Result {
    check_any_directory(release)?;
    match provide(&CURL) {
        true => check_readme(release),
        false => Ok(()),
    }
}

/// Runs the program in a directory with a space in its name.
fn check_any_directory(release: &Release) -> Result {
    let folder = tempfile::Builder::new().prefix("any dir").tempdir()?;
    let home = unpack(release, folder.path())?;
    let session = Session::new(|arguments| {
        let mut akvs = command("timeout", &home);
        akvs.args([TIMEOUT_SECONDS, "./bin/akvs"]).args(arguments);
        akvs
    });
    session.prints(&["start"], "is running: process")?;
    session.prints(&["ping"], "pong")?;
    session.prints(&["eval", "set foo bar baz"], "OK")?;
    session.prints(&["eval", "get foo bar"], "baz")?;
    session.prints(&["stop"], "stopped")?;
    match home.join("data/store").is_dir() {
        true => Ok(()),
        false => Err("the data is not in `data` next to `bin`".into()),
    }
}

/// Runs the README's commands, each in a shell.
fn check_readme(release: &Release) -> Result {
    let readme = fs::read_to_string(release.folder.join("README.md"))?;
    let lines = lines(&readme)?;
    let folder = tempfile::tempdir()?;
    let name = release
        .tarball
        .file_name()
        .ok_or("a tarball without a name")?;
    fs::copy(&release.tarball, folder.path().join(name))?;
    let session = Session::new(|arguments| {
        let mut shell = command("timeout", folder.path());
        // The session itself passes only arguments of the program.
        let line = match arguments {
            [line] if line.contains(' ') => (*line).to_owned(),
            verb => format!("cd {} && bin/akvs {}", release.name(), verb.join(" ")),
        };
        shell.args([TIMEOUT_SECONDS, "sh", "-c", &line]);
        shell
    });
    // Each line has its own shell, which must change to the directory of the lines before.
    let mut change_dir = String::new();
    for (line, expected) in lines {
        let line = match line.contains(ADDRESS) {
            true => line.replace(ADDRESS, &format!("127.0.0.1:{}", session.port()?)),
            false => line.to_owned(),
        };
        session.prints(&[&format!("{change_dir}{line}")], expected)?;
        if line.starts_with("cd ") {
            change_dir.push_str(&format!("{line} && "));
        }
    }
    Ok(())
}

/// Returns the commands and their expected output.
fn lines(readme: &str) -> Result<Vec<(&str, &str)>> {
    let (_, rest) = readme
        .split_once(FENCE)
        .ok_or("the README has no commands for a release")?;
    let (block, _) = rest.split_once("```").ok_or("the README ends in a block")?;
    let lines = block.lines().map(|line| match line.split_once(" #") {
        Some((line, comment)) => (
            line.trim_end(),
            comment.trim().strip_prefix("prints: ").unwrap_or(""),
        ),
        None => (line, ""),
    });
    Ok(lines.collect())
}

/// Returns a command in a directory, without settings from the environment and with a free port.
fn command(name: &str, folder: &Path) -> Command {
    let mut command = crate::shell::program(name, &[]);
    command
        .current_dir(folder)
        .env("AKVS_HTTP__LISTEN", "127.0.0.1:0");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_parsed_with_their_expected_output() {
        let readme = "# A\n```sh\nno\n```\n```shell\ncd a\nb c   # prints: d e\n```\nmore\n";
        assert_eq!(lines(readme).unwrap(), [("cd a", ""), ("b c", "d e")]);
        assert!(lines("# A\n```sh\nno\n```\n").is_err());
    }
}

//! The release after it was unpacked: in any folder, without set-up, as the README says.
//!
//! Owns the reading of the README's lines for a release. The server listens on a free port, whatever the README says,
//! because its own may be taken.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::session::{PATIENCE_SECONDS, Session, unpack};
use crate::dist::Release;
use crate::shell::{Result, Tool, provide};

const CURL: Tool = Tool {
    name: "curl",
    without: "the README's lines for a release are not tried",
};
/// What opens those lines; the others are `sh`.
const FENCE: &str = "```shell\n";
const ADDRESS: &str = "localhost:8080";

/// Checks a release that is unpacked.
pub(crate) fn check(release: &Release) -> Result {
    somewhere(release)?;
    match provide(&CURL) {
        true => as_the_readme_says(release),
        false => Ok(()),
    }
}

/// In a folder with a space in its name, from that folder.
fn somewhere(release: &Release) -> Result {
    let folder = tempfile::Builder::new().prefix("some where").tempdir()?;
    let home = unpack(release, folder.path())?;
    let session = Session::new(|arguments| {
        let mut akvs = in_folder("timeout", &home);
        akvs.args([PATIENCE_SECONDS, "./bin/akvs"]).args(arguments);
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

/// The README's lines, each in a shell.
fn as_the_readme_says(release: &Release) -> Result {
    let readme = fs::read_to_string(release.folder.join("README.md"))?;
    let lines = lines(&readme)?;
    let folder = tempfile::tempdir()?;
    let name = release
        .tarball
        .file_name()
        .ok_or("a tarball without a name")?;
    fs::copy(&release.tarball, folder.path().join(name))?;
    let session = Session::new(|arguments| {
        let mut shell = in_folder("timeout", folder.path());
        // A session ends what it started by words that are the program's.
        let line = match arguments {
            [line] if line.contains(' ') => (*line).to_owned(),
            verb => format!("cd {} && bin/akvs {}", release.name(), verb.join(" ")),
        };
        shell.args([PATIENCE_SECONDS, "sh", "-c", &line]);
        shell
    });
    // Each line has a shell of its own, which has to go where the lines before went.
    let mut way = String::new();
    for (line, promise) in lines {
        let line = match line.contains(ADDRESS) {
            true => line.replace(ADDRESS, &format!("127.0.0.1:{}", session.port()?)),
            false => line.to_owned(),
        };
        session.prints(&[&format!("{way}{line}")], promise)?;
        if line.starts_with("cd ") {
            way.push_str(&format!("{line} && "));
        }
    }
    Ok(())
}

/// What is typed, and what is promised of it.
fn lines(readme: &str) -> Result<Vec<(&str, &str)>> {
    let (_, rest) = readme
        .split_once(FENCE)
        .ok_or("the README has no lines for a release")?;
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

/// A program in a folder, without the settings of who checks, and with a free port.
fn in_folder(name: &str, folder: &Path) -> Command {
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
    fn the_readme_s_lines_are_read_with_what_they_promise() {
        let readme = "# A\n```sh\nno\n```\n```shell\ncd a\nb c   # prints: d e\n```\nmore\n";
        assert_eq!(lines(readme).unwrap(), [("cd a", ""), ("b c", "d e")]);
        assert!(lines("# A\n```sh\nno\n```\n").is_err());
    }
}

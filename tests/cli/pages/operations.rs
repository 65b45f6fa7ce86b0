//! The operations page: its commands run, and the names in it exist.
//!
//! A line of an `sh` block must succeed and print what its comment says; `akvs` is the tested program, with its own
//! data directory and port. If curl is not installed, its line is skipped with a message.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use super::blocks::blocks;
use crate::common::{Server, program, run};

const PAGE: &str = include_str!("../../../docs/operations.md");
const SETTINGS: &str = include_str!("../../../config/akvs.toml");
const ADDRESS: &str = "localhost:8080";

#[test]
fn the_commands_print_the_output_of_the_page() {
    let shell = PageShell {
        folder: tempfile::tempdir().unwrap(),
    };
    let has_curl = Command::new("curl").arg("--version").output().is_ok();
    let mut address: Option<String> = None;
    for line in blocks(PAGE, "sh").iter().flat_map(|block| block.lines()) {
        let (command, comment) = line.split_once(" # ").unwrap_or((line, ""));
        if command.starts_with("curl") && !has_curl {
            eprintln!("skipped: curl is not installed");
            continue;
        }
        let command = match &address {
            Some(address) => command.replace(ADDRESS, address),
            None => command.to_owned(),
        };
        let ran = run(shell.shell().args(["-c", &command]));
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        if !comment.is_empty() {
            let expected = comment.strip_prefix("prints: ").expect(line);
            assert!(ran.stdout.contains(expected), "{line}: {ran:?}");
        }
        let listens = ran.stdout.split_once("http://");
        address = address.or(listens.map(|(_, rest)| rest.lines().next().unwrap().to_owned()));
    }
    assert!(address.is_some(), "no server was started");
}

/// A shell in a temporary directory, with `akvs` in the PATH.
struct PageShell {
    folder: tempfile::TempDir,
}

impl PageShell {
    fn shell(&self) -> Command {
        let program_folder = Path::new(env!("CARGO_BIN_EXE_akvs")).parent().unwrap();
        let mut path = OsString::from(program_folder);
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut shell = program(Path::new("sh"));
        shell
            .current_dir(&self.folder)
            .env("PATH", path)
            // Proxies must not be used.
            .env("NO_PROXY", "*")
            .env("AKVS_DATA_DIR", self.folder.path().join("data"))
            .env("AKVS_HTTP__LISTEN", "127.0.0.1:0");
        shell
    }
}

impl Drop for PageShell {
    fn drop(&mut self) {
        // After a failed line a server may still run.
        for stop in ["akvs stop", "akvs stop --data-dir drill"] {
            _ = self.shell().args(["-c", stop]).output();
        }
    }
}

#[test]
fn the_alert_rules_use_existing_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    assert_eq!(server.ask("POST", "/kv/a/b", b"c").status, 201);
    let answer = server.ask("GET", "/metrics", b"");
    let metrics = answer.plain().1;
    let words = blocks(PAGE, "yaml")
        .into_iter()
        .flat_map(|block| block.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')));
    let named: Vec<&str> = words
        .filter(|word| word.starts_with("akvs_") || word.starts_with("process_"))
        .collect();
    assert!(named.len() > 9, "{named:?}");
    for name in named.into_iter().chain(code().filter(is_metric)) {
        let sample =
            |line: &str| line.starts_with(name) && line[name.len()..].starts_with(['{', ' ']);
        let family = format!("# TYPE {name} ");
        let found = metrics.lines().any(sample) || metrics.contains(&family);
        assert!(found, "{name} is in the page, and not in /metrics");
    }
    server.stop();
}

fn is_metric(word: &&str) -> bool {
    word.strip_prefix("akvs_").is_some_and(|rest| {
        rest.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

#[test]
fn the_named_settings_exist() {
    let mut named = 0;
    for word in code() {
        let Some((section, key)) = word.split_once('.') else {
            continue;
        };
        let key = key.split(' ').next().unwrap_or_default();
        if !["engine", "limits", "tls", "http", "auth", "log"].contains(&section) {
            continue;
        }
        let (_, rest) = SETTINGS.split_once(&format!("[{section}]\n")).expect(word);
        let section = rest.split("\n[").next().unwrap();
        assert!(section.contains(&format!("# {key} = ")), "{word}");
        named += 1;
    }
    assert!(named > 10);
}

#[test]
fn the_quoted_log_lines_exist() {
    let mut sources = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<_> = ["src", "akvs-core/src", "akvs-server/src", "akvs-http/src"]
        .map(|folder| root.join(folder))
        .into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => sources.push(std::fs::read(path).unwrap()),
            }
        }
    }
    let sources = String::from_utf8_lossy(&sources.concat()).into_owned();
    let (_, lines) = PAGE.split_once("Lines of level").unwrap();
    let (lines, _) = lines.split_once("Values and tokens").unwrap();
    let quoted: Vec<&str> = lines.split('`').skip(1).step_by(2).collect();
    let said = quoted.iter().filter(|text| text.contains(' '));
    let mut checked = 0;
    for text in said {
        let text = text.trim_end_matches('…').trim_end();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(sources.contains(&words), "nothing says {words:?}");
        checked += 1;
    }
    assert!(checked > 6);
}

/// Returns the texts in backquotes outside of code blocks.
fn code() -> impl Iterator<Item = &'static str> {
    let texts = PAGE.split("```").step_by(2);
    texts.flat_map(|text| text.split('`').skip(1).step_by(2))
}

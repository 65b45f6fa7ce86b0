//! Examples of a page: commands and their output.
//!
//! How output is compared:
//!
//! - Line by line; `…` in a line stands for any text.
//! - A line with a JSON object is compared as JSON, without the order of members. A member `"…"` may have any value; an
//!   object that ends with `,…}` may have further members.
//! - If the first line is a status line, each field below it must be among the answer's fields, in any order; the
//!   content follows the empty line.
//! - A command that begins with `curl -N` does not end by itself: it is killed after the last line of its example.

use std::env;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

use serde_json::Value;
use tempfile::TempDir;

use super::blocks::blocks;
use crate::common::{TIMEOUT, program, run};

/// A command and its output.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) command: String,
    output: Vec<String>,
}

impl Example {
    /// Reads the examples of a page, in order.
    pub(crate) fn read(page: &str) -> Vec<Example> {
        blocks(page, "console")
            .into_iter()
            .flat_map(Example::read_block)
            .collect()
    }

    fn read_block(block: &str) -> Vec<Example> {
        let mut examples: Vec<Example> = Vec::new();
        let mut lines = block.lines();
        while let Some(line) = lines.next() {
            let Some(command) = line.strip_prefix("$ ") else {
                let last = examples.last_mut().expect("a command before its output");
                last.output.push(line.to_owned());
                continue;
            };
            let mut command = command.to_owned();
            while continues(&command) {
                command.push('\n');
                command.push_str(lines.next().expect("a line that goes on"));
            }
            examples.push(Example {
                command,
                output: Vec::new(),
            });
        }
        for example in &mut examples {
            // An empty line separates examples.
            while example.output.last().is_some_and(String::is_empty) {
                example.output.pop();
            }
        }
        examples
    }
}

/// Returns whether the command continues on the next line: it ends with a backslash or within quotes.
fn continues(command: &str) -> bool {
    command.ends_with('\\') || !command.matches('\'').count().is_multiple_of(2)
}

/// A directory for examples, with `akvs` in the PATH.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// Returns the data directory of the server.
    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// Runs an example with these replacements; the error shows how its output differs.
    pub(crate) fn run(&self, example: &Example, replaced: &[(&str, &str)]) -> Result<(), String> {
        let command = replaced
            .iter()
            .fold(example.command.clone(), |command, (from, to)| {
                command.replace(from, to)
            });
        let printed = match command.starts_with("curl -N ") {
            true => self.follow(&command, example),
            false => {
                let ran = run(self.shell().args(["-c", &command]));
                if ran.code != Some(0) {
                    return Err(format!("{command}\n{ran:?}"));
                }
                ran.stdout
            }
        };
        compare(&example.output, &printed)
            .map_err(|why| format!("{command}\n{why}\nIt printed:\n{printed}"))
    }

    /// Returns the output of a command that does not end, up to the last line of its example.
    fn follow(&self, command: &str, example: &Example) -> String {
        let mut shell = self.shell();
        shell.args(["-c", &format!("exec {command}")]);
        shell.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = shell.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (sender, parts) = channel();
        std::thread::spawn(move || {
            let mut part = [0; 4 << 10];
            while let Ok(length @ 1..) = stdout.read(&mut part) {
                if sender.send(part[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut printed = Vec::new();
        while lines(&printed) < example.output.len() {
            match parts.recv_timeout(TIMEOUT) {
                Ok(part) => printed.extend(part),
                Err(_) => break,
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let printed = String::from_utf8(printed).unwrap();
        let wanted: Vec<&str> = printed.lines().take(example.output.len()).collect();
        wanted.join("\n")
    }

    fn shell(&self) -> Command {
        let akvs = Path::new(env!("CARGO_BIN_EXE_akvs")).parent().unwrap();
        let mut path = OsString::from(akvs);
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut shell = program(Path::new("sh"));
        shell
            .current_dir(&self.0)
            .env("PATH", path)
            .env("AKVS_DATA_DIR", self.data())
            // Proxies and ~/.curlrc must not change the output.
            .env("NO_PROXY", "*")
            .env("CURL_HOME", self.0.path());
        shell
    }
}

/// Returns the number of complete lines.
fn lines(text: &[u8]) -> usize {
    text.iter().filter(|byte| **byte == b'\n').count()
}

/// Compares the expected output with the printed one; the error names the first difference.
fn compare(expected: &[String], printed: &str) -> Result<(), String> {
    let mut actual: Vec<&str> = printed.lines().collect();
    let mut expected = expected;
    let is_answer = expected
        .first()
        .is_some_and(|line| line.starts_with("HTTP/"));
    if is_answer {
        let (fields, content) = split_head(expected);
        let end = actual.iter().position(|line| line.is_empty());
        let head = actual.drain(..end.map_or(actual.len(), |end| end + 1));
        let head: Vec<&str> = head.collect();
        for field in fields {
            if !head.iter().any(|line| matches(field, line.trim_end())) {
                return Err(format!("no such field: {field}"));
            }
        }
        expected = content;
    }
    for (index, line) in expected.iter().enumerate() {
        match actual.get(index) {
            Some(printed) if matches_line(line, printed) => {}
            Some(printed) => return Err(format!("expected {line}\nfound    {printed}")),
            None => return Err(format!("not printed: {line}")),
        }
    }
    match actual.get(expected.len()) {
        None => Ok(()),
        Some(more) => Err(format!("the page does not have: {more}")),
    }
}

fn split_head(lines: &[String]) -> (&[String], &[String]) {
    match lines.iter().position(String::is_empty) {
        Some(end) => (&lines[..end], &lines[end + 1..]),
        None => (lines, &[]),
    }
}

fn matches_line(expected: &str, actual: &str) -> bool {
    let (Some(one), Some(other)) = (object(expected), object(actual)) else {
        return matches(expected, actual);
    };
    let before = |line: &str| line.split('{').next().unwrap_or_default().to_owned();
    before(expected) == before(actual) && matches_json(&one, &other)
}

/// Returns the JSON object at the end of a line.
fn object(line: &str) -> Option<Value> {
    let text = line.get(line.find('{')?..)?;
    let text = text
        .replace(",…}", ",\"…\":null}")
        .replace("{…}", "{\"…\":null}");
    serde_json::from_str(&text).ok()
}

fn matches_json(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(text), _) if text == "…" => true,
        (Value::String(text), Value::String(other)) => matches(text, other),
        (Value::Array(some), Value::Array(others)) => {
            some.len() == others.len()
                && some
                    .iter()
                    .zip(others)
                    .all(|(one, other)| matches_json(one, other))
        }
        (Value::Object(some), Value::Object(others)) => {
            let is_open = some.contains_key("…");
            let named = some.len() - usize::from(is_open);
            let is_there = |(name, one): (&String, &Value)| {
                name == "…"
                    || others
                        .get(name)
                        .is_some_and(|other| matches_json(one, other))
            };
            (is_open || named == others.len()) && some.iter().all(is_there)
        }
        _ => expected == actual,
    }
}

/// Returns whether a text matches, where `…` stands for any text.
fn matches(expected: &str, actual: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = actual.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let Some(last) = expected.contains('…').then(|| parts.next_back()).flatten() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn a_difference_is_found() {
    let page = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let answer = "HTTP/1.1 200 OK\r\netag: \"7\"\r\ndate: today\r\n\r\n{\"a\":1,\"b\":[{\"c\":2}]}";
    for good in [
        "HTTP/1.1 200 OK\netag: \"7\"\n\n{\"b\":[{\"c\":2}],\"a\":1}",
        "HTTP/1.1 200 OK\ndate: …\netag: \"…\"\n\n{\"a\":\"…\",…}",
        "HTTP/1.1 200 OK\n\n{\"b\":[{…}],…}",
    ] {
        assert_eq!(compare(&page(good), answer), Ok(()), "{good}");
    }
    for bad in [
        "HTTP/1.1 201 Created\n\n{…}",
        "HTTP/1.1 200 OK\netag: \"8\"\n\n{…}",
        "HTTP/1.1 200 OK\n\n{\"a\":1}",
        "HTTP/1.1 200 OK\n\n{\"a\":2,…}",
        "HTTP/1.1 200 OK\n\n{\"b\":[],…}",
        "HTTP/1.1 200 OK",
        "{…}",
    ] {
        assert!(compare(&page(bad), answer).is_err(), "{bad}");
    }
    assert_eq!(compare(&page("a…c"), "abc"), Ok(()));
    for (bad, printed) in [
        ("a…c", "abd"),
        ("a", "ab"),
        ("a", ""),
        ("", "a"),
        ("a…bb", "ab"),
    ] {
        assert!(compare(&page(bad), printed).is_err(), "{bad} {printed}");
    }
}

//! Control characters of stored data: escaped on a terminal and in the log, unchanged in a pipe.

use std::process::Command;

use crate::background::{Background, verb};
use crate::common::akvs;
use crate::terminal::Terminal;

/// A value that sets the title of a terminal, rings, sets colours, reverses text, and deletes.
const HOSTILE: &str = "k\n\u{1b}]0;x\u{7}\u{1b}[31m\u{9b}31m\u{202e}\u{7f}\rend";

/// Asserts that no control character is unescaped.
#[track_caller]
fn assert_harmless(raw: &[u8], what: &str) {
    let text = String::from_utf8_lossy(raw);
    for bad in [
        "\u{1b}]0",
        "\u{7}",
        "\u{1b}[31m",
        "\u{9b}",
        "\u{202e}",
        "\u{7f}",
        "\rend",
    ] {
        assert!(!text.contains(bad), "{what} shows {bad:?}: {text:?}");
    }
}

#[test]
fn stored_control_characters_are_escaped_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &["--engine", "memory"]);
    server.answer(&["set", "n", HOSTILE, HOSTILE]);
    server.answer(&["set", "n", "zzz", "last"]);
    let txn = serde_json::json!({"checks": [{"key": HOSTILE, "absent": true}], "ops": []});
    let txn = txn.to_string();
    for (words, last) in [
        (&["ls", "n"][..], "zzz\n"),
        (&["ls", "n", "--long"], "zzz\n"),
        (&["ls", "n", "--json", "--values"], "\"last\"}\n"),
        (&["ls", "n", "--delimiter", "\rend"], "zzz\n"),
        (&["get", "n", HOSTILE], "\\rend\n"),
        (&["get", "n", HOSTILE, "--json"], "}\n"),
        (
            &["watch", "n", "--state", "--values", "--limit", "2"],
            "last\n",
        ),
        (
            &[
                "watch", "n", "--state", "--values", "--json", "--limit", "2",
            ],
            "}\n",
        ),
        (&["export", "n"], "\"sha256\""),
        (&["get", "n", "none", "--url", HOSTILE], "akvs: "),
        (&["get", "n", &HOSTILE[1..]], "no such key"),
        (&["add", "n", HOSTILE], "akvs: "),
        (&["txn", "n", &txn], "akvs: "),
        (&["eval", "get", "n", HOSTILE], "\\rend\n"),
        (&[HOSTILE], "akvs: "),
    ] {
        let mut command = verb(folder.path());
        command.args(words);
        let mut terminal = Terminal::from_command(command);
        terminal.wait_for(last);
        terminal.wait();
        assert_harmless(terminal.raw(), &format!("{words:?}"));
    }
    // Lines and documents keep their structure.
    let shown = shown(verb(folder.path()).args(["ls", "n"]), "zzz\n");
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(shown.starts_with("k\\n\\x1b]0;x\\x07"), "{shown}");
    let shown = self::shown(
        verb(folder.path()).args(["get", "n", HOSTILE, "--json"]),
        "}\n",
    );
    let document: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(document["value"], HOSTILE);
}

fn shown(command: &mut Command, last: &str) -> String {
    let program = std::mem::replace(command, akvs());
    let mut terminal = Terminal::from_command(program);
    let shown = terminal.wait_for(last);
    format!("{shown}{last}")
}

#[test]
fn a_pipe_receives_raw_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &["--engine", "memory"]);
    server.answer(&["set", "n", HOSTILE, HOSTILE]);
    assert_eq!(server.answer(&["get", "n", HOSTILE]), HOSTILE);
    assert_eq!(server.answer(&["ls", "n"]), format!("{HOSTILE}\n"));
    let watched = server.answer(&["watch", "n", "--state", "--values", "--limit", "1"]);
    assert!(watched.ends_with(&format!(" {HOSTILE}\n")), "{watched:?}");
}

#[test]
fn the_prompt_and_its_completion_escape_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Background::start(&data, &["--engine", "memory"]);
    server.answer(&["set", "n", HOSTILE, HOSTILE]);
    server.answer(&["set", "n", "key", "plain"]);
    let mut prompt = Terminal::attach(&data, &folder.path().join("state"));
    for line in ["ls n", "watch n --state --values --limit 2", "ls n --json"] {
        prompt.line(line);
    }
    // Only keys that can be typed are completed.
    prompt.keys("get n k\t");
    prompt.wait_for("get n key ");
    assert_eq!(prompt.line(""), "plain");
    let raw = String::from_utf8_lossy(prompt.raw()).into_owned();
    for bad in [
        "\u{1b}]0",
        "\u{7}",
        "\u{1b}[31m",
        "\u{9b}",
        "\u{202e}",
        "\u{7f}",
    ] {
        assert!(!raw.contains(bad), "{bad:?}: {raw:?}");
    }
}

#[test]
fn the_log_on_a_terminal_escapes_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("d\u{1b}]0;x\u{7}\u{202e}");
    let mut command = akvs();
    command.args(["serve", "--listen", "127.0.0.1:0", "--engine", "memory"]);
    command.arg("--data-dir").arg(&data);
    let mut terminal = Terminal::from_command(command);
    terminal.wait_for("d\\x1b]0;x\\x07\\u{202e}");
    terminal.wait_for("listening on");
    assert_harmless(terminal.raw(), "the log");
    terminal.signal(rustix::process::Signal::TERM);
    terminal.wait();
}

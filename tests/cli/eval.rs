//! The lines of the prompt without a terminal: `eval`, and lines piped to `attach`.

use rustix::process::Signal;

use crate::background::{Background, verb};
use crate::common::{Ran, json, output};

#[track_caller]
fn refused(server: &Background, line: &str, code: i32, part: &str) {
    server.run(&["eval", line]).assert_refused(code, &[part]);
}

#[test]
fn eval_executes_each_verb_of_the_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &["--engine", "memory"]);
    let version = env!("CARGO_PKG_VERSION");
    for (line, answer) in [
        ("set foo bar baz", "OK\n"),
        ("get foo bar", "baz"),
        ("set foo 'a b' \"c d\"", "OK\n"),
        ("get foo a\\ b", "c d"),
        ("add foo n 2", "2\n"),
        ("touch foo n --ttl 1h", "OK\n"),
        ("ls foo", "a b\nbar\nn\n"),
        ("namespaces", "foo  3 keys, 14 bytes\n"),
        ("ns ls", "foo  3 keys, 14 bytes\n"),
        ("del foo n", "OK\n"),
        ("ping", "pong\n"),
        ("log", "info\n"),
        ("log debug", "debug\n"),
        ("log", "debug\n"),
        ("", ""),
        ("# nothing", ""),
        ("quit", ""),
    ] {
        assert_eq!(server.answer(&["eval", line]), answer, "{line}");
    }
    let change = server.answer(&["eval", "watch foo --state --limit 1"]);
    assert!(change.ends_with(" set a b\n"), "{change}");
    let done = json(&server.answer(&["eval", r#"txn foo '{"ops":[{"op":"add","key":"n"}]}'"#]));
    assert_eq!(done["results"][0]["value"], 1);
    assert!(server.answer(&["eval", "version"]).starts_with(version));
    assert!(
        server
            .answer(&["eval", "stats"])
            .contains("namespaces   1\n")
    );
    assert!(server.answer(&["eval", "help"]).contains("  watch "));
    assert!(
        server
            .answer(&["eval", "help", "set"])
            .contains("--if-absent")
    );
    // Several arguments are one line, each unchanged.
    server.answer(&["eval", "set", "foo", "two words", "it's"]);
    assert_eq!(server.answer(&["eval", "get", "foo", "two words"]), "it's");

    refused(&server, "get foo none", 1, "no such key: \"none\"");
    refused(&server, "log a=b=c", 1, "invalid log filter");
    refused(&server, "gte foo bar", 2, "'gte'");
    refused(&server, "get foo", 2, "<KEY>");
    refused(&server, "get 'foo", 2, "quote");
    refused(&server, "ns", 2, "missing subcommand");
    refused(&server, "help nope", 2, "nope");
    assert_eq!(server.answer(&["eval", "stop"]), "stopped\n");
    assert!(server.has_exited());
    refused(&server, "ping", 69, "no server is running");
}

#[test]
fn a_changed_log_filter_stays_in_effect() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &["--engine", "memory"]);
    for (key, filter) in [("unseen", "debug"), ("seen", "info"), ("unseen2", "info")] {
        server.run(&["get", "ns", key]);
        server.answer(&["eval", "log", filter]);
    }
    server.answer(&["stop"]);
    let log = server.log();
    assert!(log.contains("path=/kv/ns/seen "), "{log}");
    assert!(!log.contains("path=/kv/ns/unseen"), "{log}");
}

/// Runs `attach` with these lines.
#[track_caller]
fn attach(server: &Background, folder: &std::path::Path, lines: &[u8]) -> Ran {
    assert!(!server.has_exited());
    let output = output(verb(folder).arg("attach"), lines);
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn piped_lines_are_executed_until_one_fails() {
    let folder = tempfile::tempdir().unwrap();
    let server = Background::start(folder.path(), &["--engine", "memory"]);
    let attach = |lines: &[u8]| attach(&server, folder.path(), lines);
    let ran = attach(b"set a b c\n\n# a word\nget a b\n");
    assert_eq!(
        (ran.code, &*ran.stdout, &*ran.stderr),
        (Some(0), "OK\nc", "")
    );
    let ran = attach(b"ping\nget a none\nset a b no\n");
    assert_eq!((ran.code, &*ran.stdout), (Some(1), "pong\n"), "{ran:?}");
    assert!(ran.stderr.contains("\"none\""), "{ran:?}");
    let ran = attach(b"ping\ngte a b\nset a b no\n");
    assert_eq!((ran.code, &*ran.stdout), (Some(2), "pong\n"), "{ran:?}");
    let ran = attach(b"quit\nset a b no\n");
    assert_eq!((ran.code, &*ran.stdout), (Some(0), ""), "{ran:?}");
    // The last line needs no line end, and the rest of stdin may be a value.
    let ran = attach(b"get a b");
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "c"), "{ran:?}");
    let ran = attach(b"set a b -\nget a b\nthe rest");
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "OK\n"), "{ran:?}");
    assert_eq!(server.answer(&["get", "a", "b"]), "get a b\nthe rest");
    let ran = attach(b"ping\n\xff\xfe\n");
    assert_eq!((ran.code, &*ran.stdout), (Some(1), "pong\n"), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
    server.signal(Signal::TERM);
    server.wait();
}

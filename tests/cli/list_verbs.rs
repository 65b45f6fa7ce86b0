//! The client's verbs for many keys: `ls`, `txn`, `ns`, `watch`, and a closed pipe.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::common::{json, program, run};
use crate::key_verbs::Verbs;

#[test]
fn ls_lists_in_order_and_in_part() {
    let verbs = Verbs::new();
    for key in ["b/1", "a", "b/2", "c"] {
        verbs.text(&["set", "n", key, "v"]);
    }
    for (more, listed) in [
        (&[][..], "a\nb/1\nb/2\nc\n"),
        (&["--prefix", "b/"], "b/1\nb/2\n"),
        (&["--start", "b/2"], "b/2\nc\n"),
        (&["--end", "b/2"], "a\nb/1\n"),
        (&["--reverse", "--limit", "2"], "c\nb/2\n"),
        (&["--delimiter", "/"], "a\nb/\nc\n"),
        (&["--limit", "0"], ""),
    ] {
        assert_eq!(
            verbs.text(&[&["ls", "n"], more].concat()),
            listed,
            "{more:?}"
        );
    }
    let text = verbs.text(&["ls", "n", "--json", "--values", "--delimiter", "/"]);
    let lines: Vec<_> = text.lines().map(json).collect();
    assert_eq!(lines[0]["key"], "a");
    assert_eq!(lines[0]["value"], "v");
    assert!(lines[0]["revision"].is_u64());
    assert_eq!(lines[1]["prefix"], "b/");
    let long = verbs.text(&["ls", "n", "-l", "--limit", "1"]);
    assert!(long.contains("application/octet-stream  a\n"), "{long}");
    // More than one page of the HTTP API.
    let keys: Vec<String> = (0..1_100).map(|number| format!("{number:04}")).collect();
    for chunk in keys.chunks(1_000) {
        let ops: Vec<String> = chunk
            .iter()
            .map(|key| format!(r#"{{"op":"set","key":"{key}","value":""}}"#))
            .collect();
        let document = format!(r#"{{"ops":[{}]}}"#, ops.join(","));
        verbs.says(&["txn", "many", "-"], document.as_bytes());
    }
    assert_eq!(
        verbs.text(&["ls", "many"]),
        format!("{}\n", keys.join("\n"))
    );
    assert_eq!(
        verbs.text(&["ls"]),
        "many  1100 keys, 4400 bytes\nn  4 keys, 12 bytes\n"
    );
    assert_eq!(verbs.text(&["del", "many", "--prefix", "00"]), "100\n");
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let verbs = Verbs::new();
    let document = r#"{"checks":[{"key":"n","absent":true}],"ops":[{"op":"add","key":"n","by":2},
        {"op":"set","key64":"_w","value64":"_g","ttl":"1h"},{"op":"delete","key":"none"}]}"#;
    let done = json(&verbs.text(&["txn", "a", document]));
    assert!(done["revision"].is_u64(), "{done}");
    let results = done["results"].as_array().unwrap();
    assert_eq!(
        (results.len(), &results[0]["value"]),
        (3, &2.into()),
        "{done}"
    );
    let raw = OsString::from_vec(vec![0xff]);
    assert_eq!(verbs.says(&["get".into(), "a".into(), raw], b""), b"\xfe");
    verbs.refused(1, &["txn", "a", document], &["precondition"]);
    assert_eq!(verbs.text(&["get", "a", "n"]), "2");
    for wrong in [
        r#"{"ops":[{"op":"set","key":"a"}]}"#,
        r#"{"ops":[{"op":"delete","key":"a","by":1}]}"#,
        r#"{"ops":[{"op":"no","key":"a"}]}"#,
        r#"{"ops":[],"more":1}"#,
        r#"{"checks":[{"key":"a"}],"ops":[]}"#,
    ] {
        verbs.refused(2, &["txn", "a", wrong], &[]);
    }
}

#[test]
fn namespaces_are_created_configured_and_dropped() {
    let verbs = Verbs::new();
    assert_eq!(
        verbs.text(&["ns", "set", "a", "--max-keys", "1"]),
        "OK, created\n"
    );
    assert_eq!(
        verbs.text(&["ns", "set", "a", "--max-keys", "2"]),
        "OK, settings changed\n"
    );
    for key in ["1", "2"] {
        verbs.text(&["set", "a", key, "v"]);
    }
    verbs.refused(1, &["set", "a", "3", "v"], &["quota"]);
    let listed = json(&verbs.text(&["ns", "ls", "--json"]));
    assert_eq!((&listed["name"], &listed["keys"]), (&"a".into(), &2.into()));
    assert!(listed["revision"].is_u64() && listed["created"].is_string());
    assert_eq!(verbs.text(&["ns", "drop", "a", "--confirm", "a"]), "OK\n");
    assert_eq!(verbs.text(&["ns", "ls"]), "");
}

/// Returns the revision of a key.
fn revision(verbs: &Verbs, key: &str) -> u64 {
    let entry = json(&verbs.text(&["get", "a", key, "--json"]));
    entry["revision"].as_u64().unwrap()
}

#[test]
fn watch_prints_each_change_up_to_the_limit() {
    let verbs = Verbs::new();
    verbs.text(&["set", "a", "k", "one"]);
    // Revisions of the memory engine start at the time.
    let first = revision(&verbs, "k");
    verbs.text(&["set", "a", "other", "x"]);
    verbs.text(&["set", "a", "k", "two"]);
    verbs.text(&["del", "a", "k"]);
    let since = first.to_string();
    let received = verbs.text(&[
        "watch", "a", "--since", &since, "--key", "k", "--limit", "2", "--values",
    ]);
    assert_eq!(
        received,
        format!("{} set k two\n{} delete k\n", first + 2, first + 3)
    );
    let received = verbs.text(&[
        "watch", "a", "--state", "--values", "--json", "--limit", "2",
    ]);
    let lines: Vec<_> = received.lines().map(json).collect();
    assert_eq!(
        (&lines[0]["event"], &lines[0]["value"]),
        (&"set".into(), &"x".into())
    );
    assert_eq!(lines[1]["event"], "synced");

    // A watch prints changes until its reader closes the pipe.
    let mut command = verbs.command(&["watch", "a", "--state"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(
        lines.next().unwrap().unwrap(),
        format!("{} set other", first + 1)
    );
    assert!(lines.next().unwrap().unwrap().contains("synced"));
    verbs.text(&["set", "a", "new", "x"]);
    assert_eq!(
        lines.next().unwrap().unwrap(),
        format!("{} set new", first + 4)
    );
    let pid = Pid::from_child(&child);
    // Ctrl-C ends it too, unless the tests run with SIGINT ignored, as in the background of a shell.
    kill_process(pid, Signal::TERM).unwrap();
    child.wait().unwrap();
}

#[test]
fn a_closed_pipe_ends_a_list_silently() {
    let verbs = Verbs::new();
    verbs.says(&["set", "a", "large", "-"], &vec![b'x'; 1 << 20]);
    for number in 0..3 {
        verbs.text(&["set", "a", &number.to_string(), "v"]);
    }
    let akvs = env!("CARGO_BIN_EXE_akvs");
    for line in ["get a large", "get a large --json", "ls a --json"] {
        let mut shell = program(Path::new("bash"));
        let script = format!("set -o pipefail; {akvs} {line} | head -c 1");
        shell
            .args(["-c", &script])
            .env("AKVS_DATA_DIR", verbs.path());
        let ran = run(&mut shell);
        assert_eq!(
            (ran.code, ran.stdout.len(), &*ran.stderr),
            (Some(0), 1, ""),
            "{line}"
        );
    }
}

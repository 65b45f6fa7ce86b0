//! The client's verbs for one key: raw bytes, conditions, JSON, and errors.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Command;

use crate::background::verb;
use crate::common::{Server, json, output, run};

/// A server with the memory engine, for verbs.
pub(crate) struct Verbs {
    folder: tempfile::TempDir,
    _server: Server,
}

impl Verbs {
    pub(crate) fn new() -> Verbs {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), &["--engine", "memory"]);
        Verbs {
            folder,
            _server: server,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = verb(self.path());
        command.args(arguments);
        command
    }

    /// Runs a verb, which must succeed and print only this.
    #[track_caller]
    pub(crate) fn says<A: AsRef<OsStr>>(&self, arguments: &[A], stdin: &[u8]) -> Vec<u8> {
        let output = output(&mut self.command(arguments), stdin);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*stderr), (Some(0), ""));
        output.stdout
    }

    #[track_caller]
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.says(arguments, b"")).unwrap()
    }

    #[track_caller]
    pub(crate) fn refused(&self, code: i32, arguments: &[&str], parts: &[&str]) {
        run(&mut self.command(arguments)).assert_refused(code, parts);
    }

    /// Runs a verb, which must fail as invalid usage.
    #[track_caller]
    pub(crate) fn refused_usage(&self, arguments: &[&str]) {
        self.refused(2, arguments, &[]);
    }
}

#[test]
fn values_are_stored_byte_for_byte() {
    let verbs = Verbs::new();
    let all: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..1 << 20).map(|place: u32| (place % 251) as u8).collect();
    let file = verbs.path().join("file");
    let from_file = format!("@{}", file.display());
    for value in [&all[..], &large, b"\n", b"@", b"-"] {
        std::fs::write(&file, value).unwrap();
        verbs.says(&["set", "a", "stdin", "-"], value);
        verbs.says(&["set", "a", "file", &from_file], b"");
        for key in ["stdin", "file"] {
            assert!(verbs.says(&["get", "a", key], b"") == value, "{key}");
        }
    }
    std::fs::write(&file, "").unwrap();
    verbs.says(&["set", "a", "empty", ""], b"");
    verbs.says(&["set", "a", "file", &from_file], b"");
    // An empty stdin is an empty value as well.
    verbs.says(&["set", "a", "stdin", "-"], b"");
    for key in ["empty", "file", "stdin"] {
        assert_eq!(verbs.says(&["get", "a", key], b""), b"", "{key}");
    }
    // All bytes that an argument can have.
    let word = OsString::from_vec(all[1..].to_vec());
    let arguments = ["set", "a", "word"].map(OsString::from);
    verbs.says(&[&arguments[..], std::slice::from_ref(&word)].concat(), b"");
    assert_eq!(verbs.says(&["get", "a", "word"], b""), &all[1..]);
    verbs.refused(
        1,
        &["set", "a", "b", "@/nowhere/at/all"],
        &["/nowhere/at/all"],
    );
}

#[test]
fn keys_are_any_bytes() {
    let verbs = Verbs::new();
    let keys: [&[u8]; 6] = [
        b"\xff\xfe/\x01",
        b".",
        b"..",
        b"a/../b",
        b"100%",
        "ü +".as_bytes(),
    ];
    for key in keys {
        let of = |verb: &str, more: &[&str]| {
            let mut words = vec![
                OsString::from(verb),
                "a".into(),
                OsStr::from_bytes(key).into(),
            ];
            words.extend(more.iter().map(OsString::from));
            verbs.says(&words, b"")
        };
        of("set", &["value"]);
        assert_eq!(of("get", &[]), b"value");
        of("touch", &["--ttl", "1h"]);
        assert!(json(std::str::from_utf8(&of("get", &["--json"])).unwrap())["expires"].is_string());
        assert_eq!(verbs.says(&["ls", "a"], b""), [key, b"\n"].concat());
        assert_eq!(of("del", &[]), b"OK\n");
    }
    // A value that looks like a flag follows `--`.
    verbs.text(&["set", "a", "--", "--json", "-v"]);
    assert_eq!(verbs.text(&["get", "a", "--", "--json"]), "-v");
}

#[test]
fn literal_values_are_stored_as_they_are() {
    let verbs = Verbs::new();
    for value in ["-5", "--no-such-flag", "--", "a b"] {
        let words: &[&str] = match value {
            "--" => &["set", "a", "b", "--", "--"],
            other => &["set", "a", "b", other],
        };
        verbs.text(words);
        assert_eq!(verbs.text(&["get", "a", "b"]), value);
    }
    for value in ["@file", "-", "@"] {
        verbs.text(&["set", "a", "b", "--literal", value]);
        assert_eq!(verbs.text(&["get", "a", "b"]), value);
    }
}

#[test]
fn a_missing_key_is_one_line_on_stderr() {
    let verbs = Verbs::new();
    verbs.refused(1, &["get", "a", "b"], &["no such key: \"b\" in \"a\""]);
    verbs.refused(
        1,
        &["get", "a", "b", "--json"],
        &["no such key: \"b\" in \"a\""],
    );
    verbs.refused(1, &["touch", "a", "b"], &["no such key: \"b\" in \"a\""]);
    verbs.refused(
        1,
        &["ns", "drop", "a", "--confirm", "a"],
        &["no such namespace: \"a\""],
    );
    // As over HTTP, this is not a failure.
    assert_eq!(verbs.text(&["del", "a", "b"]), "OK, no such key\n");
}

#[test]
fn conditions_and_ttl_are_applied() {
    let verbs = Verbs::new();
    let set =
        |more: &[&str]| json(&verbs.text(&[&["set", "a", "b", "1", "--json"], more].concat()));
    let first = set(&["--if-absent"]);
    assert_eq!(first["existed"], false);
    verbs.refused(1, &["set", "a", "b", "2", "--if-absent"], &["precondition"]);
    verbs.refused(1, &["set", "a", "c", "2", "--if-exists"], &["precondition"]);
    let revision = first["revision"].to_string();
    let second = set(&["--if-revision", &revision, "--ttl", "1h"]);
    assert_eq!(second["existed"], true);
    assert!(second["expires"].as_str().unwrap().ends_with('Z'));
    verbs.refused(
        1,
        &["set", "a", "b", "3", "--if-revision", &revision],
        &["precondition"],
    );
    verbs.refused(
        1,
        &["del", "a", "b", "--if-revision", &revision],
        &["precondition"],
    );
    assert_eq!(set(&["--ttl", "keep"])["expires"], second["expires"]);
    assert!(set(&[])["expires"].is_null());
    let entry = json(&verbs.text(&["get", "a", "b", "--json"]));
    assert!(entry["expires"].is_null());
    let revision = entry["revision"].to_string();
    assert_eq!(
        verbs.text(&["del", "a", "b", "--if-revision", &revision]),
        "OK\n"
    );
}

#[test]
fn json_includes_the_metadata_of_a_key() {
    let verbs = Verbs::new();
    verbs.text(&[
        "set",
        "a",
        "b",
        "{}",
        "--content-type",
        "application/json",
        "--ttl",
        "7d",
    ]);
    let entry = json(&verbs.text(&["get", "a", "b", "--json"]));
    assert_eq!(
        (&entry["key"], &entry["value"]),
        (&"b".into(), &"{}".into())
    );
    assert_eq!(entry["content_type"], "application/json");
    assert_eq!(entry["size"], 2);
    assert!(entry["revision"].is_u64() && entry["modified"].is_string());
    assert!(entry["expires"].is_string());
    verbs.says(&["set", "a", "raw", "-"], b"\xff\xfe");
    let entry = json(&verbs.text(&["get", "a", "raw", "--json"]));
    assert_eq!(
        (&entry["value64"], entry.get("value")),
        (&"__4".into(), None)
    );
}

#[test]
fn add_increments_a_counter() {
    let verbs = Verbs::new();
    for (by, value) in [(None, "1\n"), (Some("41"), "42\n"), (Some("-50"), "-8\n")] {
        let words: Vec<&str> = ["add", "a", "n"].into_iter().chain(by).collect();
        assert_eq!(verbs.text(&words), value);
    }
    verbs.text(&["set", "a", "n", "words"]);
    verbs.refused(1, &["add", "a", "n"], &["not an integer"]);
    verbs.refused_usage(&["add", "a", "n", "x"]);
}

#[test]
fn invalid_arguments_are_usage_errors() {
    let verbs = Verbs::new();
    for words in [
        &["get", "a"][..],
        &["set", "a", "b"],
        &["set", "a", "b", "c", "--tll", "60"],
        &["set", "a", "b", "c", "--if-absent", "--if-exists"],
        &["set", "a", "b", "c", "--if-revision", "x"],
        &["touch", "a", "b", "--ttl", "0"],
        &["ls", "--prefix", "x"],
        &["del", "a"],
        &["nope"],
    ] {
        verbs.refused_usage(words);
    }
    verbs.refused(2, &["set", "a", "b", "c", "--ttl", "soon"], &["--ttl"]);
    verbs.refused(2, &["txn", "a", "{"], &["invalid transaction"]);
    verbs.refused(2, &["del", "a", "--prefix", ""], &["--prefix", "ns drop"]);
    verbs.refused(
        2,
        &["ns", "drop", "a", "--confirm", "b"],
        &["invalid --confirm"],
    );
    verbs.refused(1, &["get", "a\nb", "c"], &["namespace"]);
}

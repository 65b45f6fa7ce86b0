//! `akvs attach` in a pseudo-terminal: editing, completion, history, Ctrl-C and Ctrl-D.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::Signal;

use crate::background::Background;
use crate::terminal::Terminal;

const UP: &str = "\u{1b}[A";
const CTRL_C: &str = "\u{3}";
const CTRL_D: &str = "\u{4}";

/// A server, and a prompt on it.
fn attached(folder: &Path) -> (Background, Terminal) {
    let server = Background::start(&folder.join("data"), &["--engine", "memory"]);
    let prompt = attach(folder);
    (server, prompt)
}

fn attach(folder: &Path) -> Terminal {
    Terminal::attach(&folder.join("data"), &folder.join("state"))
}

#[test]
fn lines_are_executed_and_leaving_keeps_the_server_running() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut prompt) = attached(folder.path());
    assert_eq!(prompt.line("set foo bar baz"), "OK");
    assert_eq!(prompt.line("get foo bar"), "baz");
    assert_eq!(prompt.line("ls foo"), "bar");
    let output = prompt.line("gett foo bar");
    assert!(
        output.contains("'gett'") && output.contains("'get'"),
        "{output}"
    );
    let output = prompt.line("get foo none");
    assert!(
        output.contains("no such key: \"none\" in \"foo\""),
        "{output}"
    );
    assert!(prompt.line("help").contains("namespaces"));
    assert!(prompt.line("help set").contains("--if-absent"));
    assert!(prompt.line("stats").contains("keys         1"));
    assert_eq!(prompt.line("log debug"), "debug");
    assert_eq!(prompt.line("log"), "debug");
    prompt.keys(CTRL_D);
    assert_eq!(prompt.wait().code(), Some(0));
    assert!(server.log().contains("path=/admin/log"));
    let mut prompt = attach(folder.path());
    prompt.keys("quit\r");
    assert_eq!(prompt.wait().code(), Some(0));
    assert_eq!(server.answer(&["ping"]), "pong\n");
    let mut prompt = attach(folder.path());
    prompt.keys("stop\r");
    prompt.wait_for("stopped");
    assert_eq!(prompt.wait().code(), Some(0));
    assert!(server.has_exited());
}

#[test]
fn tab_completes_verbs_namespaces_and_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut prompt) = attached(folder.path());
    server.answer(&["set", "colours", "red", "rose"]);
    server.answer(&["set", "colours", "it's blue", "sky"]);
    prompt.keys("ge\tcol\tr\t");
    prompt.wait_for("get colours red ");
    assert_eq!(prompt.line(""), "rose");
    // A word is quoted if necessary.
    assert_eq!(prompt.line("get colours i\t"), "sky");
    // Several candidates are listed.
    server.answer(&["set", "colours", "reed", "reeds"]);
    prompt.keys("get colours r\t\t");
    prompt.wait_for("reed");
    prompt.wait_for("\nakvs> get colours re");
    assert_eq!(prompt.line("ed"), "reeds");
    assert!(prompt.line("help names\t").contains("List the namespaces"));
}

#[test]
fn history_is_kept_across_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, mut prompt) = attached(folder.path());
    assert_eq!(prompt.line("set a b first"), "OK");
    assert_eq!(prompt.line("get a b"), "first");
    assert_eq!(prompt.line(UP), "first");
    // A line that begins with a space is not stored.
    assert_eq!(prompt.line(" set a b secret"), "OK");
    assert_eq!(prompt.line(UP), "secret");
    prompt.keys(CTRL_D);
    prompt.wait();
    let file = folder.path().join("state/akvs/history");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(!fs::read_to_string(&file).unwrap().contains("secret"));
    let mut prompt = attach(folder.path());
    assert_eq!(prompt.line(&format!("{UP}{UP}")), "OK");
    assert_eq!(prompt.line("get a b"), "first");
}

#[test]
fn ctrl_c_discards_a_line_or_ends_a_watch() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut prompt) = attached(folder.path());
    prompt.keys("set a b half");
    prompt.wait_for("half");
    prompt.keys(CTRL_C);
    prompt.answer();
    assert_eq!(prompt.line("namespaces"), "");
    prompt.keys("watch a --state\r");
    prompt.wait_for("synced");
    server.answer(&["set", "a", "k", "v"]);
    prompt.wait_for(" set k");
    prompt.keys(CTRL_C);
    prompt.answer();
    assert_eq!(prompt.line("get a k"), "v");
    assert_eq!(server.answer(&["ping"]), "pong\n");
}

#[test]
fn ctrl_c_ends_a_verb_and_not_the_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, mut prompt) = attached(folder.path());
    // It takes two samples, with a pause between them.
    prompt.keys("stats\r");
    prompt.wait_until_cooked();
    prompt.keys(CTRL_C);
    prompt.wait_for("^C");
    prompt.answer();
    assert_eq!(prompt.line("ping"), "pong");
}

#[test]
fn a_prompt_reconnects_to_a_restarted_server() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut prompt) = attached(folder.path());
    assert_eq!(prompt.line("set a b c"), "OK");
    server.signal(Signal::KILL);
    server.wait();
    let output = prompt.line("get a b");
    assert!(output.contains("the server has stopped"), "{output}");
    let output = prompt.line("stats");
    assert!(output.contains("the server has stopped"), "{output}");
    assert!(prompt.line("stop").contains("no server is running"));
    let _next = Background::start(&folder.path().join("data"), &["--engine", "memory"]);
    assert_eq!(prompt.line("set a b d"), "OK");
    assert_eq!(prompt.line("get a b"), "d");
    assert_eq!(prompt.line("ping"), "pong");
}

#[test]
fn pasted_lines_are_all_executed() {
    let folder = tempfile::tempdir().unwrap();
    let (server, mut prompt) = attached(folder.path());
    // From a terminal with bracketed paste, and from one without.
    let marked = "\u{1b}[200~set a one 1\nset a two 'first\nsecond'\rset a three 3\u{1b}[201~\r";
    let plain = "set b one 1\rset b two 2\rset b three 3\r";
    for (pasted, namespace) in [(marked, "a"), (plain, "b")] {
        prompt.keys(pasted);
        for _ in 0..3 {
            prompt.wait_for("OK\n");
        }
        prompt.wait_for("akvs> ");
        assert_eq!(server.answer(&["ls", namespace]), "one\nthree\ntwo\n");
    }
    assert_eq!(server.answer(&["get", "a", "two"]), "first\nsecond");
    // An error in one line does not skip the next.
    prompt.keys("\u{1b}[200~gte a b\nget b three\u{1b}[201~\r");
    prompt.wait_for("'gte'");
    prompt.wait_for("\n3\n");
}

//! The server and the token of a client's verb; the token is never printed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::background::verb;
use crate::common::{Server, akvs, json, run};

/// Starts a server that requires a token; returns the token.
fn guarded(folder: &Path) -> (Server, String) {
    let data = folder.join("data");
    let ran = run(verb(&data).args(["token", "new", "ops", "--rights", "read,write"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    (Server::start(&data, &[]), ran.stdout.trim_end().to_owned())
}

/// Asserts that the command stores a value and does not print the token.
#[track_caller]
fn stores(command: &mut Command, token: &str) {
    let ran = run(command);
    assert_eq!((ran.code, &*ran.stdout), (Some(0), "OK\n"), "{ran:?}");
    assert!(!ran.stderr.contains(token));
}

#[test]
fn the_server_and_the_token_come_from_flags_or_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let (server, token) = guarded(folder.path());
    let url = format!("http://{}", server.address());
    let file = folder.path().join("token");
    fs::write(&file, format!("{token}\n# which is for these tests\n")).unwrap();
    let set = || {
        let mut command = akvs();
        command.args(["set", "a", "b", "c"]);
        command
    };
    stores(
        set().env("AKVS_URL", &url).env("AKVS_TOKEN", &token),
        &token,
    );
    stores(
        set().env("AKVS_URL", &url).env("AKVS_TOKEN_FILE", &file),
        &token,
    );
    stores(
        set().args(["--url", &url, "--token-file"]).arg(&file),
        &token,
    );
    // A flag has precedence.
    let mut both = set();
    both.env("AKVS_URL", "http://127.0.0.1:1")
        .env("AKVS_TOKEN", "another");
    stores(
        both.args(["--url", &url, "--token-file"]).arg(&file),
        &token,
    );
    // Without either, the server of the data directory is used, which needs no token.
    let data = folder.path().join("data");
    stores(set().arg("--data-dir").arg(&data), &token);
    stores(
        verb(&data)
            .args(["set", "a", "b", "c"])
            .env("AKVS_TOKEN_FILE", &file),
        &token,
    );
}

#[test]
fn variables_of_the_client_are_no_settings() {
    let folder = tempfile::tempdir().unwrap();
    let (server, token) = guarded(folder.path());
    let data = folder.path().join("data");
    for name in ["AKVS_URL", "AKVS_TOKEN", "AKVS_TOKEN_FILE"] {
        for words in [
            &["ping"][..],
            &["pid"],
            &["eval", "ping"],
            &["config", "check"],
        ] {
            let ran = run(verb(&data).args(words).env(name, &token));
            assert_eq!(ran.code, Some(0), "{name}: {ran:?}");
        }
    }
    server.stop();
}

#[test]
fn a_refused_token_is_reported_and_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (server, token) = guarded(folder.path());
    let url = format!("http://{}", server.address());
    let get = |token: &str| {
        let mut command = akvs();
        run(command
            .args(["get", "a", "b", "--url", &url])
            .env("AKVS_TOKEN", token))
    };
    get("").assert_refused(1, &["unauthorized"]);
    let wrong = format!("{token}x");
    for token in [&*wrong, "secret"] {
        let ran = get(token);
        ran.assert_refused(1, &["unauthorized"]);
        assert!(!ran.stderr.contains(token), "{ran:?}");
    }
    let ran = get("sec\u{7f}ret\n");
    ran.assert_refused(78, &["AKVS_TOKEN"]);
    assert!(!ran.stderr.contains("ret"), "{ran:?}");
    let file = folder.path().join("none");
    let ran = run(akvs()
        .args(["get", "a", "b", "--url", &url, "--token-file"])
        .arg(&file));
    ran.assert_refused(78, &["--token-file", &file.display().to_string()]);
    // The token lacks the right `admin`.
    let ran = run(akvs()
        .args(["ns", "drop", "a", "--confirm", "a", "--url", &url])
        .env("AKVS_TOKEN", &token));
    ran.assert_refused(1, &["forbidden"]);
}

#[test]
fn an_unreachable_server_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let get = |words: &[&str]| run(verb(folder.path()).args(["get", "a", "b"]).args(words));
    get(&[]).assert_refused(69, &["no server is running", "akvs start", "--url"]);
    get(&["--url", "http://127.0.0.1:1"]).assert_refused(69, &["cannot be reached"]);
    get(&["--url", "127.0.0.1:1"]).assert_refused(69, &["cannot be reached"]);
    get(&["--url", "unix:/nowhere/at/all"]).assert_refused(69, &["cannot be reached"]);
    // A watch waits for a lost server, but not for one that never answered.
    let mut watch = verb(folder.path());
    let ran = run(watch.args(["watch", "a", "--url", "http://127.0.0.1:1"]));
    ran.assert_refused(69, &["cannot be reached"]);
    get(&["--url", "nonsense"]).assert_refused(78, &["URL"]);
    get(&["--url", "ftp://localhost"]).assert_refused(78, &["URL"]);
}

#[test]
fn a_wrong_base_url_is_not_a_missing_key() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--engine", "memory"]);
    for path in ["/kv", "/kv/a", "/prefix"] {
        let url = format!("http://{}{path}", server.address());
        for words in [
            &["get", "a", "b"][..],
            &["set", "a", "b", "c"],
            &["del", "a", "b"],
            &["ls", "a"],
            &["ns", "ls"],
            &["ns", "drop", "a", "--confirm", "a"],
            &[
                "txn",
                "a",
                r#"{"ops":[{"op":"set","key":"b","value":"c"}]}"#,
            ],
            &["export", "a"],
        ] {
            let ran = run(akvs().args(words).args(["--url", &url]));
            ran.assert_refused(1, &["wrong base URL"]);
        }
    }
    let listed = server.ask("GET", "/kv", b"");
    let listed = json(std::str::from_utf8(&listed.body).unwrap());
    assert_eq!(listed["namespaces"], serde_json::json!([]));
    server.stop();
}

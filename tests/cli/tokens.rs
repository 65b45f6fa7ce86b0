//! `akvs token`, and a server that applies its changes.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::common::{Answer, Ran, Server, akvs, run};

fn token(data: &Path, arguments: &[&str]) -> Ran {
    run(akvs()
        .arg("token")
        .args(arguments)
        .arg("--data-dir")
        .arg(data))
}

/// Creates a token; returns its text.
#[track_caller]
fn new(data: &Path, arguments: &[&str]) -> String {
    let ran = token(data, &[&["new"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let text = ran.stdout.strip_suffix('\n').unwrap();
    assert!(
        text.starts_with("akvs_") && !text.contains(char::is_whitespace),
        "{text:?}"
    );
    assert!(!ran.stderr.contains(text), "{ran:?}");
    text.to_owned()
}

/// Sends a request with this token.
fn ask(server: &Server, token: &str, method: &str, path: &str, body: &str) -> Answer {
    let mut connection = server.connect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: akvs\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    connection.send(request).unwrap();
    connection.answer().unwrap()
}

#[test]
fn tokens_can_be_created_before_the_first_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let admin = new(&data, &["ops", "--rights", "admin"]);
    let reader = new(
        &data,
        &[
            "reports",
            "--rights",
            "read",
            "--namespace",
            "sales-*",
            "--expires",
            "90d",
        ],
    );
    let server = Server::start(&data, &[]);
    let output = server.seen().join("\n");
    assert!(
        output.contains("tokens required: 2 tokens from "),
        "{output}"
    );
    let answer = server.ask("POST", "/kv/sales-1/k", b"v");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"akvs\"");
    assert_eq!(
        ask(&server, &admin, "POST", "/kv/sales-1/k", "v").status,
        201
    );
    assert_eq!(
        ask(&server, &reader, "GET", "/kv/sales-1/k", "").plain(),
        (200, "v")
    );
    assert_eq!(
        ask(&server, &reader, "POST", "/kv/sales-1/k", "w").status,
        403
    );
    assert_eq!(ask(&server, &reader, "GET", "/kv/other/k", "").status, 403);
    server.stop();
    // The change survives a restart.
    let server = Server::start(&data, &[]);
    assert_eq!(server.ask("GET", "/kv/sales-1/k", b"").status, 401);
    assert_eq!(
        ask(&server, &reader, "GET", "/kv/sales-1/k", "").plain(),
        (200, "v")
    );
    server.stop();
}

#[test]
fn a_running_server_applies_new_and_removed_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let mut server = Server::start(data, &[]);
    assert_eq!(server.ask("POST", "/kv/n/k", b"v").status, 201);
    let ran = token(data, &["new", "one", "--rights", "read"]);
    assert!(ran.stderr.contains("requires a token"), "{ran:?}");
    let one = ran.stdout.trim_end().to_owned();
    server.wait_for("1 token from");
    assert_eq!(server.ask("GET", "/kv/n/k", b"").status, 401);
    assert_eq!(ask(&server, &one, "GET", "/kv/n/k", "").plain(), (200, "v"));

    let two = new(data, &["two", "--rights", "read,write"]);
    server.wait_for("2 tokens from");
    assert_eq!(token(data, &["rm", "one"]).code, Some(0));
    server.wait_for("1 token from");
    assert_eq!(ask(&server, &one, "GET", "/kv/n/k", "").status, 401);
    assert_eq!(ask(&server, &two, "GET", "/kv/n/k", "").status, 200);

    // After the last token was removed, or with an invalid or missing file, requests are still refused.
    let ran = token(data, &["rm", "two"]);
    assert!(ran.stderr.contains("the last token"), "{ran:?}");
    server.wait_for("all requests are refused");
    assert_eq!(server.ask("GET", "/kv/n/k", b"").status, 401);
    let two = new(data, &["two", "--rights", "read"]);
    server.wait_for("1 token from");
    fs::write(data.join("tokens.toml"), "[[token]]\nnam").unwrap();
    server.wait_for("tokens not reloaded");
    fs::remove_file(data.join("tokens.toml")).unwrap();
    server.wait_for("stay valid until the server is restarted");
    server.signal(Signal::HUP);
    server.wait_for("SIGHUP");
    assert_eq!(server.ask("GET", "/kv/n/k", b"").status, 401);
    assert_eq!(ask(&server, &two, "GET", "/kv/n/k", "").status, 200);
    let output = server.seen().join("\n");
    assert!(!output.contains(&one) && !output.contains(&two), "{output}");
    server.stop();
}

#[test]
fn only_hashes_are_stored_in_a_private_file() {
    let folder = tempfile::tempdir().unwrap();
    let made = new(
        folder.path(),
        &["a", "--rights", "write", "--key-prefix", "x/"],
    );
    let path = folder.path().join("tokens.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&made["akvs_".len()..]), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn tokens_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    new(folder.path(), &["ops", "--rights", "admin"]);
    new(
        folder.path(),
        &[
            "cart",
            "--rights",
            "read,write",
            "--namespace",
            "shop",
            "--namespace",
            "test-*",
            "--key-prefix",
            "cart/",
            "--expires",
            "2999-01-31",
        ],
    );
    new(
        folder.path(),
        &["raw", "--rights", "read", "--key-prefix64", "_w"],
    );
    let ran = token(folder.path(), &["ls"]);
    let rows: Vec<Vec<&str>> = ran
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows,
        [
            vec!["NAME", "RIGHTS", "NAMESPACES", "KEYS", "EXPIRES"],
            vec!["ops", "admin", "*", "*", "never"],
            vec![
                "cart",
                "read,write",
                "shop,test-*",
                "cart/*",
                "2999-01-31T00:00:00Z"
            ],
            vec!["raw", "read", "*", "\\xff*", "never"],
        ]
    );
}

#[test]
fn an_invalid_token_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    assert_eq!(token(&data, &["rm", "none"]).code, Some(1));
    new(&data, &["a", "--rights", "read"]);
    let before = fs::read(data.join("tokens.toml")).unwrap();
    token(&data, &["new", "a", "--rights", "read"]).assert_refused(1, &["\"a\"", "already"]);
    token(&data, &["rm", "b"]).assert_refused(1, &["\"b\""]);
    token(&data, &["new", "c", "--rights", "read", "--namespace", "["])
        .assert_refused(78, &["\"c\"", "pattern"]);
    for arguments in [
        &["new", "c"][..],
        &["new", "c", "--rights", "raed"],
        &["new", "c", "--rights", "read", "--expires", "2001-01-01"],
        &["new", "c", "--rights", "read", "--expires", "soon"],
        &[
            "new",
            "c",
            "--rights",
            "read",
            "--key-prefix",
            "a",
            "--key-prefix64",
            "YQ",
        ],
        &["new"],
    ] {
        assert_eq!(token(&data, arguments).code, Some(2), "{arguments:?}");
    }
    assert_eq!(fs::read(data.join("tokens.toml")).unwrap(), before);

    fs::write(
        data.join("tokens.toml"),
        "[[token]]\nname = \"a\"\nrigths = []\n",
    )
    .unwrap();
    for arguments in [&["ls"][..], &["new", "b", "--rights", "read"], &["rm", "a"]] {
        token(&data, arguments).assert_refused(78, &["tokens.toml", "rigths"]);
    }
    let ran = run(akvs()
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data));
    ran.assert_refused(78, &["auth.tokens", "tokens.toml", "rigths"]);
}

#[test]
fn concurrent_token_creations_are_all_stored() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || new(data, &[&format!("t{number}"), "--rights", "read"]));
        }
    });
    assert_eq!(token(data, &["ls"]).stdout.lines().count(), 9);
}

#[test]
fn tokens_allow_exposed_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let check = || {
        let mut command = akvs();
        command.args(["config", "check", "--listen", "0.0.0.0:0", "--data-dir"]);
        run(command.arg(folder.path()))
    };
    check().assert_refused(78, &["--unauthenticated", "akvs token new"]);
    new(folder.path(), &["a", "--rights", "read"]);
    assert_eq!(check().code, Some(0));
}

#[test]
fn an_endless_token_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("tokens.toml")).unwrap();
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["token", "ls"],
        &["token", "new", "a", "--rights", "read"],
    ] {
        let refused = crate::backup::verb(folder.path(), arguments);
        assert_eq!(refused.code, Some(78), "{refused:?}");
        let text = &refused.stderr;
        assert!(text.contains("not a regular file"), "{text}");
    }
    let endless = ["serve", "--listen", "127.0.0.1:0", "--config", "/dev/zero"];
    let refused = crate::backup::verb(folder.path(), endless);
    assert_eq!(refused.code, Some(78), "{refused:?}");
    let text = &refused.stderr;
    assert!(text.contains("larger than 16777216 bytes"), "{text}");
}

//! The admin socket: it requires no token, and `/admin/` exists only there.

mod api;
mod chunks;

use akvs_http::{Options, Right, Tokens};
use serde_json::Value;

use self::api::{Recorder, with};
use crate::tokens::{ask, options, token};
use akvs_testing::raw::{Connection, request};
use akvs_testing::server::TestServer;

/// All paths of the admin API, each with its methods.
const ROUTES: [(&str, &str); 5] = [
    ("/admin/status", "GET, HEAD, OPTIONS"),
    ("/admin/log", "GET, HEAD, PUT, OPTIONS"),
    ("/admin/stop", "POST, OPTIONS"),
    ("/admin/backup", "GET, OPTIONS"),
    ("/admin/verify", "POST, OPTIONS"),
];
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "BREW"];

#[test]
fn the_admin_socket_requires_no_token() {
    let (app, sockets) =
        TestServer::with_sockets(options(vec![token("r", &[Right::Read], &["n"])]));
    let mut owner = Connection::open_unix(&sockets.owner());
    for header in [
        "",
        "Authorization: Bearer wrong\r\n",
        "Authorization: no\r\n",
    ] {
        assert_eq!(owner.ask("POST", "/kv/other/k", header, b"v").status, 201);
        assert_eq!(owner.ask("GET", "/kv/other/k", header, b"").status, 200);
        assert_eq!(owner.ask("GET", "/metrics", header, b"").status, 200);
        for way in [app.connect(), Connection::open_unix(&sockets.unix())] {
            let mut way = way;
            assert_eq!(way.ask("GET", "/kv/other/k", header, b"").status, 401);
        }
    }
    // The answer is the same before a large body.
    owner.send(
        "POST /kv/n/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(owner.answer().status, 100);
    owner.send("v");
    assert_eq!(owner.answer().status, 201);
}

#[test]
fn watches_on_the_admin_socket_continue_when_tokens_change() {
    for before in [vec![], vec![token("a", &[Right::Admin], &["*"])]] {
        let (app, sockets) = TestServer::with_sockets(options(before));
        let mut owner = Connection::open_unix(&sockets.owner());
        let mut watcher = Connection::open_unix(&sockets.owner());
        watcher.send(request("GET", "/watch/n?since=0", "", b""));
        assert_eq!(watcher.head().expect("a head").status, 200);
        for round in 0..3 {
            let tokens = vec![token(&"x".repeat(round + 2), &[Right::Read], &["n"])];
            app.handle()
                .replace_tokens(Tokens::new(tokens).expect("tokens"));
            let path = format!("/kv/n/stored-{round}");
            assert_eq!(owner.ask("POST", &path, "", b"v").status, 201);
            let mut received = String::new();
            while !received.contains(&format!("stored-{round}")) {
                let chunk = watcher.chunk().expect("a watch that continues");
                assert!(!chunk.is_empty(), "it ended: {received}");
                received += std::str::from_utf8(&chunk).expect("text");
            }
        }
    }
}

#[test]
fn admin_paths_are_404_on_other_listeners_with_any_token() {
    let recorder = Recorder::new();
    let (app, sockets) = TestServer::with_sockets(Options {
        admin: Some(recorder.clone()),
        ..options(vec![token("admin", &[Right::Admin], &["*"])])
    });
    for (path, _) in ROUTES {
        for method in METHODS {
            let admin = "Authorization: Bearer admin\r\n";
            let mut unix = Connection::open_unix(&sockets.unix());
            let over_unix = unix.ask(method, path, admin, b"").status;
            let over_tcp = ask(&app, "admin", method, path, "").status;
            assert_eq!((over_unix, over_tcp), (404, 404), "{method} {path}");
        }
    }
    assert_eq!(recorder.calls(), [""; 0]);
}

#[test]
fn each_path_has_its_methods_in_allow() {
    let (_app, sockets, _recorder) = with(Recorder::new());
    for (path, allow) in ROUTES {
        let mut owner = Connection::open_unix(&sockets.owner());
        let options = owner.ask("OPTIONS", path, "", b"");
        assert_eq!(
            (options.status, options.header("Allow")),
            (204, Some(allow))
        );
        let mut allowed = allow.split(", ");
        for method in METHODS {
            if allowed.clone().any(|allowed| allowed == method) {
                continue;
            }
            let answer = owner.ask(method, path, "", b"");
            assert_eq!(answer.status, 405, "{method} {path}");
            assert_eq!(answer.header("Allow"), Some(allow), "{method} {path}");
        }
        if allowed.any(|allowed| allowed == "HEAD") {
            let head = owner.ask("HEAD", path, "", b"");
            assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
            let length = owner.ask("GET", path, "", b"").body.len().to_string();
            assert!(head.header("Content-Length").is_some(), "{path}: {length}");
        }
    }
    for path in [
        "/owner",
        "/admin/",
        "/admin/status/",
        "/admin/none",
        "/Owner/status",
    ] {
        let mut owner = Connection::open_unix(&sockets.owner());
        assert_eq!(owner.ask("GET", path, "", b"").status, 404, "{path}");
    }
}

#[test]
fn malformed_requests_do_nothing() {
    let (_app, sockets, recorder) = with(Recorder::new());
    let mut owner = Connection::open_unix(&sockets.owner());
    for method in ["OPTIONS", "GET", "HEAD", "PUT", "DELETE"] {
        owner.ask(method, "/admin/stop", "", b"");
        owner.ask("OPTIONS", "/admin/log", "", b"off");
        owner.ask("HEAD", "/admin/backup", "", b"");
        owner.ask("HEAD", "/admin/verify", "", b"");
    }
    assert_eq!(recorder.calls(), [""; 0]);
}

#[test]
fn the_status_reports_the_server() {
    let (app, sockets, _recorder) = with(Recorder::new());
    let mut owner = Connection::open_unix(&sockets.owner());
    let mut status = || -> Value {
        let answer = owner.ask("GET", "/admin/status", "", b"");
        assert_eq!(answer.header("Content-Type"), Some("application/json"));
        serde_json::from_slice(&answer.body).expect("JSON")
    };
    let before = status();
    assert_eq!(before["ready"], true);
    assert_eq!(before["pid"], std::process::id());
    assert_eq!(
        (&before["namespaces"], &before["keys"]),
        (&0.into(), &0.into())
    );
    assert_eq!(
        (&before["connections"], &before["watchers"]),
        (&1.into(), &0.into())
    );
    for key in ["version", "commit", "engine"] {
        assert!(before[key].is_string(), "{before}");
    }

    for key in 0..5 {
        assert_eq!(app.post(&format!("/kv/a/{key}"), "value").status, 201);
    }
    assert_eq!(app.post("/kv/b/k", "").status, 201);
    let mut watcher = app.connect();
    watcher.send(request("GET", "/watch/a?since=0", "", b""));
    assert_eq!(watcher.head().expect("a head").status, 200);
    // The counts of stored data may lag; those of connections fall once the client has seen the end.
    let mut after = status();
    while after["keys"] != 6 || after["connections"] != 2 {
        after = status();
    }
    assert_eq!(
        (&after["namespaces"], &after["watchers"]),
        (&2.into(), &1.into())
    );
    assert_eq!(after["bytes"], 5 * ("0".len() + "value".len()) + "k".len());
    let number = |status: &Value, key: &str| status[key].as_u64().expect("a number");
    assert!(number(&after, "requests") >= number(&before, "requests") + 6);
    assert!(number(&after, "elapsed_us") > number(&before, "elapsed_us"));
    assert!(number(&after, "uptime_ms") >= number(&before, "uptime_ms"));

    app.handle().drain();
    assert_eq!(status()["ready"], false);
}

#[test]
fn the_log_level_is_read_and_changed() {
    let (_app, sockets, recorder) = with(Recorder::new());
    let mut owner = Connection::open_unix(&sockets.owner());
    assert_eq!(
        owner.ask("GET", "/admin/log", "", b"").summary(),
        (200, "info")
    );
    let changed = owner.ask("PUT", "/admin/log", "", b" debug,akvs=trace\n");
    assert_eq!(changed.summary(), (200, "debug,akvs=trace"));
    let log = owner.ask("GET", "/admin/log", "", b"");
    assert_eq!(log.summary(), (200, "debug,akvs=trace"));

    let refused = owner.ask("PUT", "/admin/log", "", b"bad");
    assert_eq!(refused.refusal(), (400, "invalid_request".into()));
    assert_eq!(refused.problem()["detail"], "unknown filter: bad");
    let refused = owner.ask("PUT", "/admin/log", "", b"info\xff");
    assert_eq!(refused.refusal(), (400, "invalid_request".into()));
    let longest = vec![b' '; 8 << 10];
    assert_eq!(owner.ask("PUT", "/admin/log", "", &longest).status, 200);
    let refused = owner.ask("PUT", "/admin/log", "", &vec![b' '; (8 << 10) + 1]);
    assert_eq!(refused.refusal(), (413, "too_large".into()));
    assert_eq!(
        recorder.calls(),
        ["log debug,akvs=trace", "log bad", "log "]
    );
}

#[test]
fn a_stop_is_accepted_and_reported_once() {
    let (app, sockets, recorder) = with(Recorder::new());
    let mut owner = Connection::open_unix(&sockets.owner());
    let answer = owner.ask("POST", "/admin/stop", "", b"");
    assert_eq!(answer.summary(), (202, "stopping"));
    assert_eq!(recorder.calls(), ["stop"]);
    // The operator ends the server.
    assert_eq!(app.ask("GET", "/ping").status, 200);
}

#[test]
fn a_request_from_another_site_is_refused() {
    for tokens in [vec![], vec![token("a", &[Right::Admin], &["*"])]] {
        let recorder = Recorder::new();
        let (_app, sockets) = TestServer::with_sockets(Options {
            admin: Some(recorder.clone()),
            ..options(tokens)
        });
        let mut owner = Connection::open_unix(&sockets.owner());
        for other_site in [
            "Origin: http://elsewhere.example\r\n",
            "Origin: null\r\n",
            "Sec-Fetch-Site: cross-site\r\n",
        ] {
            for (method, path) in [
                ("POST", "/admin/stop"),
                ("PUT", "/admin/log"),
                ("POST", "/admin/verify"),
                ("POST", "/kv/n/k"),
                ("DELETE", "/kv/n?confirm=n"),
            ] {
                let answer = owner.ask(method, path, other_site, b"off");
                assert_eq!(
                    answer.refusal(),
                    (403, "forbidden".into()),
                    "{method} {path}"
                );
            }
        }
        assert_eq!(recorder.calls(), [""; 0]);
        // A page of the same origin may, and so may a program that sends its origin.
        let own = "Origin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n";
        assert_eq!(owner.ask("POST", "/kv/n/k", own, b"v").status, 201);
        assert_eq!(owner.ask("POST", "/admin/stop", own, b"").status, 202);
    }
}

#[test]
fn without_an_admin_api_only_the_status_exists() {
    let (_app, sockets) = TestServer::with_sockets(Options::default());
    for (method, path, status) in [
        ("GET", "/admin/status", 200),
        ("GET", "/admin/log", 404),
        ("PUT", "/admin/log", 404),
        ("POST", "/admin/stop", 404),
        ("GET", "/admin/backup", 404),
        ("POST", "/admin/verify", 404),
    ] {
        let mut owner = Connection::open_unix(&sockets.owner());
        let answer = owner.ask(method, path, "", b"off");
        assert_eq!(answer.status, status, "{method} {path}");
    }
}

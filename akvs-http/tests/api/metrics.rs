//! Section 15.2, `/metrics`: every event is counted exactly, and requests cannot add metrics.

mod store;
mod text;

use std::time::{Duration, Instant};

use akvs_http::{Options, Right, Token, Tokens};

use self::text::Scrape;
use akvs_testing::raw::{ANSWER_TIMEOUT, Connection, request};
use akvs_testing::server::TestServer;

/// Every family, with its type.
const FAMILIES: [(&str, &str); 38] = [
    ("akvs_build_info", "gauge"),
    ("akvs_bytes", "gauge"),
    ("akvs_cache_bytes", "gauge"),
    ("akvs_cache_entries", "gauge"),
    ("akvs_cache_hits_total", "counter"),
    ("akvs_cache_max_bytes", "gauge"),
    ("akvs_cache_misses_total", "counter"),
    ("akvs_commit_duration_seconds", "histogram"),
    ("akvs_commit_writes", "histogram"),
    ("akvs_commits_failed_total", "counter"),
    ("akvs_commits_total", "counter"),
    ("akvs_expired_keys_total", "counter"),
    ("akvs_fsync_duration_seconds", "histogram"),
    ("akvs_history_changes", "gauge"),
    ("akvs_history_trimmed_changes_total", "counter"),
    ("akvs_http_connections", "gauge"),
    ("akvs_http_request_body_bytes_total", "counter"),
    ("akvs_http_request_duration_seconds", "histogram"),
    ("akvs_http_requests_abandoned_total", "counter"),
    ("akvs_http_requests_in_flight", "gauge"),
    ("akvs_http_requests_total", "counter"),
    ("akvs_http_response_body_bytes_total", "counter"),
    ("akvs_keys", "gauge"),
    ("akvs_namespace_bytes", "gauge"),
    ("akvs_namespace_keys", "gauge"),
    ("akvs_namespaces", "gauge"),
    ("akvs_open_namespaces", "gauge"),
    ("akvs_queued_bytes", "gauge"),
    ("akvs_queued_writes", "gauge"),
    ("akvs_stored_bytes", "gauge"),
    ("akvs_watchers", "gauge"),
    ("process_cpu_seconds_total", "counter"),
    ("process_max_fds", "gauge"),
    ("process_open_fds", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_threads", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
];

fn scrape(connection: &mut Connection) -> Scrape {
    let answer = connection.ask("GET", "/metrics", "", b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    Scrape::read(answer.text())
}

/// Scrapes until the condition holds.
#[expect(
    clippy::disallowed_methods,
    reason = "the timeout of a test is real time"
)]
fn until(connection: &mut Connection, condition: impl Fn(&Scrape) -> bool) -> Scrape {
    let start = Instant::now();
    loop {
        let found = scrape(connection);
        if condition(&found) {
            return found;
        }
        assert!(
            start.elapsed() < ANSWER_TIMEOUT,
            "the condition does not hold: {found:#?}"
        );
    }
}

#[test]
fn every_family_has_its_type() {
    let app = TestServer::on_disk();
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/key", "", b"value");
    connection.ask("GET", "/kv/ns/key", "", b"");
    let found = scrape(&mut connection);
    let page = found.families.iter();
    let page: Vec<_> = page.map(|(name, kind)| (&**name, &**kind)).collect();
    assert_eq!(page, FAMILIES);
    for name in found
        .families
        .keys()
        .filter(|name| name.starts_with("process_"))
    {
        assert!(found.get(name, []) > 0.0, "{name}");
    }
    assert!(found.get("process_open_fds", []) < found.get("process_max_fds", []));
    assert!(found.get("process_start_time_seconds", []) > 1.7e9);
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("commit", "unknown"),
    ];
    assert_eq!(found.get("akvs_build_info", labels), 1.0);
}

#[test]
fn requests_are_counted_exactly_by_route_method_and_status() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let asked = [
        ("POST", "/kv/ns/key", "key", "201", 7),
        ("GET", "/kv/ns/key", "key", "200", 11),
        ("GET", "/kv/ns/none", "key", "404", 3),
        ("HEAD", "/kv/ns/key", "key", "200", 2),
        ("DELETE", "/kv/ns/gone", "key", "200", 1),
        ("PATCH", "/kv/ns/key", "key", "405", 1),
        ("GET", "/kv/ns", "namespace", "200", 4),
        ("GET", "/kv", "namespaces", "200", 2),
        ("POST", "/get/ns", "get", "400", 1),
        ("OPTIONS", "/txn/ns", "txn", "204", 1),
        ("PUT", "/watch/ns", "watch", "405", 1),
        ("PUT", "/export", "export", "405", 1),
        ("DELETE", "/export/ns", "export", "405", 1),
        ("POST", "/import", "import", "400", 1),
        ("PUT", "/import/ns", "import", "405", 1),
        ("GET", "/openapi.json", "openapi", "200", 1),
        ("GET", "/ping", "ping", "200", 5),
        ("GET", "/livez", "livez", "200", 1),
        ("GET", "/readyz", "readyz", "200", 1),
        ("GET", "/version", "version", "200", 1),
        ("GET", "/whoami", "whoami", "200", 1),
        ("GET", "/", "root", "200", 1),
        ("PUT", "/nope", "other", "404", 6),
    ];
    for (method, path, _, status, times) in asked {
        for _ in 0..times {
            let answer = connection.ask(method, path, "", b"");
            assert_eq!(answer.status.to_string(), status, "{method} {path}");
        }
    }
    let found = scrape(&mut connection);
    for (method, path, route, status, times) in asked {
        let count = found.requests(route, method, status);
        assert_eq!(count, f64::from(times), "{method} {path}");
    }
    let count = |route| {
        let name = "akvs_http_request_duration_seconds_count";
        found.get(name, [("route", route)])
    };
    assert_eq!(
        (count("key"), count("other"), count("ping")),
        (25.0, 6.0, 5.0)
    );
    // A scrape counts itself only afterwards.
    assert_eq!(found.requests("metrics", "GET", "200"), 0.0);
    let found = scrape(&mut connection);
    assert_eq!(found.requests("metrics", "GET", "200"), 1.0);
}

#[test]
fn bodies_are_counted_in_bytes() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let page = connection.ask("GET", "/metrics", "", b"");
    let before = Scrape::read(page.text());
    connection.ask("POST", "/kv/ns/key", "", &[7; 1_000]);
    connection.ask("HEAD", "/kv/ns/key", "", b"");
    for _ in 0..3 {
        connection.ask("GET", "/kv/ns/key", "", b"");
    }
    let found = scrape(&mut connection);
    let more = |name: &str| found.get(name, []) - before.get(name, []);
    assert_eq!(more("akvs_http_request_body_bytes_total"), 1_000.0);
    let sent = page.body.len() + "Created".len() + 3 * 1_000;
    assert_eq!(more("akvs_http_response_body_bytes_total"), sent as f64);
}

#[test]
fn requests_do_not_add_metrics() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let mut send = |from: usize, to: usize| {
        for number in from..to {
            let method = format!("M{number}");
            connection.ask(&method, &format!("/nowhere/{number}"), "", b"");
            connection.ask("GET", &format!("/{number}?q={number}"), "", b"");
            connection.ask("GET", &format!("/kv/shelf{number}/secret{number}"), "", b"");
            connection.ask("POST", &format!("/kv/full/secret{number}"), "", b"hidden");
        }
        let answer = connection.ask("GET", "/metrics", "", b"");
        let text = answer.text().to_owned();
        for part in ["secret", "nowhere", "shelf", "hidden", "M1"] {
            assert!(!text.contains(part), "{part}");
        }
        Scrape::read(&text)
    };
    send(0, 1);
    let few = send(1, 2);
    let many = send(2, 1_002);
    // Buckets without observations are present as well.
    let names = |scrape: &Scrape| scrape.series.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&few), names(&many));
    assert_eq!(many.requests("other", "other", "404"), 1_002.0);
    assert_eq!(many.requests("other", "GET", "404"), 1_002.0);
}

#[test]
fn connections_are_counted_while_they_are_open() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let mut others: Vec<Connection> = (0..7).map(|_| app.connect()).collect();
    for other in &mut others {
        other.ask("GET", "/ping", "", b"");
    }
    let open = scrape(&mut connection).get("akvs_http_connections", []);
    assert_eq!(open, 8.0);
    others.truncate(2);
    until(&mut connection, |found| {
        found.get("akvs_http_connections", []) == 3.0
    });
}

#[test]
fn a_request_is_in_flight_until_it_is_answered_or_abandoned() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let made = connection.ask("POST", "/kv/ns/key", "", b"1");
    let head = format!(
        "GET /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=60\r\nIf-None-Match: \"{}\"\r\n\r\n",
        made.revision()
    );
    let mut waiting: Vec<Connection> = (0..2).map(|_| app.connect()).collect();
    // A client that closes with unread bytes is detected; a client that only stops sending may still read.
    let ping = request("GET", "/ping", "", b"");
    waiting[0].send(&head);
    waiting[1].send([&ping, head.as_bytes()].concat());
    let in_flight = |found: &Scrape| found.get("akvs_http_requests_in_flight", []);
    let found = until(&mut connection, |found| {
        // This request is the third.
        in_flight(found) == 3.0 && found.get("akvs_watchers", []) == 2.0
    });
    assert_eq!(found.get("akvs_http_requests_abandoned_total", []), 0.0);
    waiting.truncate(1);
    until(&mut connection, |found| {
        in_flight(found) == 2.0 && found.get("akvs_http_requests_abandoned_total", []) == 1.0
    });
    connection.ask("POST", "/kv/ns/key", "", b"2");
    assert_eq!(waiting[0].answer().status, 200);
    let found = scrape(&mut connection);
    assert_eq!(in_flight(&found), 1.0);
    assert_eq!(found.get("akvs_watchers", []), 0.0);
    assert_eq!(found.requests("long_poll", "GET", "200"), 1.0);
}

#[test]
fn a_watch_counts_once_its_head_is_sent() {
    let app = TestServer::with(Options {
        heartbeat: Duration::from_millis(100),
        ..Options::default()
    });
    let mut connection = app.connect();
    let mut watching = app.connect();
    watching.send("GET /watch/ns HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(watching.head().map(|head| head.status), Some(200));
    let found = scrape(&mut connection);
    assert_eq!(found.requests("watch", "GET", "200"), 1.0);
    assert_eq!(found.get("akvs_watchers", []), 1.0);
    assert_eq!(found.get("akvs_http_requests_in_flight", []), 1.0);
    drop(watching);
    // A closed connection is detected at the next event or heartbeat.
    until(&mut connection, |found| {
        found.get("akvs_watchers", []) == 0.0
    });
}

#[test]
fn openmetrics_is_sent_on_request_and_the_text_format_otherwise() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let accept = "Accept: application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3\r\n";
    connection.ask("GET", "/ping", "", b"");
    let open = connection.ask("GET", "/metrics", accept, b"");
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(open.header("Content-Type"), Some(media_type));
    assert!(open.text().ends_with("\n# EOF\n"));
    assert!(
        open.text()
            .contains("\n# TYPE akvs_commits counter\nakvs_commits_total 0\n")
    );
    for accept in ["", "Accept: */*\r\n", "Accept: text/plain\r\n"] {
        let text = connection.ask("GET", "/metrics", accept, b"");
        let media_type = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!(text.header("Content-Type"), Some(media_type));
        assert_eq!(text.header("Cache-Control"), Some("no-store"));
        Scrape::read(text.text());
    }
}

#[test]
fn metrics_are_read_only() {
    let app = TestServer::start();
    let head = app.ask("HEAD", "/metrics");
    assert_eq!((head.status, &head.body[..]), (200, &b""[..]));
    let options = app.ask("OPTIONS", "/metrics");
    assert_eq!(options.status, 204);
    assert_eq!(options.header("Allow"), Some("GET, HEAD, OPTIONS"));
    let post = app.ask("POST", "/metrics");
    assert_eq!(post.summary(), (405, "Method Not Allowed"));
    assert_eq!(post.header("Allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn a_token_reads_the_metrics_of_its_namespaces() {
    let token = |name: &str, right| Token {
        name: name.into(),
        sha256: Token::hash(name),
        rights: vec![right],
        namespaces: vec!["mine*".into()],
        key_prefix: Default::default(),
        expires: None,
    };
    let tokens = vec![token("reader", Right::Read), token("writer", Right::Write)];
    let app = TestServer::with(Options {
        tokens: Tokens::new(tokens).unwrap(),
        ..Options::default()
    });
    for name in ["mine", "mine2", "others"] {
        let name = akvs_core::Namespace::new(name).unwrap();
        let store = akvs_core::Store::new(&app.database, name).unwrap();
        let key = akvs_core::Key::new("k").unwrap();
        store.set(&key, "v", Default::default()).unwrap();
    }
    let ask = |token: &str| {
        let authorization = format!("Authorization: Bearer {token}\r\n");
        app.connect().ask("GET", "/metrics", &authorization, b"")
    };
    assert_eq!(app.ask("GET", "/metrics").status, 401);
    assert_eq!(ask("writer").refusal(), (403, "forbidden".into()));
    let found = Scrape::read(ask("reader").text());
    let named = found.values("akvs_namespace_bytes", "namespace");
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["mine", "mine2"]);
    // Totals over all namespaces would disclose other namespaces.
    for total in [
        "akvs_namespaces",
        "akvs_keys",
        "akvs_http_requests",
        "akvs_stored_bytes",
    ] {
        assert!(!ask("reader").text().contains(total), "{total}");
    }
}

//! A Unix socket: requests are answered as over TCP, and need the same tokens.

use std::path::{Path, PathBuf};
use std::time::Duration;

use akvs_client::{Change, Client, Namespace};
use akvs_http::{Options, Right};
use bytes::Bytes;

use crate::tokens::{options, token};
use akvs_testing::raw::{Connection, request};
use akvs_testing::server::{Sockets, TestServer, block_on};

/// More than half a second: the framework's timers use a clock with that resolution.
const SOON: Duration = Duration::from_millis(700);

fn start() -> (TestServer, Sockets) {
    TestServer::with_sockets(Options::default())
}

#[test]
fn a_kept_connection_answers_pipelined_requests_in_order() {
    let (app, sockets) = start();
    let mut connection = Connection::open_unix(&sockets.unix());
    for round in 0..10 {
        let value = format!("value {round}");
        let mut packet = request("POST", "/kv/ns/key", "", value.as_bytes());
        packet.extend(request("GET", "/kv/ns/key", "", b""));
        packet.extend(request("PUT", "/kv/ns/key", "", b"x"));
        packet.extend(request("DELETE", "/kv/ns/key", "", b""));
        packet.extend(request("GET", "/kv/ns/key", "", b""));
        connection.send(packet);
        assert_eq!(connection.answer().summary(), (201, "Created"));
        assert_eq!(connection.answer().summary(), (200, &*value));
        assert_eq!(connection.answer().summary(), (405, "Method Not Allowed"));
        assert_eq!(connection.answer().summary(), (200, "OK"));
        assert_eq!(connection.answer().summary(), (404, "Not Found"));
    }
    let head = connection.ask("HEAD", "/ping", "", b"");
    assert_eq!(
        (head.status, head.header("Content-Length")),
        (200, Some("4"))
    );
    let last = connection.ask("GET", "/ping", "Connection: close\r\n", b"");
    assert_eq!(last.summary(), (200, "pong"));
    assert!(connection.is_ended());
    drop(app);
}

#[test]
fn writes_are_visible_on_every_connection() {
    let (app, sockets) = start();
    let open = || Connection::open_unix(&sockets.unix());
    let mut connections: Vec<_> = (0..50).map(|_| open()).collect();
    for (number, connection) in connections.iter_mut().enumerate() {
        let path = format!("/kv/ns/{number}");
        connection.send(request("POST", &path, "", path.as_bytes()));
    }
    for connection in &mut connections {
        assert_eq!(connection.answer().status, 201);
    }
    let paths: Vec<_> = (0..50).map(|number| format!("/kv/ns/{number}")).collect();
    for (connection, path) in connections.iter_mut().rev().zip(&paths) {
        let answer = connection.ask("GET", path, "", b"");
        assert_eq!(answer.summary(), (200, &**path));
        assert_eq!(app.value(path), path.as_bytes());
    }
}

#[test]
fn a_large_value_is_stored_and_returned() {
    let (_app, sockets) = start();
    let value: Vec<u8> = (0..3_000_000_u32).map(|byte| (byte % 251) as u8).collect();
    let mut connection = Connection::open_unix(&sockets.unix());
    assert_eq!(connection.ask("POST", "/kv/ns/k", "", &value).status, 201);
    assert!(connection.ask("GET", "/kv/ns/k", "", b"").body == value);
}

#[test]
fn http_2_works_with_prior_knowledge() {
    let (app, sockets) = start();
    let value = vec![b'x'; 200_000];
    block_on(async {
        let stream = tokio::net::UnixStream::connect(sockets.unix()).await;
        let connected = h2::client::handshake(stream.expect("a connection")).await;
        let (requests, frames) = connected.expect("a preface");
        let frames = tokio::spawn(frames);
        let ask = async |method: &str, body: Bytes| {
            let uri = "http://localhost/kv/ns/k";
            let head = ::http::Request::builder().method(method).uri(uri);
            let head = head.body(()).expect("a request");
            let mut requests = requests.clone().ready().await.expect("a stream");
            let (answer, mut stream) = requests.send_request(head, false).expect("a stream");
            stream.send_data(body, true).expect("a body");
            let answer = answer.await.expect("an answer");
            let (status, mut body) = (answer.status().as_u16(), answer.into_body());
            let mut all = Vec::new();
            while let Some(data) = body.data().await {
                let data = data.expect("all of the body");
                let window = body.flow_control().release_capacity(data.len());
                window.expect("a window");
                all.extend_from_slice(&data);
            }
            (status, all)
        };
        let created = ask("POST", value.clone().into()).await;
        assert_eq!(created, (201, b"Created".into()));
        let read = tokio::join!(ask("GET", Bytes::new()), ask("GET", Bytes::new()));
        assert!(read == ((200, value.clone()), (200, value.clone())));
        drop(requests);
        // The client closes the connection normally.
        frames.await.expect("a task").expect("frames");
    });
    assert!(app.value("/kv/ns/k") == value);
}

#[test]
fn silent_and_slow_clients_are_disconnected() {
    let (_app, sockets) = TestServer::with_sockets(Options {
        header_timeout: SOON,
        keep_alive: SOON,
        ..Options::default()
    });
    let open = || Connection::open_unix(&sockets.unix());
    // All connections wait at the same time, each with its own timeout.
    let (mut silent, mut slow, mut idle, mut preface) = (open(), open(), open(), open());
    slow.send("GET /ping HTTP/1.1\r\nHost: localhost\r\n");
    preface.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert_eq!(idle.ask("GET", "/ping", "", b"").status, 200);
    let answer = slow.answer();
    assert_eq!(answer.refusal(), (408, "invalid_request".into()));
    for connection in [&mut silent, &mut slow, &mut idle, &mut preface] {
        assert!(connection.is_ended());
    }
}

#[test]
fn tokens_apply_on_a_unix_socket_as_over_tcp() {
    let (app, sockets) = TestServer::with_sockets(options(vec![
        token("admin", &[Right::Admin], &["*"]),
        token("read", &[Right::Read], &["n*"]),
    ]));
    let mut unix = Connection::open_unix(&sockets.unix());
    let mut tcp = app.connect();
    for (secret, method, path, status) in [
        ("", "POST", "/kv/n/k", 401),
        ("wrong", "GET", "/kv/n/k", 401),
        ("admin", "POST", "/kv/n/k", 201),
        ("read", "GET", "/kv/n/k", 200),
        ("read", "DELETE", "/kv/n/k", 403),
        ("read", "GET", "/kv/other/k", 403),
        ("", "GET", "/metrics", 401),
        ("", "GET", "/ping", 200),
        ("", "GET", "/readyz", 200),
    ] {
        let header = format!("Authorization: Bearer {secret}\r\n");
        for (connection, way) in [(&mut tcp, "tcp"), (&mut unix, "unix")] {
            let answer = connection.ask(method, path, &header, b"");
            assert_eq!(answer.status, status, "{way} {method} {path} {secret:?}");
        }
    }
}

#[test]
fn a_write_from_another_site_is_refused() {
    let (app, sockets) = start();
    let mut connection = Connection::open_unix(&sockets.unix());
    let other_site = "Origin: http://elsewhere.example\r\n";
    let refused = connection.ask("POST", "/kv/ns/k", other_site, b"v");
    assert_eq!(refused.refusal(), (403, "forbidden".into()));
    assert_eq!(app.ask("GET", "/kv/ns/k").status, 404);
}

#[test]
fn a_stop_ends_watches_and_finishes_running_requests() {
    let (app, sockets) = start();
    let mut watcher = Connection::open_unix(&sockets.unix());
    watcher.send(request("GET", "/watch/ns?since=0", "", b""));
    assert_eq!(watcher.head().expect("a head").status, 200);
    let mut writer = Connection::open_unix(&sockets.unix());
    let head = "Content-Length: 5\r\nExpect: 100-continue";
    writer.send(format!(
        "POST /kv/ns/k HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n"
    ));
    assert_eq!(writer.answer().status, 100);
    let handle = app.handle().clone();
    let stopping = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(handle.stop(true));
    });
    // The stop has begun once the watch ends.
    while watcher.chunk().is_some_and(|chunk| !chunk.is_empty()) {}
    assert!(!stopping.is_finished());
    writer.send("value");
    assert_eq!(writer.answer().summary(), (201, "Created"));
    assert!(writer.is_ended());
    stopping.join().expect("a stop");
    let stored = app.database.namespaces(None, 10).expect("a list");
    assert_eq!(stored.len(), 1);
}

/// Returns clients configured in both ways of naming a socket.
fn clients(path: &Path) -> [Client; 2] {
    let url = format!("unix:{}", path.display());
    let path: PathBuf = path.into();
    [
        Client::builder().unix_socket(path),
        Client::builder().base_url(url),
    ]
    .map(|builder| builder.build().expect("a client"))
}

#[test]
fn the_client_reads_writes_watches_and_exports_over_a_unix_socket() {
    let (app, sockets) = start();
    for (number, client) in clients(&sockets.unix()).into_iter().enumerate() {
        let name = format!("ns{number}");
        let over_tcp = app.namespace(&name);
        block_on(use_all(
            &client.namespace(&name).expect("a name"),
            &over_tcp,
        ));
    }
}

#[test]
fn the_client_has_all_rights_on_the_admin_socket() {
    let admin = token("admin", &[Right::Admin], &["*"]);
    let (_app, sockets) = TestServer::with_sockets(options(vec![admin]));
    let [owner, _] = clients(&sockets.owner());
    let [stranger, _] = clients(&sockets.unix());
    block_on(async {
        let namespace = owner.namespace("ns").expect("a name");
        namespace.set("k", &7).await.expect("a write");
        assert_eq!(namespace.get_or("k", 0).await.expect("a read"), 7);
        let error = stranger
            .namespace("ns")
            .expect("a name")
            .get_or("k", 0)
            .await;
        assert!(error.expect_err("a refusal").is_unauthorized());
    });
}

/// Uses all kinds of requests on a namespace; `same_namespace` is the same namespace of another client.
async fn use_all(namespace: &Namespace, same_namespace: &Namespace) {
    let mut changes = namespace.watch().from_state().values().stream();
    let mut next_change = async || changes.next().await.expect("a change").expect("a change");
    assert!(matches!(next_change().await, Change::Synced { .. }));
    namespace.set("k", &41).if_absent().await.expect("a write");
    assert_eq!(next_change().await.key().expect("a key"), "k");
    let updated = namespace.update("k", |value: Option<i32>| value.map(|value| value + 1));
    updated.await.expect("an update");
    assert_eq!(next_change().await.key().expect("a key"), "k");
    assert_eq!(same_namespace.get_or("k", 0).await.expect("a read"), 42);
    let mut records = namespace.export().records();
    let record = records.next().await.expect("a record").expect("a record");
    assert_eq!(
        (&record.key[..], &record.value[..]),
        (&b"k"[..], &b"42"[..])
    );
    assert!(records.next().await.is_none());
}

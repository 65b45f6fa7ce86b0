//! Watches against servers that break, restart, refuse, fall silent, repeat themselves, or are other programs: each change
//! is reported once, or an error ends the watch.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use akvs_client::{Change, Client, ClientBuilder, Code, Namespace, Revision, WatchStream};

use akvs_testing::scripted::{ScriptedServer, Step, read_request};
use akvs_testing::server::{TestServer, block_on};

const STREAM: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
/// Longer than any wait of a test that succeeds.
const LONG: Duration = Duration::from_secs(20);

/// Sends the head of the stream and this text, then breaks the connection.
fn cut(text: impl AsRef<str>) -> Step {
    Step::send(STREAM.to_owned() + &chunk(text.as_ref()))
}

/// Sends the head and this text, then ends the body.
fn end(text: impl AsRef<str>) -> Step {
    Step::send(STREAM.to_owned() + &chunk(text.as_ref()) + "0\r\n\r\n")
}

/// Sends the head and this text, then waits until the client closes the connection.
fn hold(text: impl AsRef<str>) -> Step {
    Step::Hold((STREAM.to_owned() + &chunk(text.as_ref())).into())
}

/// Sends the head and this text, one character at a time.
fn trickle(text: &str) -> Step {
    let parts = text.chars().map(|char| chunk(&char.to_string()).into());
    Step::Trickle([STREAM.into()].into_iter().chain(parts).collect())
}

fn chunk(text: &str) -> String {
    match text.len() {
        0 => String::new(),
        length => format!("{length:x}\r\n{text}\r\n"),
    }
}

fn namespace_of(client: ClientBuilder) -> Namespace {
    let client = client.build().expect("a client");
    client.namespace("ns").expect("a namespace")
}

/// Returns the targets of all requests, after all steps.
fn targets(server: ScriptedServer) -> Vec<String> {
    let target = |request: String| request.split(' ').nth(1).expect("a target").to_owned();
    server.finish().into_iter().map(target).collect()
}

fn event(name: &str, key: &str, revision: u64) -> String {
    format!(
        "event: {name}\nid: {revision}\ndata: {{\"key\":\"{key}\",\"revision\":{revision},\"size\":1}}\n\n"
    )
}

/// An event that is not the last of its transaction, or an entry of the state.
fn part(name: &str, key: &str, revision: u64) -> String {
    format!("event: {name}\ndata: {{\"key\":\"{key}\",\"revision\":{revision},\"size\":1}}\n\n")
}

fn synced(revision: u64) -> String {
    format!("event: synced\nid: {revision}\ndata: {{\"revision\":{revision}}}\n\n")
}

fn comment(revision: u64) -> String {
    format!(": revision {revision}\n\n")
}

fn history_gone() -> Step {
    Step::problem("410 Gone", "history_gone", "")
}

/// Formats an item: a change as word, key and revision; an error as its text; the end.
fn short(item: Option<akvs_client::Result<Change>>) -> String {
    let change = match item {
        None => return "end".into(),
        Some(Err(error)) => return format!("error {error}"),
        Some(Ok(change)) => change,
    };
    let word = match &change {
        Change::Set(_) => "set",
        Change::Deleted { .. } => "delete",
        Change::Expired { .. } => "expire",
        Change::Dropped { .. } => "drop",
        Change::Synced { .. } => "synced",
        Change::Reset => "reset",
        other => panic!("{other:?}"),
    };
    let key = change.key().map(|key| format!(" {}", key.escape_ascii()));
    let revision = change.revision().map(|revision| format!(" {revision}"));
    [
        word.into(),
        key.unwrap_or_default(),
        revision.unwrap_or_default(),
    ]
    .concat()
}

async fn next(changes: &mut WatchStream) -> String {
    let item = tokio::time::timeout(LONG, changes.next()).await;
    short(item.expect("something in time"))
}

/// Returns the first `count` items of a watch of these steps, and the targets of its requests.
fn run(
    steps: Vec<Step>,
    count: usize,
    watch: impl Fn(&Namespace) -> WatchStream,
) -> (Vec<String>, Vec<String>) {
    let server = ScriptedServer::once(steps);
    let items = block_on(async {
        let mut changes = watch(&server.namespace());
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(next(&mut changes).await);
        }
        items
    });
    (items, targets(server))
}

fn since_41(namespace: &Namespace) -> WatchStream {
    namespace.watch().since(Revision::new(41)).stream()
}

fn now(namespace: &Namespace) -> WatchStream {
    namespace.watch().stream()
}

fn from_state(namespace: &Namespace) -> WatchStream {
    namespace.watch().from_state().stream()
}

fn error_of(steps: Vec<Step>, watch: impl Fn(&Namespace) -> WatchStream) -> akvs_client::Error {
    let server = ScriptedServer::once(steps);
    let error = block_on(async {
        let mut changes = watch(&server.namespace());
        let first = tokio::time::timeout(LONG, changes.next()).await;
        let error = first
            .expect("in time")
            .expect("an item")
            .expect_err("no change");
        assert!(changes.next().await.is_none() && changes.next().await.is_none());
        error
    });
    targets(server);
    error
}

#[test]
fn the_request_has_the_filter_in_base64url() {
    let server = ScriptedServer::once([hold(event("set", "a", 8))]);
    let url = format!("{}/below", server.url());
    let client = Client::new(&url).unwrap();
    let watch = client
        .namespace("a b/c")
        .unwrap()
        .watch()
        .prefix(b"\xff\xfe/&");
    let mut changes = watch.values().since(Revision::new(7)).stream();
    assert_eq!(block_on(next(&mut changes)), "set a 8");
    drop(changes);
    let requests = server.finish().concat().to_lowercase();
    let first = "get /below/watch/a%20b%2fc?prefix64=__4vjg&values=true&since=7 http/1.1\r\n";
    assert!(requests.starts_with(first), "{requests}");
    let accept = "\r\naccept: text/event-stream, application/problem+json\r\n";
    assert!(
        requests.contains(accept) && requests.matches("accept:").count() == 1,
        "{requests}"
    );
    assert!(!requests.contains("accept-encoding"), "{requests}");
}

#[test]
fn a_watch_starts_now_and_resumes_from_the_servers_revision() {
    let steps = vec![cut(comment(41)), hold(event("set", "a", 43))];
    let (items, targets) = run(steps, 1, now);
    assert_eq!(items, ["set a 43"]);
    assert_eq!(targets, ["/watch/ns", "/watch/ns?since=41"]);
}

#[test]
fn nothing_is_sent_before_it_is_polled() {
    let server = ScriptedServer::once(vec![hold(String::new())]);
    drop(server.namespace().watch().key("unpolled").stream());
    // A request of the watch would be the first connection.
    drop(
        TcpStream::connect(server.address())
            .unwrap()
            .write_all(b"GET /first HTTP/1.1\r\n\r\n"),
    );
    assert_eq!(targets(server), ["/first"]);
}

#[test]
fn a_change_has_all_metadata() {
    let text = concat!(
        "\u{feff}: revision 41\r\n\r\nevent: set\r\nid: 42\r\ndata: {\"key64\":\"_w\",\"revision\":42,\"size\":7,\r\n",
        "data:\"content_type\":\"application/json\",\"expires\":\"2001-09-09T01:46:40.123Z\",\"value\":\"[2,3,5]\"}\r\n\r\n",
        "event: expire\nid: 43\ndata: {\"key\":\"a\",\"revision\":43}\n\nevent: drop\nid: 44\ndata: {\"revision\":44}\n\n",
    );
    let server = ScriptedServer::once(vec![trickle(text)]);
    block_on(async {
        let mut changes = server.namespace().watch().stream();
        let Some(Ok(Change::Set(stored))) = changes.next().await else {
            panic!("no value")
        };
        assert_eq!((&stored.key[..], stored.size), (&b"\xff"[..], 7));
        assert_eq!(stored.json::<Vec<u8>>().unwrap(), Some(vec![2, 3, 5]));
        assert!(stored.json::<String>().is_err());
        assert!(stored.expires.is_some() && stored.modified.is_none());
        assert_eq!(next(&mut changes).await, "expire a 43");
        assert_eq!(next(&mut changes).await, "drop 44");
        assert_eq!(changes.revision(), Some(Revision::new(44)));
    });
    targets(server);
}

#[test]
fn an_event_is_reported_once_after_a_cut_within_it() {
    let whole = event("set", "a", 42) + &event("set", "b", 43);
    let first = event("set", "a", 42).len();
    for end in [first - 1, first, first + 1, first + 12, whole.len() - 1] {
        let rest = if end < first {
            whole.clone()
        } else {
            event("set", "b", 43)
        };
        let steps = vec![cut(&whole[..end]), hold(rest)];
        let (items, targets) = run(steps, 2, since_41);
        assert_eq!(items, ["set a 42", "set b 43"], "{end}");
        let place = if end < first { 41 } else { 42 };
        assert_eq!(targets[1], format!("/watch/ns?since={place}"), "{end}");
    }
}

#[test]
fn a_transaction_is_reported_once_after_a_cut_within_it() {
    let begun = part("set", "a", 42) + &part("delete", "b", 42);
    let whole = begun.clone() + &event("set", "c", 42);
    let steps = vec![cut(begun.clone()), end(begun), hold(whole)];
    let (items, targets) = run(steps, 3, since_41);
    assert_eq!(items, ["set a 42", "delete b 42", "set c 42"]);
    assert_eq!(targets, ["/watch/ns?since=41"; 3]);
}

#[test]
fn a_transaction_without_its_last_change_is_completed_by_later_events() {
    let text = part("set", "a", 42) + &event("set", "b", 43) + &part("set", "c", 44) + &comment(44);
    let (items, _) = run(vec![hold(text)], 3, since_41);
    assert_eq!(items, ["set a 42", "set b 43", "set c 44"]);
}

#[test]
fn a_cut_within_the_state_restarts_it_after_a_reset() {
    let begun = comment(7) + &part("set", "a", 1) + &part("set", "b", 2);
    let whole = comment(9) + &part("set", "b", 9) + &part("set", "c", 3) + &synced(9);
    let steps = vec![
        cut(comment(7)),
        cut(begun),
        end(comment(8)),
        cut(whole + &event("delete", "c", 10)),
        hold(event("set", "d", 11)),
    ];
    let (items, targets) = run(steps, 8, from_state);
    let expected = [
        "set a 1",
        "set b 2",
        "reset",
        "set b 9",
        "set c 3",
        "synced 9",
        "delete c 10",
        "set d 11",
    ];
    assert_eq!(items, expected);
    let state = "/watch/ns?since=0";
    assert_eq!(targets, [state, state, state, state, "/watch/ns?since=10"]);
}

#[test]
fn an_ended_stream_is_resumed() {
    let steps = vec![
        end(event("set", "a", 42)),
        end(String::new()),
        hold(event("set", "b", 43)),
    ];
    let (items, targets) = run(steps, 2, since_41);
    assert_eq!(items, ["set a 42", "set b 43"]);
    assert_eq!(targets[1..], ["/watch/ns?since=42"; 2]);
}

#[test]
fn a_watch_survives_a_restart_of_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let first = ScriptedServer::once_at(listener, vec![cut(event("set", "a", 42))]);
    block_on(async {
        let mut changes = since_41(&first.namespace());
        assert_eq!(next(&mut changes).await, "set a 42");
        assert_eq!(targets(first), ["/watch/ns?since=41"]);
        // No server listens: no error is returned, however often it is tried.
        let silence = tokio::time::timeout(Duration::from_millis(400), changes.next());
        silence.await.unwrap_err();
        let listener = TcpListener::bind(address).unwrap();
        let second = ScriptedServer::once_at(listener, vec![hold(event("set", "b", 43))]);
        assert_eq!(next(&mut changes).await, "set b 43");
        drop(changes);
        assert_eq!(targets(second), ["/watch/ns?since=42"]);
    });
}

#[test]
fn transient_errors_are_retried() {
    let unready =
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>";
    let steps = vec![
        Step::problem("503 Service Unavailable", "closing", "Retry-After: 0\r\n"),
        Step::send(unready),
        Step::problem("429 Too Many Requests", "", ""),
        Step::send(String::new()),
        Step::send("HTTP/1.1 200 OK\r\nContent-"),
        hold(event("set", "a", 42)),
    ];
    let (items, targets) = run(steps, 1, since_41);
    assert_eq!(items, ["set a 42"]);
    assert_eq!(targets, ["/watch/ns?since=41"; 6]);
}

#[test]
fn a_watch_honours_retry_after() {
    let by_date =
        "Date: Sun, 09 Sep 2001 01:46:40 GMT\r\nRetry-After: Sun, 09 Sep 2001 01:46:41 GMT\r\n";
    for field in ["Retry-After: 1\r\n", by_date] {
        let asks = Step::problem("503 Service Unavailable", "overloaded", field);
        let begun = tokio::time::Instant::now();
        let (items, _) = run(vec![asks, hold(event("set", "a", 42))], 1, since_41);
        assert_eq!(items, ["set a 42"]);
        assert!(begun.elapsed() >= Duration::from_secs(1), "{field}");
    }
}

#[test]
fn the_backoff_restarts_after_an_event() {
    let cuts = (0..12).map(|_| cut(comment(41)));
    let steps = cuts.chain([hold(event("set", "a", 42))]).collect();
    let begun = tokio::time::Instant::now();
    assert_eq!(run(steps, 1, since_41).0, ["set a 42"]);
    // Without the restart, the waits would be more than 30 s together; with it they are less than 2 s.
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_permanent_error_ends_the_stream() {
    for (status, code) in [
        ("400 Bad Request", Some(Code::InvalidRequest)),
        ("401 Unauthorized", Some(Code::Unauthorized)),
        ("403 Forbidden", Some(Code::Forbidden)),
        ("404 Not Found", Some(Code::NotFound)),
        ("405 Method Not Allowed", Some(Code::MethodNotAllowed)),
        ("410 Gone", Some(Code::HistoryGone)),
        ("301 Moved Permanently", None),
        ("204 No Content", None),
        ("501 Not Implemented", None),
    ] {
        let text = code.map(|code| code.to_string()).unwrap_or_default();
        for watch in [since_41, from_state] {
            let error = error_of(
                vec![Step::problem(status, &text, "Location: /x\r\n")],
                watch,
            );
            assert_eq!(error.code(), code, "{status}");
        }
    }
}

#[test]
fn an_answer_of_another_media_type_is_an_error() {
    for field in [
        "",
        "Content-Type: text/html\r\n",
        "Content-Type: text/event-stream2\r\n",
    ] {
        let page = format!("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n{field}\r\nwelcome");
        let error = error_of(vec![Step::send(page)], since_41);
        assert_eq!(
            error.to_string(),
            "invalid answer to a watch: expected text/event-stream"
        );
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nConnection: close\r\n\r\n";
    let act = Step::send(head.to_owned() + &event("set", "a", 42));
    assert_eq!(run(vec![act], 1, since_41).0, ["set a 42"]);
}

#[test]
fn a_compacted_history_ends_a_watch_of_changes() {
    let missed = "error history_gone: the watch missed changes that are no longer in the history";
    let reset = event("set", "a", 42)
        + "event: reset\ndata: {\"revision\":50}\n\n"
        + &event("set", "b", 50);
    let (items, _) = run(vec![hold(reset)], 3, since_41);
    assert_eq!(items, ["set a 42", missed, "end"]);

    let steps = vec![cut(event("set", "a", 42)), history_gone()];
    let (items, targets) = run(steps, 4, since_41);
    assert_eq!(
        items,
        ["set a 42", "error history_gone: as scripted", "end", "end"]
    );
    assert_eq!(targets[1], "/watch/ns?since=42");
}

#[test]
fn a_compacted_history_restarts_a_watch_from_state() {
    let state = part("set", "a", 42) + &synced(42);
    let reset = state.clone() + &part("set", "a", 43) + "event: reset\ndata:\n\n";
    let steps = vec![
        hold(reset),
        cut(state.clone()),
        history_gone(),
        Step::problem("503 Service Unavailable", "closing", ""),
        hold(state),
    ];
    let (items, targets) = run(steps, 8, from_state);
    let again = ["reset", "set a 42", "synced 42"];
    assert_eq!(items[..2], again[1..]);
    assert_eq!(items[2..5], again);
    assert_eq!(items[5..], again);
    let positions: Vec<_> = targets
        .iter()
        .map(|target| &target["/watch/ns?since=".len()..])
        .collect();
    assert_eq!(positions, ["0", "0", "42", "0", "0"]);
}

#[test]
fn a_watch_since_revision_zero_is_one_from_state() {
    let after_0 = |namespace: &Namespace| namespace.watch().since(Revision::ZERO).stream();
    let steps = vec![cut(part("set", "a", 1)), hold(synced(1))];
    let (items, _) = run(steps, 3, after_0);
    assert_eq!(items, ["set a 1", "reset", "synced 1"]);
}

#[test]
fn a_watch_from_an_empty_store_does_not_take_a_state_for_changes() {
    let empty = || cut(comment(0) + &synced(0));
    let steps = vec![cut(comment(0)), empty(), empty(), hold(part("set", "a", 7))];
    let (items, targets) = run(steps, 2, now);
    assert!(items[0].starts_with("error history_gone"), "{items:?}");
    assert_eq!(items[1], "end");
    assert_eq!(targets[1..], ["/watch/ns?since=0"; 3]);
}

#[test]
fn a_silent_connection_is_replaced() {
    let with_idle_timeout = |namespace: &Namespace| {
        let watch = namespace.watch().since(Revision::new(41));
        // Long enough for a busy machine.
        watch.idle_timeout(Duration::from_secs(1)).stream()
    };
    let half = event("set", "b", 43);
    let steps = vec![
        Step::Hold(Vec::new()),
        hold(String::new()),
        hold(event("set", "a", 42) + &half[..9]),
        hold(half),
    ];
    let (items, targets) = run(steps, 2, with_idle_timeout);
    assert_eq!(items, ["set a 42", "set b 43"]);
    assert_eq!(targets[2..], ["/watch/ns?since=41", "/watch/ns?since=42"]);
}

#[test]
fn the_request_timeout_does_not_end_a_watch() {
    let short = Duration::from_millis(100);
    let http = akvs_testing::scripted::http()
        .timeout(short)
        .build()
        .unwrap();
    for client in [
        Client::builder().timeout(short),
        Client::builder().http_client(http),
    ] {
        let server = ScriptedServer::once(vec![hold(event("set", "a", 42))]);
        block_on(async {
            let mut changes = since_41(&namespace_of(client.base_url(server.url())));
            assert_eq!(next(&mut changes).await, "set a 42");
            let silence = tokio::time::timeout(short * 5, changes.next());
            silence.await.unwrap_err();
            // It ends when the connection does.
            assert!(!server.is_finished());
        });
        targets(server);
    }
}

#[test]
fn repeated_and_late_changes_are_not_reported() {
    let once = event("set", "a", 42) + &event("set", "b", 43);
    let late = event("set", "x", 40) + &once + &event("delete", "a", 42) + &event("set", "c", 44);
    let (items, _) = run(
        vec![cut(once + &late), hold(late + &event("set", "d", 45))],
        4,
        since_41,
    );
    assert_eq!(items, ["set a 42", "set b 43", "set c 44", "set d 45"]);
}

#[test]
fn an_invalid_event_is_an_error_after_the_valid_ones() {
    for broken in [
        "event: set\ndata: hello\n\n",
        "event: delete\ndata: {\"revision\":43}\n\n",
        "event: set\nid: x\ndata: {\"key\":\"a\",\"revision\":43}\n\n",
        "event: drop\ndata: {}\n\n",
    ] {
        let text = event("set", "a", 42) + broken + &event("set", "z", 50);
        let (items, _) = run(vec![hold(text)], 3, since_41);
        assert_eq!((&*items[0], &*items[2]), ("set a 42", "end"), "{broken}");
        assert!(
            items[1].starts_with("error ") && items[1].contains("watch"),
            "{items:?}"
        );
    }
}

#[test]
fn unknown_events_are_ignored() {
    let text = "retry: 5\nfoo\nevent: rename\nid: 42\ndata: ?\n\n: hello\n\ndata: x\n\n";
    let steps = vec![cut(text), hold(event("set", "a", 43))];
    let (items, targets) = run(steps, 1, since_41);
    assert_eq!(items, ["set a 43"]);
    assert_eq!(targets[1], "/watch/ns?since=42");
}

#[test]
fn an_endless_event_is_an_error_at_the_limit() {
    const ENOUGH: usize = 64 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::builder().base_url(format!("http://{}", listener.local_addr().unwrap()));
    let endless = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream);
        let mut piece = STREAM.to_owned() + &chunk("event: set\ndata: ");
        let mut sent = 0;
        while sent < ENOUGH && stream.write_all(piece.as_bytes()).is_ok() {
            sent += piece.len();
            piece = chunk(&"x".repeat(1 << 16));
        }
        sent
    });
    let client = client.max_value_bytes(1 << 20).build().unwrap();
    let mut changes = client.namespace("ns").unwrap().watch().stream();
    let error = block_on(changes.next()).unwrap().unwrap_err();
    let bound = (6 << 20) + (64 << 10);
    assert_eq!(
        error.to_string(),
        format!("watch event too long: expected at most {bound} bytes")
    );
    assert!(block_on(changes.next()).is_none());
    assert!(endless.join().unwrap() < ENOUGH, "all of it was read");
}

#[test]
fn a_value_of_the_longest_length_is_accepted_in_any_escaping() {
    let value = "\0".repeat(100_000);
    let data = format!(
        "{{\"key\":\"a\",\"revision\":42,\"value\":{}}}",
        serde_json::to_string(&value).unwrap()
    );
    let text = format!("event: set\nid: 42\ndata: {data}\n\n");
    let server = ScriptedServer::once(vec![hold(text)]);
    let namespace = namespace_of(server.builder().max_value_bytes(100_000));
    let change = block_on(now(&namespace).next()).unwrap().unwrap();
    assert!(
        matches!(change, Change::Set(stored) if stored.value.as_deref() == Some(value.as_bytes()))
    );
}

#[test]
fn an_invalid_option_is_the_only_item() {
    // No server listens there; nothing is sent.
    let namespace = Client::new("http://127.0.0.1:1")
        .unwrap()
        .namespace("ns")
        .unwrap();
    let watch = || namespace.watch();
    for (watch, code) in [
        (watch().key("a").prefix("a"), Code::InvalidRequest),
        (watch().prefix("").key("a"), Code::InvalidRequest),
        (watch().key(""), Code::InvalidKey),
        (watch().key([b'k'; 1_025]), Code::InvalidKey),
        (watch().prefix([b'k'; 1_025]), Code::InvalidKey),
        (watch().idle_timeout(Duration::ZERO), Code::InvalidRequest),
    ] {
        let mut changes = watch.stream();
        block_on(async {
            let error = changes.next().await.unwrap().unwrap_err();
            assert_eq!(error.code(), Some(code), "{error}");
            assert!(changes.next().await.is_none());
        });
    }
}

#[test]
fn dropping_the_stream_closes_the_connection() {
    let server = ScriptedServer::once(vec![hold(event("set", "a", 42))]);
    block_on(async {
        let mut changes = now(&server.namespace());
        assert_eq!(next(&mut changes).await, "set a 42");
        assert!(!server.is_finished());
        drop(changes);
        // The act is over when the connection is closed, while the client's runtime still runs.
        let over = tokio::task::spawn_blocking(move || targets(server));
        over.await.unwrap();
    });
}

#[test]
fn next_is_cancel_safe() {
    let text = event("set", "a", 42)
        + &part("set", "b", 43)
        + &event("set", "c", 43)
        + &event("set", "d", 44);
    let server = ScriptedServer::once(vec![trickle(&text)]);
    block_on(async {
        let mut changes = since_41(&server.namespace());
        let mut items = Vec::new();
        let all_changes = async {
            while items.len() < 4 {
                tokio::select! {
                    biased;
                    item = changes.next() => items.push(short(item)),
                    () = tokio::task::yield_now() => {}
                }
            }
        };
        // There is one connection only: no event may be lost.
        tokio::time::timeout(LONG, all_changes).await.unwrap();
        assert_eq!(items, ["set a 42", "set b 43", "set c 43", "set d 44"]);
    });
    targets(server);
}

#[test]
fn the_stream_is_send_and_shows_no_secret() {
    fn is_stream<
        S: futures_util::Stream<Item = akvs_client::Result<Change>> + Send + Unpin + 'static,
    >(
        _: &S,
    ) {
    }
    let client = Client::new("http://me:hidden@127.0.0.1:1/hidden").unwrap();
    let watch = client.namespace("ns").unwrap().watch();
    let changes = watch.clone().stream();
    is_stream(&changes);
    assert!(!format!("{watch:?} {changes:?}").contains("hidden"));
}

#[test]
fn a_watch_of_a_server_reports_its_changes() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        for number in 0..1_000 {
            let value = vec![0xff; number % 7];
            namespace
                .set_bytes(format!("k/{number:03}"), value)
                .await
                .unwrap();
        }
        namespace.set(b"\xfe", "not of the prefix").await.unwrap();
        let mut changes = namespace
            .watch()
            .prefix("k/")
            .from_state()
            .values()
            .stream();
        for number in 0..1_000 {
            let Some(Ok(Change::Set(stored))) = changes.next().await else {
                panic!("{number}")
            };
            assert_eq!(stored.key, format!("k/{number:03}"));
            assert_eq!(stored.value.unwrap(), vec![0xff; number % 7]);
            assert_eq!(stored.size, (number % 7) as u64);
            assert!(stored.modified.is_some() && stored.expires.is_none());
        }
        let Some(Ok(Change::Synced { revision, .. })) = changes.next().await else {
            panic!("there are no more")
        };
        assert_eq!(changes.revision(), Some(revision));

        let mut other = namespace.watch().key(b"\xfe").since(revision).stream();
        namespace.del("k/007").await.unwrap();
        namespace.del(b"\xfe").await.unwrap();
        let soon = Duration::from_millis(1);
        let written = namespace.set("k/008", &1).ttl(soon).await.unwrap();
        let place = written.revision.unwrap();
        assert!(next(&mut changes).await.starts_with("delete k/007 "));
        assert_eq!(next(&mut changes).await, format!("set k/008 {place}"));
        assert!(next(&mut changes).await.starts_with("expire k/008 "));
        assert!(next(&mut other).await.starts_with(r"delete \xfe "));
    });
}

#[test]
fn a_future_revision_is_an_error() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        let written = namespace.set("a", &1).await.unwrap();
        let ahead = Revision::new(written.revision.unwrap().get() + 1_000);
        let mut changes = namespace.watch().since(ahead).stream();
        let error = changes.next().await.unwrap().unwrap_err();
        assert_eq!(error.code(), Some(Code::HistoryGone));
        assert!(changes.next().await.is_none());
    });
}

//! Many watchers, and watchers that do not read: each receives every change or a reset, and none delays another.

use std::time::Duration;

use akvs_http::Options;
use tokio::time::Instant;

use super::sse::{Part, Watch};
use akvs_testing::raw::request;
use akvs_testing::server::TestServer;

/// More than fits between the server and a client that does not read, in values of this size.
const FLOOD: usize = 12 << 20;
const VALUE: usize = 64 << 10;

/// Writes that many bytes, and returns the revisions.
fn flood(app: &TestServer) -> Vec<u64> {
    let mut connection = app.connect();
    let value = vec![b'x'; VALUE];
    let keys = 0..FLOOD / VALUE;
    keys.map(|key| {
        connection
            .ask("POST", &format!("/kv/ns/{}", key % 4), "", &value)
            .revision()
    })
    .collect()
}

/// Reads all changes or up to a reset, and returns whether it received all changes.
fn read_all(watch: &mut Watch, written: &[u64]) -> bool {
    let mut received = 0;
    loop {
        match watch.next_without_comments() {
            Part::Event(event) if event.name == "reset" => {
                assert_eq!(event.id, None, "{event:?}");
                // The newest revision at that time, which was not sent.
                assert!(written[received..].contains(&event.revision()), "{event:?}");
                assert_eq!(watch.next(), Part::End);
                return false;
            }
            Part::Event(event) => {
                assert_eq!(event.change().2, written[received], "a gap");
                received += 1;
                if received == written.len() {
                    return true;
                }
            }
            other @ (Part::Comment(_) | Part::End | Part::Cut) => {
                panic!("{other:?} after {received} changes")
            }
        }
    }
}

#[test]
fn a_watcher_slower_than_the_history_gets_reset_and_is_disconnected() {
    let app = TestServer::with_history(16, Options::default());
    let mut watches = ["values=true", "values=true&prefix="].map(|query| Watch::open(&app, query));
    let mut quick = Watch::open(&app, "");
    let written = flood(&app);
    for watch in &mut watches {
        assert!(
            !read_all(watch, &written),
            "no change was missed, so the test shows nothing"
        );
        // The connection stays usable.
        let answer = watch.connection.ask("GET", "/ping", "", b"");
        assert_eq!(answer.status, 200);
    }
    // The server has memory for all changes without values, unless it was slow.
    read_all(&mut quick, &written);
}

#[test]
fn a_slow_watcher_gets_every_change_in_the_history() {
    let app = TestServer::start();
    let mut watch = Watch::open(&app, "values=true");
    let written = flood(&app);
    assert!(read_all(&mut watch, &written));
    let stored = app.post("/kv/ns/key", "").revision();
    assert_eq!(watch.event().change(), ("set", "key", stored));
}

#[test]
fn three_hundred_watchers_get_every_change_in_order() {
    let app = TestServer::start();
    let queries = ["", "values=true", "prefix=k", "key=key"];
    let mut watches: Vec<_> = (0..300)
        .map(|number| Watch::open(&app, queries[number % 4]))
        .collect();
    let mut connection = app.connect();
    let mut written = Vec::new();
    for _ in 0..4 {
        // Committed one by one or together.
        connection.send(request("POST", "/kv/ns/key", "", b"value").repeat(10));
        written.extend((0..10).map(|_| connection.answer().revision()));
    }
    for watch in &mut watches {
        for revision in &written {
            assert_eq!(watch.event().change(), ("set", "key", *revision));
        }
    }
    // Half of the watchers disconnect; the others are not affected.
    watches.truncate(150);
    let stored = app.post("/kv/ns/key", "").revision();
    for watch in &mut watches {
        assert_eq!(watch.event().change(), ("set", "key", stored));
    }
}

/// Returns whether the server's end of a connection is still open, according to the system.
fn is_open_at_server(watch: &Watch) -> bool {
    let (here, there) = watch.connection.ports();
    let (local, remote) = (format!(":{there:04X}"), format!(":{here:04X}"));
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("a list of sockets");
    sockets.lines().any(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let open = fields.get(3) == Some(&"01");
        open && fields[1].ends_with(&local) && fields[2].ends_with(&remote)
    })
}

#[test]
fn a_watcher_that_does_not_read_is_disconnected() {
    let app = TestServer::with(Options {
        stall_timeout: Duration::from_millis(500),
        ..Options::default()
    });
    let mut stalled = Watch::open(&app, "values=true");
    let mut idle = Watch::open(&app, "key=other");
    flood(&app);
    // The client must not read to detect the end, because that would be progress.
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_open_at_server(&stalled) {
        assert!(
            Instant::now() < deadline,
            "the watcher is never disconnected"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    // Bytes that were already sent arrive, and no normal end.
    let end = loop {
        match stalled.next() {
            Part::Event(_) | Part::Comment(_) => {}
            end @ (Part::End | Part::Cut) => break end,
        }
    };
    assert_eq!(end, Part::Cut);
    // A watcher without changes is not affected.
    let stored = app.post("/kv/ns/other", "").revision();
    assert_eq!(idle.event().change(), ("set", "other", stored));
}

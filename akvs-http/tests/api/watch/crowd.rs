//! Many who watch at once, and some who do not read: each is told everything, or that something is missing, and
//! nobody waits for another.

use std::time::Duration;

use akvs_http::Options;
use tokio::time::Instant;

use super::sse::{Told, Watch};
use akvs_testing::raw::request;
use akvs_testing::server::TestServer;

/// More than fits between the server and a reader that does not read, in values of this size.
const FLOOD: usize = 12 << 20;
const VALUE: usize = 64 << 10;

/// Writes it; the revisions.
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

/// What a reader is told that reads on, and whether it was told of everything.
fn read_on(watch: &mut Watch, written: &[u64]) -> bool {
    let mut told = 0;
    loop {
        match watch.past_comments() {
            Told::Event(event) if event.name == "reset" => {
                assert_eq!(event.id, None, "{event:?}");
                // The newest one at that moment, which was not told.
                assert!(written[told..].contains(&event.revision()), "{event:?}");
                assert_eq!(watch.next(), Told::End);
                return false;
            }
            Told::Event(event) => {
                assert_eq!(event.change().2, written[told], "a gap");
                told += 1;
                if told == written.len() {
                    return true;
                }
            }
            other @ (Told::Comment(_) | Told::End | Told::Cut) => {
                panic!("{other:?} after {told} changes")
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
            !read_on(watch, &written),
            "nothing was missed; the test shows nothing"
        );
        // The connection is as good as any.
        let answer = watch.connection.ask("GET", "/ping", "", b"");
        assert_eq!(answer.status, 200);
    }
    // It had room for all of it without values, unless the server was slow.
    read_on(&mut quick, &written);
}

#[test]
fn a_slow_watcher_gets_every_change_in_the_history() {
    let app = TestServer::start();
    let mut watch = Watch::open(&app, "values=true");
    let written = flood(&app);
    assert!(read_on(&mut watch, &written));
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
        // Committed one by one or together, as it comes.
        connection.send(request("POST", "/kv/ns/key", "", b"value").repeat(10));
        written.extend((0..10).map(|_| connection.answer().revision()));
    }
    for watch in &mut watches {
        for revision in &written {
            assert_eq!(watch.event().change(), ("set", "key", *revision));
        }
    }
    // Half of them leave; the others do not notice.
    watches.truncate(150);
    let stored = app.post("/kv/ns/key", "").revision();
    for watch in &mut watches {
        assert_eq!(watch.event().change(), ("set", "key", stored));
    }
}

/// Whether the server's end of a connection is still open, as the system says.
fn server_has(watch: &Watch) -> bool {
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
fn a_reader_that_takes_nothing_is_cut_off_in_the_end() {
    let app = TestServer::with(Options {
        stall_timeout: Duration::from_millis(500),
        ..Options::default()
    });
    let mut stalled = Watch::open(&app, "values=true");
    let mut idle = Watch::open(&app, "key=other");
    flood(&app);
    // Only a packet would tell it, and it must not read: that would be taking something.
    let deadline = Instant::now() + Duration::from_secs(20);
    while server_has(&stalled) {
        assert!(Instant::now() < deadline, "it is never cut off");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What was on its way arrives, and nothing that looks like an end.
    let end = loop {
        match stalled.next() {
            Told::Event(_) | Told::Comment(_) => {}
            end @ (Told::End | Told::Cut) => break end,
        }
    };
    assert_eq!(end, Told::Cut);
    // Who has nothing to read stalls nobody.
    let stored = app.post("/kv/ns/other", "").revision();
    assert_eq!(idle.event().change(), ("set", "other", stored));
}

//! What a watch tells of a transaction: its changes in their order, under one revision that only the last one says as
//! its id, so that a client that was cut off in between comes back for all of them.

use serde_json::{Value, json};

use super::{done, transact};
use akvs_testing::raw::{Connection, request};
use akvs_testing::server::TestServer;

/// An event.
struct Event {
    name: String,
    id: Option<u64>,
    data: Value,
}

impl Event {
    /// Its name, its key, its revision and its id.
    fn told(&self) -> (&str, &str, u64, Option<u64>) {
        let (key, revision) = (self.data["key"].as_str(), self.data["revision"].as_u64());
        (
            &self.name,
            key.expect("a key"),
            revision.expect("a revision"),
            self.id,
        )
    }
}

/// An open watch of the namespace `ns`.
struct Watch {
    connection: Connection,
    text: String,
}

impl Watch {
    fn open(app: &TestServer, query: &str) -> Watch {
        Watch::resume(app, query, None)
    }

    /// That of a client which has seen this id; returns once the watch has begun.
    fn resume(app: &TestServer, query: &str, last: Option<u64>) -> Watch {
        let mut connection = app.connect();
        let header = last.map_or(String::new(), |last| format!("Last-Event-ID: {last}\r\n"));
        connection.send(request("GET", &format!("/watch/ns?{query}"), &header, b""));
        assert_eq!(connection.head().expect("a head").status, 200);
        let mut watch = Watch {
            connection,
            text: String::new(),
        };
        assert!(watch.block().starts_with(':'));
        watch
    }

    fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return block;
            }
            let chunk = self.connection.chunk().expect("more");
            self.text
                .push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    /// The next event.
    fn event(&mut self) -> Event {
        let block = loop {
            let block = self.block();
            if !block.starts_with(':') {
                break block;
            }
        };
        let field = |name: &str| {
            let mut lines = block.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        };
        Event {
            name: field("event").expect("a name").to_owned(),
            id: field("id").map(|id| id.parse().expect("a revision")),
            data: serde_json::from_str(field("data").expect("data")).expect("an item"),
        }
    }

    fn events(&mut self, count: usize) -> Vec<Event> {
        (0..count).map(|_| self.event()).collect()
    }
}

/// A transaction that changes four keys; its revision.
fn change(app: &TestServer) -> u64 {
    let body = json!({"ops": [
        {"op": "set", "key": "wanted/1", "value": "v"},
        {"op": "delete", "key": "wanted/missing"},
        {"op": "add", "key": "wanted/2", "by": 5},
        {"op": "delete", "key": "wanted/old"},
        {"op": "set", "key": "other", "value": "v"},
    ]});
    done(&mut app.connect(), &body)["revision"]
        .as_u64()
        .expect("a revision")
}

fn told(events: &[Event]) -> Vec<(&str, &str, u64, Option<u64>)> {
    events.iter().map(Event::told).collect()
}

fn all(r: u64) -> [(&'static str, &'static str, u64, Option<u64>); 4] {
    [
        ("set", "wanted/1", r, None),
        ("set", "wanted/2", r, None),
        ("delete", "wanted/old", r, None),
        ("set", "other", r, Some(r)),
    ]
}

/// Those of the prefix, of which another one is the last.
fn wanted(r: u64) -> [(&'static str, &'static str, u64, Option<u64>); 3] {
    let [first, second, (name, key, ..), _] = all(r);
    [first, second, (name, key, r, Some(r))]
}

#[test]
fn only_the_last_change_of_a_transaction_has_an_id() {
    let app = TestServer::start();
    app.post("/kv/ns/wanted%2Fold", "v");
    let mut everything = Watch::open(&app, "values=true");
    let mut prefix = Watch::open(&app, "prefix=wanted/");
    let mut key = Watch::open(&app, "key=wanted/1");
    let r = change(&app);
    let events = everything.events(4);
    assert_eq!(told(&events), all(r));
    assert_eq!(
        (&events[0].data["value"], &events[1].data["value"]),
        (&json!("v"), &json!("5"))
    );
    assert_eq!(told(&prefix.events(3)), wanted(r));
    assert_eq!(told(&key.events(1)), [("set", "wanted/1", r, Some(r))]);
    // Nothing more of it comes.
    let next = app.post("/kv/ns/wanted%2F1", "after").revision();
    for watch in [&mut everything, &mut prefix, &mut key] {
        assert_eq!(watch.event().told(), ("set", "wanted/1", next, Some(next)));
    }
}

#[test]
fn a_resumed_transaction_is_sent_completely_or_not_at_all() {
    for app in [TestServer::start(), TestServer::on_disk()] {
        let before = app.post("/kv/ns/wanted%2Fold", "v").revision();
        let r = change(&app);
        let next = app.post("/kv/ns/wanted%2F1", "after").revision();
        for (query, last) in [("", Some(before)), (&format!("since={before}"), None)] {
            assert_eq!(told(&Watch::resume(&app, query, last).events(4)), all(r));
        }
        let mut prefix = Watch::resume(&app, "prefix=wanted/", Some(before));
        assert_eq!(told(&prefix.events(3)), wanted(r));
        assert_eq!(prefix.event().told(), ("set", "wanted/1", next, Some(next)));
        for query in ["", "prefix=wanted/", "key=wanted/1"] {
            let mut watch = Watch::resume(&app, query, Some(r));
            assert_eq!(
                watch.event().told(),
                ("set", "wanted/1", next, Some(next)),
                "{query}"
            );
        }
        let mut key = Watch::resume(&app, "key=other", Some(before));
        assert_eq!(told(&key.events(1)), [("set", "other", r, Some(r))]);
    }
}

#[test]
fn refused_writes_are_not_reported() {
    let app = TestServer::start();
    app.post("/kv/ns/word", "word");
    let mut watch = Watch::open(&app, "");
    let mut connection = app.connect();
    let set = json!({"op": "set", "key": "new", "value": ""});
    for body in [
        json!({"checks": [{"key": "word", "absent": true}], "ops": [set]}),
        json!({"ops": [set, {"op": "add", "key": "word", "by": 1}]}),
        json!({"ops": [set, set]}),
        json!({"ops": [set, {"op": "rename", "key": "word"}]}),
    ] {
        assert!(transact(&mut connection, &body).status >= 400, "{body}");
    }
    let next = app.post("/kv/ns/next", "v").revision();
    assert_eq!(watch.event().told(), ("set", "next", next, Some(next)));
}

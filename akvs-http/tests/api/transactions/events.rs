//! Watch events of a transaction: its changes in order, under one revision that only the last one has as its id, so
//! that a client that was cut off in between receives all of them again.

use serde_json::{Value, json};

use super::{transact, transact_ok};
use akvs_testing::raw::{Connection, request};
use akvs_testing::server::TestServer;

/// An event.
struct Event {
    name: String,
    id: Option<u64>,
    data: Value,
}

impl Event {
    /// Returns the name, the key, the revision and the id.
    fn summary(&self) -> (&str, &str, u64, Option<u64>) {
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

    /// Watches as a client that has received this id; returns once the watch has started.
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

    /// Returns the next event.
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

/// Applies a transaction that changes four keys, and returns its revision.
fn change(app: &TestServer) -> u64 {
    let body = json!({"ops": [
        {"op": "set", "key": "matching/1", "value": "v"},
        {"op": "delete", "key": "matching/missing"},
        {"op": "add", "key": "matching/2", "by": 5},
        {"op": "delete", "key": "matching/old"},
        {"op": "set", "key": "other", "value": "v"},
    ]});
    transact_ok(&mut app.connect(), &body)["revision"]
        .as_u64()
        .expect("a revision")
}

fn summary(events: &[Event]) -> Vec<(&str, &str, u64, Option<u64>)> {
    events.iter().map(Event::summary).collect()
}

fn all(r: u64) -> [(&'static str, &'static str, u64, Option<u64>); 4] {
    [
        ("set", "matching/1", r, None),
        ("set", "matching/2", r, None),
        ("delete", "matching/old", r, None),
        ("set", "other", r, Some(r)),
    ]
}

/// The events that match the prefix, of which a different one is the last.
fn matching(r: u64) -> [(&'static str, &'static str, u64, Option<u64>); 3] {
    let [first, second, (name, key, ..), _] = all(r);
    [first, second, (name, key, r, Some(r))]
}

#[test]
fn only_the_last_change_of_a_transaction_has_an_id() {
    let app = TestServer::start();
    app.post("/kv/ns/matching%2Fold", "v");
    let mut everything = Watch::open(&app, "values=true");
    let mut prefix = Watch::open(&app, "prefix=matching/");
    let mut key = Watch::open(&app, "key=matching/1");
    let r = change(&app);
    let events = everything.events(4);
    assert_eq!(summary(&events), all(r));
    assert_eq!(
        (&events[0].data["value"], &events[1].data["value"]),
        (&json!("v"), &json!("5"))
    );
    assert_eq!(summary(&prefix.events(3)), matching(r));
    assert_eq!(summary(&key.events(1)), [("set", "matching/1", r, Some(r))]);
    // No event of the transaction follows.
    let next = app.post("/kv/ns/matching%2F1", "after").revision();
    for watch in [&mut everything, &mut prefix, &mut key] {
        assert_eq!(
            watch.event().summary(),
            ("set", "matching/1", next, Some(next))
        );
    }
}

#[test]
fn a_resumed_transaction_is_sent_completely_or_not_at_all() {
    for app in [TestServer::start(), TestServer::on_disk()] {
        let before = app.post("/kv/ns/matching%2Fold", "v").revision();
        let r = change(&app);
        let next = app.post("/kv/ns/matching%2F1", "after").revision();
        for (query, last) in [("", Some(before)), (&format!("since={before}"), None)] {
            assert_eq!(summary(&Watch::resume(&app, query, last).events(4)), all(r));
        }
        let mut prefix = Watch::resume(&app, "prefix=matching/", Some(before));
        assert_eq!(summary(&prefix.events(3)), matching(r));
        assert_eq!(
            prefix.event().summary(),
            ("set", "matching/1", next, Some(next))
        );
        for query in ["", "prefix=matching/", "key=matching/1"] {
            let mut watch = Watch::resume(&app, query, Some(r));
            assert_eq!(
                watch.event().summary(),
                ("set", "matching/1", next, Some(next)),
                "{query}"
            );
        }
        let mut key = Watch::resume(&app, "key=other", Some(before));
        assert_eq!(summary(&key.events(1)), [("set", "other", r, Some(r))]);
    }
}

#[test]
fn refused_transactions_are_not_reported() {
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
    assert_eq!(watch.event().summary(), ("set", "next", next, Some(next)));
}

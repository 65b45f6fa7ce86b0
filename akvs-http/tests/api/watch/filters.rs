//! Filters of a watch: by key or by prefix, for any bytes.

use super::sse::Watch;
use akvs_testing::server::TestServer;

/// The written keys, in this order: any bytes, some of them text.
const KEYS: [&str; 9] = [
    "a", "a%00", "ab", "b", "%C3%BC", "%C3", "%FE", "%FF", "%FF%FF",
];

/// The members of events that name these keys.
const EVENT_KEYS: [(&str, &str); 9] = [
    ("key", "a"),
    ("key", "a\0"),
    ("key", "ab"),
    ("key", "b"),
    ("key", "\u{fc}"),
    ("key64", "ww"),
    ("key64", "_g"),
    ("key64", "_w"),
    ("key64", "__8"),
];

/// Queries, and the indices of the keys that match.
const FILTERS: [(&str, &[usize]); 14] = [
    ("", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("prefix=", &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("prefix=a", &[0, 1, 2]),
    ("prefix64=YQ", &[0, 1, 2]),
    ("prefix=%C3", &[4, 5]),
    ("prefix=%FF", &[7, 8]),
    ("prefix64=_w", &[7, 8]),
    ("prefix=abc", &[]),
    ("key=a", &[0]),
    ("key=a%00", &[1]),
    ("key64=YQA", &[1]),
    ("key=%FF", &[7]),
    ("key64=_w", &[7]),
    ("key=c", &[]),
];

/// Asserts that the next event is of this key and has no other member for it.
fn assert_next(watch: &mut Watch, name: &str, key: usize) {
    let event = watch.event();
    let (member, text) = EVENT_KEYS[key];
    assert_eq!((&*event.name, &event.data[member]), (name, &text.into()));
    let other = if member == "key" { "key64" } else { "key" };
    assert_eq!(event.data.get(other), None);
}

#[test]
fn filters_apply_to_changes() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let mut watches = FILTERS.map(|(query, keys)| (Watch::open(&app, query), keys));
    for method in ["POST", "DELETE", "POST"] {
        for key in KEYS {
            connection.ask(method, &format!("/kv/ns/{key}"), "", b"");
        }
    }
    // A drop matches every filter, so it is the end of all changes that match.
    connection.ask("DELETE", "/kv/ns?confirm=ns", "", b"");
    for (watch, keys) in &mut watches {
        for name in ["set", "delete", "set"] {
            keys.iter().for_each(|key| assert_next(watch, name, *key));
        }
        assert_eq!(watch.event().name, "drop");
    }
}

#[test]
fn filters_apply_to_the_state() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for key in KEYS.iter().rev() {
        connection.ask("POST", &format!("/kv/ns/{key}"), "", b"");
    }
    for (query, keys) in FILTERS {
        let mut watch = Watch::open(&app, &format!("since=0&{query}"));
        // The keys are sorted by unsigned bytes: as above except for two, of which one is a prefix of the other.
        let mut keys = keys.to_vec();
        keys.sort_by_key(|key| if *key == 5 { (4, 0) } else { (*key, 1) });
        keys.iter()
            .for_each(|key| assert_next(&mut watch, "set", *key));
        assert_eq!(watch.event().name, "synced", "{query}");
    }
}

#[test]
fn filters_apply_to_missed_changes() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let begin = connection.ask("POST", "/kv/ns/z", "", b"").revision();
    for key in KEYS {
        connection.ask("POST", &format!("/kv/ns/{key}"), "", b"");
    }
    connection.ask("DELETE", "/kv/ns?confirm=ns", "", b"");
    for (query, keys) in FILTERS {
        let mut watch = Watch::resume(&app, query, Some(begin));
        keys.iter()
            .for_each(|key| assert_next(&mut watch, "set", *key));
        assert_eq!(watch.event().name, "drop", "{query}");
    }
}

#[test]
fn a_filter_that_matches_few_changes_does_not_delay_other_watchers() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let mut watch = Watch::open(&app, "key=rare");
    for round in 0..1_000 {
        connection.ask("POST", &format!("/kv/ns/{}", round % 7), "", b"");
    }
    let stored = connection.ask("POST", "/kv/ns/rare", "", b"").revision();
    assert_eq!(watch.event().change(), ("set", "rare", stored));
    let mut missed = Watch::open(&app, &format!("key=rare&since={}", stored - 1_000));
    assert_eq!(missed.event().change(), ("set", "rare", stored));
}

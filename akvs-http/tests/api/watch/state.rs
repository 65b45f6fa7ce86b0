//! `since=0`: the existing entries in the order of their keys, then `synced`, then changes; the entries belong to one
//! revision, whatever is written meanwhile.

use std::collections::BTreeMap;

use super::sse::{Event, Watch};
use akvs_testing::raw::Answer;
use akvs_testing::server::TestServer;

const KEYS: usize = 400;
const LONG: usize = 16 << 10;

/// The keys of events, in order.
fn keys(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::key).collect()
}

/// Returns the keys and revisions after these events.
fn replay(entries: &[Event], changes: &[(String, String, u64)]) -> BTreeMap<String, u64> {
    let entries = entries.iter();
    let mut state: BTreeMap<_, _> = entries
        .map(|entry| (entry.key().to_owned(), entry.revision()))
        .collect();
    for (name, key, revision) in changes {
        match &**name {
            "set" => drop(state.insert(key.clone(), *revision)),
            "delete" => assert!(state.remove(key).is_some(), "{key} did not exist"),
            other => panic!("{other}"),
        }
    }
    state
}

/// Returns the keys and revisions that reads return.
fn read(app: &TestServer, keys: impl Iterator<Item = String> + Clone) -> BTreeMap<String, u64> {
    let paths = keys.clone().map(|key| format!("/kv/ns/{key}"));
    let answers = app.connect().ask_all("HEAD", paths, b"");
    let found = keys.zip(answers).filter(|(_, answer)| answer.status == 200);
    found
        .map(|(key, answer)| (key, answer.revision()))
        .collect()
}

#[test]
fn the_state_of_an_empty_namespace_is_synced_at_once() {
    let app = TestServer::start();
    let newest = app.post("/kv/other/key", "").revision();
    let mut watch = Watch::open(&app, "since=0");
    let (entries, synced) = watch.state();
    assert_eq!((entries, synced.id), (vec![], Some(newest)));
    assert_eq!(synced.data, serde_json::json!({"revision": newest}));
    let stored = app.post("/kv/ns/key", "").revision();
    assert_eq!(watch.event().change(), ("set", "key", stored));
}

/// Asserts the state of many keys, which takes many pages, from memory and from a disk.
fn assert_state_of_many_keys(app: &TestServer) {
    // The writes are in no order: 7 has no divisor in common with 2,000.
    let paths = (0..2_000).map(|number| format!("/kv/ns/{:04}", number * 7 % 2_000));
    let answers = app.connect().ask_all("POST", paths, b"value");
    let written: Vec<u64> = answers.iter().map(Answer::revision).collect();
    let newest = *written.last().expect("a revision");
    for (query, with_value) in [("since=0", false), ("since=0&values=true", true)] {
        let mut watch = Watch::open(app, query);
        let (entries, synced) = watch.state();
        let expected: Vec<String> = (0..2_000).map(|number| format!("{number:04}")).collect();
        assert_eq!(keys(&entries), expected);
        assert!(entries.iter().all(|entry| {
            let value = entry.data.get("value");
            value.is_some() == with_value && value.is_none_or(|value| value == "value")
        }));
        assert_eq!(synced.change_of_all(), ("synced", newest));
        let mut revisions: Vec<u64> = entries.iter().map(Event::revision).collect();
        revisions.sort_unstable();
        assert_eq!(revisions, written);
    }
    let mut watch = Watch::open(app, "since=0&prefix=1");
    let (entries, _) = watch.state();
    assert_eq!(entries.len(), 1_000);
    let stored = app.post("/kv/ns/1", "").revision();
    assert_eq!(watch.event().change(), ("set", "1", stored));
}

#[test]
fn the_state_of_many_keys_is_in_key_order() {
    assert_state_of_many_keys(&TestServer::start());
}

#[test]
fn the_state_of_many_keys_from_a_slow_disk_is_in_key_order() {
    assert_state_of_many_keys(&TestServer::on_slow_disk());
}

#[test]
fn expired_keys_are_not_in_the_state() {
    let (app, clock) = TestServer::with_clock();
    for (path, value) in [("a?ttl=1s", "1"), ("b?ttl=2s", "2"), ("c", "3")] {
        app.post(&format!("/kv/ns/{path}"), value);
    }
    for (millis, left) in [(999, "abc"), (1, "bc"), (999, "bc"), (1, "c")] {
        clock.advance(millis);
        let mut watch = Watch::open(&app, "since=0");
        assert_eq!(keys(&watch.state().0).concat(), left, "{millis} ms later");
    }
}

#[test]
fn last_event_id_0_returns_the_state() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "");
    let mut watch = Watch::resume(&app, "", Some(0));
    assert_eq!(keys(&watch.state().0), ["key"]);
}

#[test]
fn a_watch_cut_within_the_state_has_no_id_to_resume_from() {
    let app = TestServer::start();
    app.post("/kv/ns/a", "");
    app.post("/kv/ns/b", "");
    let mut watch = Watch::open(&app, "since=0");
    let ids: Vec<_> = watch.events(3).iter().map(|event| event.id).collect();
    assert_eq!(ids, [None, None, Some(2)]);
    // A resume from here on uses the id that the watch has.
    let stored = app.post("/kv/ns/a", "").revision();
    let mut resumed = Watch::resume(&app, "since=0", Some(2));
    assert_eq!(resumed.event().change(), ("set", "a", stored));
}

/// Asserts that changes during a state follow it; the state has more bytes than fit between server and client.
fn assert_changes_follow_state(app: &TestServer) {
    let mut connection = app.connect();
    let path = |number: usize| format!("/kv/ns/{number:04}");
    let value = vec![b'x'; LONG];
    connection.ask_all("POST", (0..KEYS).map(path), &value);
    let before = read(app, (0..KEYS).map(|number| format!("{number:04}")));
    let mut watch = Watch::open(app, "since=0&values=true");
    let first = watch.events(10);
    let mut changes = Vec::new();
    for number in 0..150 {
        // The first key of the state was already sent, and the last one was not.
        for (method, number) in [
            ("DELETE", number),
            ("POST", KEYS - 1 - number),
            ("POST", KEYS + number),
        ] {
            let answer = connection.ask(method, &path(number), "", b"new");
            let name = if method == "POST" { "set" } else { "delete" };
            changes.push((name.to_owned(), format!("{number:04}"), answer));
        }
    }
    let (rest, synced) = watch.state();
    let entries = [first, rest].concat();
    assert!(
        entries
            .iter()
            .all(|entry| entry.data["size"] == LONG && entry.data["value"].is_string())
    );
    assert!(
        replay(&entries, &[]) == before,
        "the state has a later change"
    );
    assert_eq!(synced.id, before.values().copied().max());
    let received = watch.changes_until("0549");
    for ((name, key, answer), received) in changes.iter().zip(&received) {
        assert_eq!((name, key), (&received.0, &received.1));
        assert!(answer.header("ETag").is_none() || answer.revision() == received.2);
    }
    assert_eq!(received.len(), changes.len());
}

#[test]
fn changes_during_the_state_follow_it_once() {
    assert_changes_follow_state(&TestServer::start());
}

#[test]
fn changes_during_the_state_from_a_slow_disk_follow_it_once() {
    assert_changes_follow_state(&TestServer::on_slow_disk());
}

/// Sets and deletes keys of this writer, and returns the answered changes.
fn write(app: &TestServer, writer: usize) -> Vec<(String, String, u64)> {
    let mut connection = app.connect();
    let mut answered = Vec::new();
    for round in 0..120 {
        let key = format!("{writer}-{}", round % 17);
        let path = format!("/kv/ns/{key}");
        let delete = round % 3 == 2;
        let (method, name) = if delete {
            ("DELETE", "delete")
        } else {
            ("POST", "set")
        };
        let answer = connection.ask(method, &path, "", b"");
        if !delete {
            answered.push((name.to_owned(), key, answer.revision()));
        }
    }
    answered
}

#[test]
fn states_during_writes_miss_and_repeat_no_change() {
    for app in [TestServer::start(), TestServer::on_slow_disk()] {
        std::thread::scope(|scope| {
            let writers = [0, 1, 2].map(|writer| {
                scope.spawn({
                    let app = &app;
                    move || write(app, writer)
                })
            });
            let readers: Vec<_> = (0..8)
                .map(|_| {
                    let mut watch = Watch::open(&app, "since=0");
                    let (entries, synced) = watch.state();
                    (watch, entries, synced.id)
                })
                .collect();
            let answered = writers
                .map(|writer| writer.join().expect("a writer"))
                .concat();
            app.post("/kv/ns/end", "");
            let all = (0..3).flat_map(|writer| (0..17).map(move |key| format!("{writer}-{key}")));
            let end = read(&app, all.chain(["end".to_owned()]));
            for (mut watch, entries, synced) in readers {
                let changes = watch.changes_until("end");
                assert_eq!(replay(&entries, &changes), end);
                let later = answered
                    .iter()
                    .filter(|(_, _, revision)| Some(*revision) > synced);
                let mut later: Vec<_> = later.cloned().collect();
                later.sort_by_key(|(_, _, revision)| *revision);
                let sets = changes
                    .iter()
                    .filter(|(name, key, _)| name == "set" && key != "end");
                assert!(sets.eq(&later), "not the answered changes since {synced:?}");
            }
        });
    }
}

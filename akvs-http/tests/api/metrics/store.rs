//! The metrics of the store: commits, the cache, the history, and the sizes of namespaces.

use akvs_http::Options;

use super::{scrape, until};
use akvs_testing::server::TestServer;

#[test]
fn commits_and_the_writes_in_them_are_counted() {
    for (app, syncs) in [(TestServer::on_disk(), 9.0), (TestServer::start(), 0.0)] {
        let mut connection = app.connect();
        for number in 0..9 {
            connection.ask("POST", &format!("/kv/ns/{number}"), "", b"value");
        }
        // A commit without changes.
        connection.ask("DELETE", "/kv/ns/none", "", b"");
        let found = scrape(&mut connection);
        let get = |name: &str| found.get(name, []);
        assert_eq!(get("akvs_commits_total"), 9.0);
        assert_eq!(get("akvs_commit_writes_sum"), 9.0);
        assert_eq!(get("akvs_commit_duration_seconds_count"), 9.0);
        assert_eq!(get("akvs_fsync_duration_seconds_count"), syncs);
        assert!(get("akvs_fsync_duration_seconds_sum") <= get("akvs_commit_duration_seconds_sum"));
        assert_eq!(get("akvs_commits_failed_total"), 0.0);
        assert_eq!(
            (get("akvs_queued_writes"), get("akvs_queued_bytes")),
            (0.0, 0.0)
        );
        assert_eq!(get("akvs_history_changes"), 9.0);
        assert_eq!(get("akvs_open_namespaces"), 1.0);
    }
}

#[test]
fn periodic_syncs_are_counted_separately() {
    let app = TestServer::on_slow_disk();
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/key", "", b"value");
    let found = until(&mut connection, |found| {
        found.get("akvs_fsync_duration_seconds_count", []) > 0.0
    });
    assert_eq!(found.get("akvs_commits_total", []), 1.0);
}

#[test]
fn the_cache_counts_hits_and_misses() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/key", "", b"value");
    let before = scrape(&mut connection);
    for _ in 0..10 {
        connection.ask("GET", "/kv/ns/key", "", b"");
    }
    for _ in 0..4 {
        connection.ask("GET", "/kv/ns/none", "", b"");
    }
    let found = scrape(&mut connection);
    let more = |name: &str| found.get(name, []) - before.get(name, []);
    assert_eq!(more("akvs_cache_hits_total"), 10.0);
    assert_eq!(more("akvs_cache_misses_total"), 4.0);
    assert_eq!(found.get("akvs_cache_entries", []), 1.0);
    assert!(found.get("akvs_cache_bytes", []) > "keyvalue".len() as f64);
    assert_eq!(found.get("akvs_cache_max_bytes", []), f64::from(256 << 20));
}

#[test]
fn names_of_namespaces_are_escaped_in_labels() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let names = [
        ("\"quoted\"", "%22quoted%22"),
        ("back\\slash\\", "back%5Cslash%5C"),
        (
            "two words, {a=\"b\"} 1",
            "two%20words,%20%7Ba=%22b%22%7D%201",
        ),
        ("🗝", "%F0%9F%97%9D"),
        ("\u{2028}\u{feff}", "%E2%80%A8%EF%BB%BF"),
    ];
    for (number, (_, path)) in names.iter().enumerate() {
        for key in 0..=number {
            let made = connection.ask("POST", &format!("/kv/{path}/{key}"), "", b"value");
            assert_eq!(made.status, 201, "{path}");
        }
    }
    let found = scrape(&mut connection);
    for (number, (name, _)) in names.iter().enumerate() {
        let keys = (number + 1) as f64;
        let label = [("namespace", *name)];
        assert_eq!(found.get("akvs_namespace_keys", label), keys, "{name}");
        assert_eq!(
            found.get("akvs_namespace_bytes", label),
            6.0 * keys,
            "{name}"
        );
    }
    let totals = ["akvs_namespaces", "akvs_keys", "akvs_bytes"];
    assert_eq!(totals.map(|name| found.get(name, [])), [5.0, 15.0, 90.0]);
}

#[test]
fn only_the_100_largest_namespaces_have_a_name() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for number in 0..130 {
        let value = vec![0; 10 * number];
        connection.ask("POST", &format!("/kv/n{number:03}/k"), "", &value);
    }
    connection.ask("DELETE", "/kv/n129?confirm=n129", "", b"");
    let found = scrape(&mut connection);
    for name in ["akvs_namespace_keys", "akvs_namespace_bytes"] {
        let named = found.values(name, "namespace");
        let expected: Vec<String> = (29..129).map(|number| format!("n{number:03}")).collect();
        assert_eq!(named.into_iter().collect::<Vec<_>>(), expected);
    }
    let bytes = (0..129)
        .map(|number| 10.0 * f64::from(number) + 1.0)
        .sum::<f64>();
    let totals = ["akvs_namespaces", "akvs_keys", "akvs_bytes"];
    assert_eq!(
        totals.map(|name| found.get(name, [])),
        [129.0, 129.0, bytes]
    );
}

#[test]
fn expired_keys_are_counted_when_they_are_removed() {
    let (app, clock) = TestServer::with_clock();
    let mut connection = app.connect();
    for key in 0..5 {
        connection.ask("POST", &format!("/kv/ns/{key}?ttl=60"), "", b"value");
    }
    clock.advance(60_000);
    // Wakes the expiry task.
    connection.ask("POST", "/kv/ns/other", "", b"value");
    let found = until(&mut connection, |found| found.get("akvs_keys", []) == 1.0);
    assert_eq!(found.get("akvs_expired_keys_total", []), 5.0);
}

#[test]
fn the_compacted_revision_is_a_metric() {
    let app = TestServer::with_history(10, Options::default());
    let mut connection = app.connect();
    for number in 0..50 {
        connection.ask("POST", &format!("/kv/ns/{number}"), "", b"value");
    }
    let found = scrape(&mut connection);
    let trimmed = found.get("akvs_history_trimmed_changes_total", []);
    assert!(trimmed > 30.0, "{trimmed}");
    assert_eq!(found.get("akvs_history_changes", []) + trimmed, 50.0);
}

//! A backup is one moment of a busy server, and complete: no request can tell the restored store from that moment.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{
    back_up, exported, fill, history, listing, piped, restore, text_of, well, without_revision,
};
use crate::common::{Connection, Server, json};

const WRITERS: usize = 3;
/// What a backup has to read besides what is written meanwhile.
const LARGE: u64 = 8;
/// So many changes are to be answered before it, and while it goes on.
const SOME: u64 = 200;

/// What was answered: revision, key, and value, or none where it was deleted.
type Change = (u64, String, Option<String>);

/// Sets and deletes keys of its own namespace until it is told to stop.
fn write(address: &str, writer: usize, stop: &AtomicBool, answered: &AtomicU64) -> Vec<Change> {
    let mut connection = Connection::to(address).unwrap();
    let mut changes = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("key-{}", number % 40);
        let path = format!("/kv/w{writer}/{key}");
        let value = (number < 40 || number % 7 != 6).then(|| format!("{writer}/{number}"));
        let (method, status) = match &value {
            Some(_) => ("POST", 201),
            None => ("DELETE", 200),
        };
        let body = value.as_deref().unwrap_or_default();
        let answer = connection.ask(method, &path, body.as_bytes()).unwrap();
        assert_eq!(answer.status, status, "{method} {path}");
        let revision = answer.headers["etag"].trim_matches('"').parse().unwrap();
        changes.push((revision, key, value));
        answered.fetch_max(revision, Ordering::Relaxed);
    }
    changes
}

/// The revision up to which a backup goes, as it was said.
fn revision_of(said: &str) -> u64 {
    let (_, rest) = said.split_once("up to revision ").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

/// What these changes come to.
fn state_of<'a>(changes: impl Iterator<Item = &'a Change>) -> BTreeMap<String, (u64, String)> {
    let mut state = BTreeMap::new();
    for (revision, key, value) in changes {
        match value {
            Some(value) => state.insert(key.clone(), (*revision, value.clone())),
            None => state.remove(key),
        };
    }
    state
}

/// The same, as a server tells it.
fn state_at(server: &Server, namespace: &str) -> BTreeMap<String, (u64, String)> {
    let export = text_of(server, &format!("/export/{namespace}"));
    let records = export
        .lines()
        .map(json)
        .filter(|record| record["key"].is_string());
    let records = records.map(|record| {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        let revision = record["revision"].as_u64().unwrap();
        (text("key"), (revision, text("value")))
    });
    records.collect()
}

#[test]
fn a_backup_is_one_moment_of_a_busy_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &[]);
    fill(server.address(), "large", LARGE);
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let file = folder.path().join("file");
    let (said, before, after, writers) = thread::scope(|scope| {
        let (stop, answered) = (&stop, &answered);
        let address = server.address();
        let writers =
            [0, 1, 2].map(|writer| scope.spawn(move || write(address, writer, stop, answered)));
        until(answered, SOME);
        let before = answered.load(Ordering::Relaxed);
        let said = back_up(&data, &file);
        let after = answered.load(Ordering::Relaxed);
        until(answered, after + SOME);
        stop.store(true, Ordering::Relaxed);
        let writers = writers.map(|writer| writer.join().unwrap());
        (said, before, after, writers)
    });
    let moment = revision_of(&said);
    assert!(
        before <= moment,
        "{moment}: what was answered before {before} is missing"
    );
    assert!(moment < after, "nothing was written meanwhile");
    server.kill();

    let again = folder.path().join("again");
    assert_eq!(revision_of(&restore(&file, &again)), moment);
    let server = Server::start(&again, &[]);
    assert_eq!(writers.len(), WRITERS);
    for (writer, changes) in writers.iter().enumerate() {
        let namespace = format!("w{writer}");
        let within = changes.iter().filter(|(revision, ..)| *revision <= moment);
        assert_eq!(
            state_at(&server, &namespace),
            state_of(within.clone()),
            "{namespace}"
        );
        resume(&server, &namespace, within, moment);
    }
    server.stop();
}

/// Waits until a revision was answered.
fn until(answered: &AtomicU64, revision: u64) {
    while answered.load(Ordering::Relaxed) < revision {
        thread::yield_now();
    }
}

/// Who watched the first server goes on at the restored one, and is told of what comes then.
fn resume<'a>(
    server: &Server,
    namespace: &str,
    changes: impl Iterator<Item = &'a Change>,
    moment: u64,
) {
    let changes: Vec<_> = changes.collect();
    let (since, ..) = changes[changes.len() / 2];
    let answer = server.ask("POST", &format!("/kv/{namespace}/next"), b"new");
    let next: u64 = answer.headers["etag"].trim_matches('"').parse().unwrap();
    assert!(next > moment, "{next} is used again after {moment}");
    let told = history(server, namespace, *since, next);
    let told = told.lines().filter_map(|line| line.strip_prefix("id: "));
    let told: Vec<u64> = told.map(|id| id.parse().unwrap()).collect();
    let missed = changes.iter().map(|(revision, ..)| *revision);
    let mut missed: Vec<u64> = missed.filter(|revision| revision > since).collect();
    missed.push(next);
    assert_eq!(told, missed, "{namespace} since {since}");
}

/// Writes of all that can be told apart: types, encodings, deadlines, settings, any bytes, what was deleted and
/// dropped.
const WRITES: [(&str, &str, &str, &str); 15] = [
    (
        "PUT",
        "/kv/set",
        "",
        r#"{"ttl":"2h","max_keys":9,"max_bytes":99999,"max_value_bytes":888}"#,
    ),
    ("PUT", "/kv/none", "", "{}"),
    ("POST", "/kv/set/a", "Content-Type: text/plain\r\n", "a"),
    (
        "POST",
        "/kv/set/b?ttl=1234567",
        "Content-Encoding: gzip\r\n",
        "b",
    ),
    ("POST", "/kv/set/sum?op=add", "", "41"),
    ("POST", "/kv/set/sum?op=add", "", "1"),
    (
        "POST",
        "/kv/keys/%00%FF%2F%20",
        "Content-Type: image/png\r\n",
        "",
    ),
    ("POST", "/kv/keys/gone", "", "gone"),
    ("DELETE", "/kv/keys/gone", "", ""),
    ("POST", "/kv/keys/touched", "", "x"),
    ("POST", "/kv/keys/touched?op=touch&ttl=5000", "", ""),
    ("POST", "/kv/dropped/k", "", "v"),
    ("DELETE", "/kv/dropped?confirm=dropped", "", ""),
    ("POST", "/kv/gr%C3%BCn/k?ttl=9d", "", "\u{fc}"),
    (
        "POST",
        "/txn/keys",
        "",
        r#"{"ops":[{"op":"set","key":"t1","value":"1"},{"op":"set","key":"t2","value64":"AP8"}]}"#,
    ),
];
/// All that a client can learn of what is stored.
fn all_of(server: &Server) -> Vec<String> {
    let plain = |path: &str| server.ask("GET", path, b"").plain().1.to_owned();
    let mut all = vec![exported(server), plain("/kv")];
    for namespace in json(&all[1])["namespaces"].as_array().unwrap() {
        let name = namespace["name"].as_str().unwrap().replace('ü', "%C3%BC");
        let mut page = json(&plain(&format!("/kv/{name}?values=true")));
        all.push(without_revision(&mut page));
        let revision = namespace["revision"].as_u64().unwrap();
        if revision > 1 {
            all.push(history(server, &name, 1, revision));
        }
    }
    assert_eq!(all.len(), 2 + 4 + 3, "{all:#?}");
    all
}

fn write_all(server: &Server) {
    let mut connection = server.connect();
    for (method, path, headers, body) in WRITES {
        let length = body.len();
        let head = format!("{method} {path} HTTP/1.1\r\nHost: akvs\r\n{headers}");
        let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
        connection.send(request).unwrap();
        let answer = connection.answer().unwrap();
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
    }
}

#[test]
fn a_restored_store_equals_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let server = Server::start(&place("data"), &[]);
    write_all(&server);
    let expected = all_of(&server);
    let dropped = server.ask("GET", "/watch/dropped?since=1", b"").status;
    back_up(&place("data"), &place("live"));
    server.stop();
    // Without a server too, which changes nothing.
    let before = listing(&place("data"));
    back_up(&place("data"), &place("offline"));
    assert_eq!(listing(&place("data")), before);
    for name in ["live", "offline"] {
        let again = place(&format!("{name}-again"));
        restore(&place(name), &again);
        let server = Server::start(&again, &[]);
        let found = all_of(&server);
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{name}");
        }
        let found = server.ask("GET", "/watch/dropped?since=1", b"").status;
        assert_eq!(found, dropped);
        assert_eq!(
            server.ask("POST", "/kv/set/too-long", &[0; 889]).status,
            413
        );
        server.stop();
    }
    well(&place("live-again"), ["verify"]);
}

#[test]
fn a_backup_can_be_piped() {
    let folder = tempfile::tempdir().unwrap();
    let (data, again) = (folder.path().join("data"), folder.path().join("again"));
    let server = Server::start(&data, &[]);
    fill(server.address(), "large", 3);
    let expected = exported(&server);
    let mut backup = piped(&data, &["backup", "-"]);
    let mut restore = piped(&again, &["restore", "-"]);
    let (mut from, mut to) = (backup.stdout.take().unwrap(), restore.stdin.take().unwrap());
    std::io::copy(&mut from, &mut to).unwrap();
    drop(to);
    for child in [backup, restore] {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{output:?}"
        );
    }
    server.stop();
    let server = Server::start(&again, &[]);
    assert!(exported(&server) == expected);
    server.stop();
    assert_eq!(names(folder.path()), ["again", "data"]);
}

/// What there is in a folder.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

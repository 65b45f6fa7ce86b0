//! A backup of a busy server is a complete snapshot: no request distinguishes the restored store from it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::{
    back_up, exported, fill, history, listing, piped, restore, succeed, text_of, without_revision,
};
use crate::common::{Connection, Server, json};

const WRITERS: usize = 3;
/// The number of large values, so that the backup takes a while.
const LARGE: u64 = 8;
/// The number of changes that are answered before the backup, and while it runs.
const SOME: u64 = 200;

/// An answered change: revision, key, and value; `None` for a deletion.
type Change = (u64, String, Option<String>);

/// Sets and deletes keys of its own namespace until `stop` is set.
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

/// Returns the revision of a backup, from the output.
fn revision_of(output: &str) -> u64 {
    let (_, rest) = output.split_once("up to revision ").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

/// Returns the state after these changes.
fn state_after<'a>(changes: impl Iterator<Item = &'a Change>) -> BTreeMap<String, (u64, String)> {
    let mut state = BTreeMap::new();
    for (revision, key, value) in changes {
        match value {
            Some(value) => state.insert(key.clone(), (*revision, value.clone())),
            None => state.remove(key),
        };
    }
    state
}

/// Returns the state of a namespace on a server.
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
    let (output, before, after, writers) = thread::scope(|scope| {
        let (stop, answered) = (&stop, &answered);
        let address = server.address();
        let writers =
            [0, 1, 2].map(|writer| scope.spawn(move || write(address, writer, stop, answered)));
        wait_until(answered, SOME);
        let before = answered.load(Ordering::Relaxed);
        let output = back_up(&data, &file);
        let after = answered.load(Ordering::Relaxed);
        wait_until(answered, after + SOME);
        stop.store(true, Ordering::Relaxed);
        let writers = writers.map(|writer| writer.join().unwrap());
        (output, before, after, writers)
    });
    let moment = revision_of(&output);
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
            state_after(within.clone()),
            "{namespace}"
        );
        assert_resumes(&server, &namespace, within, moment);
    }
    server.stop();
}

/// Waits until a write with this revision is answered.
fn wait_until(answered: &AtomicU64, revision: u64) {
    while answered.load(Ordering::Relaxed) < revision {
        thread::yield_now();
    }
}

/// Asserts that a watch of the first server resumes on the restored one.
fn assert_resumes<'a>(
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
    let revisions = history(server, namespace, *since, next);
    let revisions = revisions
        .lines()
        .filter_map(|line| line.strip_prefix("id: "));
    let revisions: Vec<u64> = revisions.map(|id| id.parse().unwrap()).collect();
    let missed = changes.iter().map(|(revision, ..)| *revision);
    let mut missed: Vec<u64> = missed.filter(|revision| revision > since).collect();
    missed.push(next);
    assert_eq!(revisions, missed, "{namespace} since {since}");
}

/// Writes of everything that a backup keeps: types, encodings, expiry times, settings, any bytes, deletions and drops.
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
/// Returns everything that a client can read.
fn readable_state(server: &Server) -> Vec<String> {
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
    let path = |name: &str| folder.path().join(name);
    let server = Server::start(&path("data"), &[]);
    write_all(&server);
    let expected = readable_state(&server);
    let dropped = server.ask("GET", "/watch/dropped?since=1", b"").status;
    back_up(&path("data"), &path("live"));
    server.stop();
    // A backup without a server changes nothing in the directory.
    let before = listing(&path("data"));
    back_up(&path("data"), &path("offline"));
    assert_eq!(listing(&path("data")), before);
    for name in ["live", "offline"] {
        let again = path(&format!("{name}-again"));
        restore(&path(name), &again);
        let server = Server::start(&again, &[]);
        let found = readable_state(&server);
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
    succeed(&path("live-again"), ["verify"]);
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

/// Returns the names of the files in a directory.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

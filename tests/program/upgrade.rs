//! The data folder of an older release: served, written to, killed at its first start; and one of a newer release, which
//! nothing touches.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::SystemTime;

use akvs_core::FORMAT;

use crate::backup::verb;
use crate::common::{Connection, Server, akvs};
use crate::fixture::{Expected, FIXTURES, Fixture};

/// A folder as its older release left it.
struct Old {
    folder: tempfile::TempDir,
    expected: Expected,
}

impl Old {
    fn of(fixture: &Fixture) -> Old {
        let folder = tempfile::tempdir().unwrap();
        let expected = fixture.unpack(folder.path());
        Old { folder, expected }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All is served as the older release served it, and besides only so many keys.
    #[track_caller]
    fn assert_served(&self, server: &Server, new: u64) {
        let mut connection = server.connect();
        for expected in &self.expected.keys {
            let path = path(expected.namespace.as_bytes(), &expected.key);
            let answer = connection.ask("GET", &path, b"").unwrap();
            let Some(entry) = &expected.entry else {
                assert_eq!(answer.status, 404, "{path}");
                continue;
            };
            assert_eq!(answer.status, 200, "{path}");
            assert!(entry.is(&answer.body), "{path}");
            for name in [
                "etag",
                "content-type",
                "content-encoding",
                "akvs-expires",
                "last-modified",
            ] {
                let (found, wanted) = (answer.headers.get(name), entry.fields.get(name));
                assert_eq!(found, wanted, "{path}: {name}");
            }
        }
        let answer = connection.ask("GET", "/kv?limit=1000", b"").unwrap();
        let all: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let all = all["namespaces"].as_array().unwrap();
        let names = all.iter().map(|found| found["name"].as_str().unwrap());
        assert!(names.eq(self.expected.namespaces()));
        let keys: u64 = all
            .iter()
            .map(|found| found["keys"].as_u64().unwrap())
            .sum();
        assert_eq!(keys, self.expected.present() as u64 + new);
    }
}

/// The path of a key, with every byte of it encoded.
fn path(namespace: &[u8], key: &[u8]) -> String {
    let encoded = |bytes: &[u8]| -> String {
        let bytes = bytes.iter().map(|byte| format!("%{byte:02X}"));
        bytes.collect()
    };
    format!("/kv/{}/{}", encoded(namespace), encoded(key))
}

/// Stores a key that was not there; its revision.
#[track_caller]
fn set_new(connection: &mut Connection, name: &str) -> u64 {
    let path = format!("/kv/plain/{name}");
    let answer = connection.ask("POST", &path, b"new").unwrap();
    assert_eq!(answer.status, 201);
    answer.headers["etag"].trim_matches('"').parse().unwrap()
}

fn said_format(data: &Path) -> String {
    fs::read_to_string(data.join("akvs.format")).unwrap()
}

fn upgrade_lines(server: &Server) -> Vec<&String> {
    let lines = server.seen().iter();
    lines.filter(|line| line.contains("format")).collect()
}

#[track_caller]
fn assert_good(data: &Path) {
    let ran = verb(data, ["verify"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("good"), "{ran:?}");
}

#[test]
fn an_older_format_is_served_and_told_once_and_goes_on() {
    for fixture in &FIXTURES {
        let old = Old::of(fixture);
        let data = old.path("data");
        assert_good(&data);
        let server = Server::start(&data, &[]);
        let told = format!(
            "the data has format {}; from its first change on it has format {FORMAT}, which older releases refuse",
            fixture.format
        );
        let lines = upgrade_lines(&server);
        assert!(
            matches!(lines[..], [line] if line.contains(&told) && line.contains("info")),
            "{lines:?}"
        );
        old.assert_served(&server, 0);
        assert_eq!(said_format(&data), "akvs 1\n");
        let first = set_new(&mut server.connect(), "new");
        assert!(first > old.expected.newest());
        assert_eq!(said_format(&data), format!("akvs {FORMAT}\n"));
        old.assert_served(&server, 1);
        server.stop();

        assert_good(&data);
        let server = Server::start(&data, &[]);
        assert_eq!(upgrade_lines(&server), Vec::<&String>::new());
        old.assert_served(&server, 1);
        assert_eq!(set_new(&mut server.connect(), "second"), first + 1);
        server.stop();
    }
}

#[test]
fn its_changes_can_be_watched_from_where_it_was_found() {
    let old = Old::of(&FIXTURES[1]);
    let server = Server::start(&old.path("data"), &[]);
    let first = set_new(&mut server.connect(), "new");
    for since in [1, first - 2] {
        let answer = server.ask("GET", &format!("/watch/plain?since={since}"), b"");
        assert_eq!(answer.status, 410, "{since}");
        let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(problem["code"], "history_gone");
        assert_eq!(problem["oldest"], first - 1);
    }
    let mut connection = server.connect();
    let request = format!(
        "GET /watch/plain?since={} HTTP/1.1\r\nHost: akvs\r\n\r\n",
        first - 1
    );
    connection.send(request).unwrap();
    assert_eq!(connection.head().unwrap().status, 200);
    let mut told = String::new();
    while !told.contains(&format!("id: {first}\n")) {
        told += std::str::from_utf8(&connection.chunk().unwrap()).unwrap();
    }
    assert_eq!(told.matches("event: ").count(), 1, "{told}");
    server.kill();
}

#[test]
fn its_backup_is_the_same_before_and_after_its_first_change() {
    let old = Old::of(&FIXTURES[0]);
    let data = old.path("data");
    for new in [0, 1] {
        if new > 0 {
            let server = Server::start(&data, &[]);
            set_new(&mut server.connect(), "new");
            server.stop();
        }
        let (file, copy) = (
            old.path(&format!("file {new}")),
            old.path(&format!("copy {new}")),
        );
        let ran = verb(&data, ["backup".as_ref(), file.as_os_str()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let ran = verb(&copy, ["restore".as_ref(), file.as_os_str()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_good(&copy);
        let server = Server::start(&copy, &[]);
        old.assert_served(&server, new);
        server.stop();
    }
}

/// A moment of a first start, seen from outside.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Begun,
    Locked,
    Listening,
    /// The folder says the newest format, and its first change is under way.
    Raised,
    Changed,
}

#[test]
fn killed_at_any_moment_of_its_first_start_it_opens() {
    use Moment::{Begun, Changed, Listening, Locked, Raised};
    for moment in [Begun, Locked, Listening, Raised, Raised, Raised, Changed] {
        let old = Old::of(&FIXTURES[1]);
        let data = old.path("data");
        let lock = || {
            fs::metadata(data.join("akvs.lock"))
                .unwrap()
                .modified()
                .unwrap()
        };
        let before = lock();
        let mut command = akvs();
        command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(&data);
        let server = match moment {
            Begun => Server::spawn(&mut command),
            Locked => {
                let server = Server::spawn(&mut command);
                while lock() == before {
                    thread::yield_now();
                }
                server
            }
            Listening | Raised | Changed => Server::of(&mut command),
        };
        let mut acknowledged = 0;
        match moment {
            Begun | Locked | Listening => {}
            Raised => {
                let mut connection = server.connect();
                let request =
                    "POST /kv/plain/new HTTP/1.1\r\nHost: akvs\r\nContent-Length: 3\r\n\r\nnew";
                connection.send(request).unwrap();
                while said_format(&data) == "akvs 1\n" {
                    thread::yield_now();
                }
            }
            Changed => {
                set_new(&mut server.connect(), "new");
                acknowledged = 1;
            }
        }
        server.kill();
        let server = Server::start(&data, &[]);
        let there = u64::from(server.ask("GET", "/kv/plain/new", b"").status == 200);
        assert!(there >= acknowledged, "{moment:?}");
        old.assert_served(&server, there);
        set_new(&mut server.connect(), "new");
        server.stop();
        assert_good(&data);
    }
}

/// A file or a folder: its bytes, when they were changed, its rights, and which one it is.
type Listed = (Option<Vec<u8>>, SystemTime, u32, u64);

/// All below a folder.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Listed> {
    let mut found = BTreeMap::new();
    let mut paths = vec![folder.to_owned()];
    while let Some(path) = paths.pop() {
        let metadata = fs::metadata(&path).unwrap();
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            paths.extend(entries.map(|entry| entry.unwrap().path()));
        }
        let bytes = metadata.is_file().then(|| fs::read(&path).unwrap());
        let modified = metadata.modified().unwrap();
        found.insert(path, (bytes, modified, metadata.mode(), metadata.ino()));
    }
    found
}

#[test]
fn a_newer_format_is_refused_by_every_verb_and_nothing_is_touched() {
    let old = Old::of(&FIXTURES[1]);
    let data = old.path("data");
    let newer = FORMAT + 1;
    fs::write(data.join("akvs.format"), format!("akvs {newer}\n")).unwrap();
    let before = tree(&data);
    let file = old.path("file");
    let text = format!(
        "the data folder {} has format {newer}, this release reads formats 1 to {FORMAT}; use a newer release",
        data.display()
    );
    for arguments in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["start", "--listen", "127.0.0.1:0"],
        &["console", "--listen", "127.0.0.1:0"],
        &["backup", file.to_str().unwrap()],
        &["verify"],
    ] {
        let refused = verb(&data, arguments);
        refused.assert_refused(1, &[&text]);
        assert!(refused.stderr.trim_end().ends_with("use a newer release"));
        assert!(tree(&data) == before, "{arguments:?}");
    }
    assert!(!file.exists());
    let ran = verb(&data, ["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stdout.contains(&text), "{ran:?}");
}

//! `akvs verify` finds all damage and reports nothing else, with and without a running server.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{fill, listing, succeed, verb};
use crate::common::{Connection, Ran, Server, TIMEOUT};

/// The number of large values, so that a verification takes a while.
const LARGE: u64 = 12;
/// Where the first record of a segment of the log begins.
const FIRST_RECORD: usize = 4_096;
/// The number of large values that are written during verifications: several times the engine's memory.
const MEANWHILE: u64 = 50;

fn start(data: &Path) -> Server {
    Server::start(data, &["--durability", "interval"])
}

/// Asserts that a verification finds nothing.
#[track_caller]
fn assert_verifies(data: &Path) {
    let output = succeed(data, ["verify"]);
    let last = output.lines().last().unwrap();
    assert!(
        last.ends_with("rows: ok") && !output.contains("error"),
        "{output}"
    );
}

#[test]
fn a_busy_server_verifies_without_errors() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = start(data);
    let written = AtomicBool::new(false);
    thread::scope(|scope| {
        let (address, written) = (server.address(), &written);
        let large = scope.spawn(move || {
            fill(address, "large", MEANWHILE);
            written.store(true, Ordering::Relaxed);
        });
        let small = scope.spawn(move || write(address, written));
        let mut checks = 0;
        while !large.is_finished() || checks < 2 {
            assert_verifies(data);
            checks += 1;
        }
        large.join().unwrap();
        small.join().unwrap();
    });
    assert_verifies(data);
    fill_files(&server, data);
    assert_verifies(data);
    server.stop();
    assert_verifies(data);
}

/// Returns whether the table of values has files: its list is not the first one then.
fn is_flushed(data: &Path) -> bool {
    let current = fs::read(data.join("store/data/current")).unwrap();
    current[..8] != [0; 8]
}

/// Stores large values until the engine has written table files.
fn fill_files(server: &Server, data: &Path) {
    for round in 0..20 {
        fill(server.address(), &format!("large-{round}"), 6);
        if round > 2 && is_flushed(data) {
            return;
        }
    }
    // They are more than its memory, and it writes them as soon as it gets the time.
    let mut tries = 0;
    while !is_flushed(data) {
        assert!(tries < TIMEOUT.as_millis(), "the engine writes no file");
        thread::sleep(Duration::from_millis(1));
        tries += 1;
    }
}

/// Writes and deletes small values until `stop` is set.
fn write(address: &str, stop: &AtomicBool) {
    let mut connection = Connection::to(address).unwrap();
    let mut number = 0;
    while number <= 100 || !stop.load(Ordering::Relaxed) {
        let path = format!("/kv/small/{}?ttl=9d", number % 500);
        let value = vec![b'x'; number as usize % 3_000];
        assert_eq!(connection.ask("POST", &path, &value).unwrap().status, 201);
        let path = format!("/kv/small/{}", (number + 250) % 500);
        assert_eq!(connection.ask("DELETE", &path, b"").unwrap().status, 200);
        number += 1;
    }
}

/// Returns the files, relative to the data directory, and the position of the byte to flip in each.
fn places(data: &Path) -> Vec<(PathBuf, usize)> {
    let mut places = Vec::new();
    for (path, bytes) in listing(data) {
        let Some(bytes) = bytes else { continue };
        let name = path.strip_prefix(data).unwrap().to_owned();
        // The end of a segment of the log is zeros, or what an earlier use of its file left: a byte of a value, or one of
        // the first record.
        let at = match name.extension().is_some_and(|extension| extension == "log") {
            true => find(&bytes, b"find me in the log").unwrap_or(FIRST_RECORD + 20),
            false => bytes.len() / 2,
        };
        if !bytes.is_empty() {
            places.push((name, at));
        }
    }
    places
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|found| found == text)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    // In place, so that a server that has the file open reads it too.
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all(&bytes).unwrap();
}

/// Asserts that only this damage is found.
#[track_caller]
fn assert_found(ran: &Ran, name: &Path) {
    assert_eq!(ran.code, Some(1), "{}: {ran:?}", name.display());
    let wrong = ran.stdout.lines().filter(|line| line.starts_with("error"));
    let wrong: Vec<_> = wrong.collect();
    let is_log = name.extension().is_some_and(|extension| extension == "log");
    let parent = format!(" {}: ", name.parent().unwrap().display());
    let file = name.file_name().unwrap().to_str().unwrap();
    let shown = name.display().to_string();
    let is_named = wrong.iter().any(|line| {
        // A damaged segment is reported for the log, and a damaged list of files for the table.
        let is_of_whole = is_log && line.contains(" store/log: ")
            || line.contains(&parent) && (file == "current" || line.contains(file));
        line.contains(&shown) || is_of_whole
    });
    assert!(is_named, "{shown}: {ran:?}");
    let last = format!(
        ": {} found\n",
        if wrong.len() == 1 {
            "1 error".to_owned()
        } else {
            format!("{} errors", wrong.len())
        }
    );
    assert!(ran.stderr.ends_with(&last), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:?}");
}

#[test]
fn a_flipped_byte_is_found_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = start(data);
    fill_files(&server, data);
    for value in [&b"find me in the log"[..], b"not the last one"] {
        assert_eq!(server.ask("POST", "/kv/a/b", value).status, 201);
    }
    server.stop();
    assert_verifies(data);
    let before = listing(data);
    let places = places(data);
    for (name, at) in &places {
        let path = data.join(name);
        flip(&path, *at);
        let ran = verb(data, ["verify"]);
        flip(&path, *at);
        assert_found(&ran, name);
    }
    // A verification does not change damaged data.
    assert!(listing(data) == before);
    assert!(places.len() > 8, "{places:?}");

    // The largest file has values or a table.
    let size = |name: &PathBuf| fs::metadata(data.join(name)).unwrap().len();
    let kept = places
        .iter()
        .filter(|(name, _)| name.starts_with("store") && !name.starts_with("store/log"));
    let (largest, at) = kept.max_by_key(|(name, _)| size(name)).unwrap();
    assert!(size(largest) > 1_000_000, "{}", largest.display());
    let server = start(data);
    assert_verifies(data);
    flip(&data.join(largest), *at);
    assert_found(&verb(data, ["verify"]), largest);
    flip(&data.join(largest), *at);
    assert_verifies(data);
    server.stop();
}

#[test]
fn only_one_verification_runs_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = start(data);
    fill(server.address(), "large", LARGE);
    let mut first = BufReader::new(UnixStream::connect(data.join("akvs.sock")).unwrap());
    first.get_ref().set_read_timeout(Some(TIMEOUT)).unwrap();
    let request = "POST /admin/verify HTTP/1.1\r\nHost: akvs\r\nConnection: close\r\n\r\n";
    first.get_mut().write_all(request.as_bytes()).unwrap();
    let mut status = String::new();
    first.read_line(&mut status).unwrap();
    assert!(status.starts_with("HTTP/1.1 200 "), "{status}");
    verb(data, ["verify"]).assert_refused(1, &["another verification is running"]);
    let mut output = String::new();
    first.read_to_string(&mut output).unwrap();
    assert!(output.contains(r#"{"verified":{"#), "{output}");
    assert_verifies(data);
    server.stop();
}

#[test]
fn a_missing_or_locked_directory_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let none = folder.path().join("none");
    verb(&none, ["verify"]).assert_refused(1, &["no data in "]);
    assert!(!none.exists());
    verb(folder.path(), ["verify"]).assert_refused(1, &["no data in "]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

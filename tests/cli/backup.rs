//! Backups of a running server and of a data directory, and their failures.
//!
//! | module | covers |
//! | --- | --- |
//! | `interrupted` | an incomplete backup never gets its name |
//! | `live` | a backup of a busy server is a complete snapshot |
//! | `restore` | a restore creates a complete store or none, and changes no other |
//! | `revisions` | a restored store reuses no revision |
//! | `verify` | a verification finds all damage and reports nothing else |

mod interrupted;
mod live;
mod restore;
mod revisions;
mod verify;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::{Connection, Ran, Server, akvs, json, run};

/// Runs a verb on a data directory.
#[track_caller]
pub(crate) fn verb<A: AsRef<OsStr>>(data: &Path, args: impl IntoIterator<Item = A>) -> Ran {
    run(akvs().args(args).arg("--data-dir").arg(data))
}

/// Runs a verb, which must succeed; returns its output.
#[track_caller]
fn succeed<A: AsRef<OsStr>>(data: &Path, args: impl IntoIterator<Item = A>) -> String {
    let ran = verb(data, args);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
    ran.stdout
}

/// Makes a backup; returns the output.
#[track_caller]
fn back_up(data: &Path, file: &Path) -> String {
    succeed(data, [OsStr::new("backup"), file.as_os_str()])
}

/// Restores a backup into a directory; returns the output.
#[track_caller]
fn restore(file: &Path, data: &Path) -> String {
    succeed(data, [OsStr::new("restore"), file.as_os_str()])
}

/// Starts a verb with pipes.
fn piped(data: &Path, args: &[&str]) -> Child {
    let mut command: Command = akvs();
    command.args(args).arg("--data-dir").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Returns all files of a directory with their bytes, and all directories, without the lock file, which names a
/// process.
fn listing(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                folders.push(path.clone());
            }
            if !path.ends_with("akvs.lock") {
                let bytes = kind.is_file().then(|| fs::read(&path).unwrap());
                all.insert(path, bytes);
            }
        }
    }
    all
}

/// Returns an export without the parts that a restore changes: the revision in its first lines, and the checksum.
fn exported(server: &Server) -> String {
    let text = text_of(server, "/export");
    let lines = text.lines().map(|line| {
        let mut line = json(line);
        match line.get("key").or(line.get("key64")) {
            Some(_) => line.to_string(),
            None => without_revision(&mut line),
        }
    });
    let mut lines: Vec<String> = lines.collect();
    let end = lines.pop().unwrap();
    assert!(end.contains("sha256"), "{end}");
    lines.join("\n")
}

/// Removes the revision of a document.
fn without_revision(value: &mut serde_json::Value) -> String {
    value.as_object_mut().unwrap().remove("revision");
    value.to_string()
}

/// Returns the content of a chunked response.
fn text_of(server: &Server, path: &str) -> String {
    let mut connection = server.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: akvs\r\n\r\n");
    connection.send(request).unwrap();
    assert_eq!(connection.head().unwrap().status, 200, "{path}");
    let mut body = Vec::new();
    loop {
        let chunk = connection.chunk().unwrap();
        if chunk.is_empty() {
            return String::from_utf8(body).unwrap();
        }
        body.extend(chunk);
    }
}

/// Returns the events of a watch from one revision to another.
fn history(server: &Server, namespace: &str, since: u64, until: u64) -> String {
    let mut connection = server.connect();
    let path = format!("/watch/{namespace}?values=true&since={since}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: akvs\r\n\r\n");
    connection.send(request).unwrap();
    assert_eq!(connection.head().unwrap().status, 200, "{path}");
    let (mut received, last) = (String::new(), format!("id: {until}\n"));
    loop {
        if let Some(at) = received.find(&last)
            && let Some(end) = received[at..].find("\n\n")
        {
            return received[..at + end].to_owned();
        }
        let chunk = connection.chunk().unwrap();
        received += std::str::from_utf8(&chunk).unwrap();
        // Heartbeats without an event mean that it is missing.
        let comments = received.matches("\n: revision ").count();
        assert!(
            !chunk.is_empty() && comments < 2,
            "no {last:?} in {received}"
        );
    }
}

/// Returns incompressible bytes.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut noise = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut noise);
    noise
}

/// Stores this number of values of a million bytes each.
fn fill(address: &str, namespace: &str, count: u64) {
    let mut connection = Connection::to(address).unwrap();
    for number in 0..count {
        let path = format!("/kv/{namespace}/large-{number}");
        let value = noise(1_000_000, number);
        assert_eq!(connection.ask("POST", &path, &value).unwrap().status, 201);
    }
}

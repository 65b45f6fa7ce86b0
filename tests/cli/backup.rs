//! Backups by the program: of a server that goes on, of a folder, and what becomes of them when it goes wrong.
//!
//! | module | sees |
//! | --- | --- |
//! | `interrupted` | that no half of a backup gets its name |
//! | `live` | that a backup is one moment of a server that is written to, and all of it |
//! | `restore` | that a restore makes a whole store or none, and touches no other |
//! | `revisions` | that a restored store uses no revision twice |
//! | `verify` | that a check finds what is damaged, and nothing else |

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

/// Runs a verb on a data folder.
#[track_caller]
pub(crate) fn verb<A: AsRef<OsStr>>(data: &Path, args: impl IntoIterator<Item = A>) -> Ran {
    run(akvs().args(args).arg("--data-dir").arg(data))
}

/// The same; it has to succeed.
#[track_caller]
fn well<A: AsRef<OsStr>>(data: &Path, args: impl IntoIterator<Item = A>) -> String {
    let ran = verb(data, args);
    assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
    ran.stdout
}

/// Makes a backup; what was said of it.
#[track_caller]
fn back_up(data: &Path, file: &Path) -> String {
    well(data, [OsStr::new("backup"), file.as_os_str()])
}

/// Makes a folder of a backup.
#[track_caller]
fn restore(file: &Path, data: &Path) -> String {
    well(data, [OsStr::new("restore"), file.as_os_str()])
}

/// A verb that is spoken to through pipes.
fn piped(data: &Path, args: &[&str]) -> Child {
    let mut command: Command = akvs();
    command.args(args).arg("--data-dir").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// What is in a folder: every file with its bytes, every folder; but not the file that only says who had it.
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

/// What an export holds, without what a restore sets: up to which revision it goes, and so its checksum.
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

/// The revision up to which something goes is taken out of it.
fn without_revision(value: &mut serde_json::Value) -> String {
    value.as_object_mut().unwrap().remove("revision");
    value.to_string()
}

/// An answer that comes in chunks, whole.
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

/// The changes of a namespace after one revision up to another, as a watch tells them.
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
        // It says so every now and then where it has nothing to tell.
        let comments = received.matches("\n: revision ").count();
        assert!(
            !chunk.is_empty() && comments < 2,
            "no {last:?} in {received}"
        );
    }
}

/// Bytes that cannot be made smaller.
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

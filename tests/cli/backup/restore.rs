//! A restore creates a whole store or none, and refuses a directory that is not empty.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{back_up, exported, fill, listing, piped, restore, verb};
use crate::common::{Ran, Server};

/// A backup, and what a server exports of it.
struct Made {
    folder: TempDir,
    export: String,
}

impl Made {
    /// Of so many large values.
    fn of(large: u64) -> Made {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = Server::start(&data, &[]);
        assert_eq!(server.ask("POST", "/kv/a/b?ttl=9d", b"c").status, 201);
        fill(server.address(), "large", large);
        let export = exported(&server);
        let made = Made { folder, export };
        back_up(&data, &made.file());
        server.stop();
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("file")
    }

    /// Restores a file, and it is refused.
    fn refused(file: &Path, data: &Path) -> Ran {
        verb(data, [OsStr::new("restore"), file.as_os_str()])
    }

    /// A folder is served, and has it all.
    fn assert_there(&self, data: &Path) {
        let server = Server::start(data, &[]);
        assert!(exported(&server) == self.export);
        server.stop();
    }
}

#[test]
fn a_restore_into_a_used_directory_is_refused() {
    let made = Made::of(0);
    let file = made.file();
    let (foreign, plain, store) = (made.path("foreign"), made.path("plain"), made.path("data"));
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("notes.txt"), "mine").unwrap();
    fs::write(&plain, "mine").unwrap();
    let before = listing(made.folder.path());
    let refused = |data: &Path, part: &str| {
        let data_shown = data.display().to_string();
        Made::refused(&file, data).assert_refused(1, &[&data_shown, part]);
        assert!(listing(made.folder.path()) == before, "{part}");
    };
    refused(&foreign, "notes.txt");
    refused(&plain, "is not a directory");
    refused(&plain.join("below"), "is not a directory");
    refused(&store, "already has a store");

    let server = Server::start(&store, &[]);
    let before = listing(&store);
    Made::refused(&file, &store).assert_refused(1, &["already has a store"]);
    assert!(listing(&store) == before);
    assert_eq!(server.ask("POST", "/kv/a/c", b"d").status, 201);
    server.stop();
    // Of a server that keeps nothing the folder is in use as well.
    let memory = made.path("memory");
    fs::create_dir(&memory).unwrap();
    let server = Server::start(&memory, &["--engine", "memory"]);
    let pid = format!("process {}", server.pid());
    Made::refused(&file, &memory).assert_refused(75, &[&pid]);
    server.stop();
}

#[test]
fn an_incomplete_backup_is_refused_and_changes_nothing() {
    let made = Made::of(1);
    let whole = fs::read(made.file()).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut newer = whole.clone();
    newer[8] = 9;
    let empty = made.path("empty");
    fs::create_dir(&empty).unwrap();
    let middle = whole.len() / 2;
    for (bytes, part) in [
        (whole[..whole.len() - 1].to_vec(), "is incomplete"),
        (whole[..middle].to_vec(), "is incomplete"),
        (whole[..20].to_vec(), "is incomplete"),
        (Vec::new(), "is incomplete"),
        ([&whole[..], b"x"].concat(), "trailing data after the end"),
        (flipped(20), "damaged at byte 0"),
        (flipped(middle), "damaged at byte"),
        (flipped(whole.len() - 20), "damaged at byte"),
        (
            b"{\"akvs\":1,\"namespace\":\"a\"}\n".to_vec(),
            "not a backup",
        ),
        (newer, "restore it with the release that wrote it"),
    ] {
        let file = made.path("bad");
        fs::write(&file, &bytes).unwrap();
        let before = listing(made.folder.path());
        for data in [&empty, &made.path("missing")] {
            Made::refused(&file, data).assert_refused(1, &[part]);
            let after = listing(made.folder.path());
            assert!(after == before, "{part} in {}", data.display());
        }
        let checked = verb(&empty, [OsStr::new("verify"), file.as_os_str()]);
        checked.assert_refused(1, &[part]);
    }
    Made::refused(&made.path("none"), &empty).assert_refused(1, &["none", "cannot read"]);
    restore(&made.file(), &empty);
    made.assert_there(&empty);
}

#[test]
fn a_killed_restore_leaves_no_partial_store() {
    let made = Made::of(4);
    let whole = fs::read(made.file()).unwrap();
    for (length, is_begun) in [(40, false), (1_500_000, true), (whole.len() - 1, true)] {
        let (served, again) = (made.path("served"), made.path("again"));
        for data in [&served, &again] {
            let mut restore = piped(data, &["restore", "-"]);
            // All but what fits into a pipe and its reader is used once this is written.
            let mut to = restore.stdin.take().unwrap();
            to.write_all(&whole[..length]).unwrap();
            restore.kill().unwrap();
            assert_eq!(restore.wait().unwrap().code(), None, "it had ended");
            assert_eq!(data.join("store.new").exists(), is_begun, "{length}");
            assert!(!data.join("store").exists(), "{length}");
        }
        let server = Server::start(&served, &[]);
        let (status, namespaces) = (200, r#"{"cursor":null,"namespaces":[]}"#);
        assert_eq!(server.ask("GET", "/kv", b"").plain(), (status, namespaces));
        server.stop();
        restore(&made.file(), &again);
        made.assert_there(&again);
        for data in [served, again] {
            fs::remove_dir_all(data).unwrap();
        }
    }
}

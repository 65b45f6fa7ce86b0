//! A restore creates a whole store or none, and refuses a directory that is not empty.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{back_up, exported, fill, listing, piped, restore, verb};
use crate::common::{Ran, Server};

/// A backup, and the export of its server.
struct Original {
    folder: TempDir,
    export: String,
}

impl Original {
    /// Makes a backup with this number of large values.
    fn with_values(large: u64) -> Original {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let server = Server::start(&data, &[]);
        assert_eq!(server.ask("POST", "/kv/a/b?ttl=9d", b"c").status, 201);
        fill(server.address(), "large", large);
        let export = exported(&server);
        let original = Original { folder, export };
        back_up(&data, &original.file());
        server.stop();
        original
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("file")
    }

    /// Tries to restore a file.
    fn restore(file: &Path, data: &Path) -> Ran {
        verb(data, [OsStr::new("restore"), file.as_os_str()])
    }

    /// Asserts that a directory has all data of the backup.
    fn assert_restored(&self, data: &Path) {
        let server = Server::start(data, &[]);
        assert!(exported(&server) == self.export);
        server.stop();
    }
}

#[test]
fn a_restore_into_a_used_directory_is_refused() {
    let original = Original::with_values(0);
    let file = original.file();
    let (foreign, plain, store) = (
        original.path("foreign"),
        original.path("plain"),
        original.path("data"),
    );
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("notes.txt"), "mine").unwrap();
    fs::write(&plain, "mine").unwrap();
    let before = listing(original.folder.path());
    let refused = |data: &Path, part: &str| {
        let data_shown = data.display().to_string();
        Original::restore(&file, data).assert_refused(1, &[&data_shown, part]);
        assert!(listing(original.folder.path()) == before, "{part}");
    };
    refused(&foreign, "notes.txt");
    refused(&plain, "is not a directory");
    refused(&plain.join("below"), "is not a directory");
    refused(&store, "already has a store");

    let server = Server::start(&store, &[]);
    let before = listing(&store);
    Original::restore(&file, &store).assert_refused(1, &["already has a store"]);
    assert!(listing(&store) == before);
    assert_eq!(server.ask("POST", "/kv/a/c", b"d").status, 201);
    server.stop();
    // The directory of a server with the memory engine is in use too.
    let memory = original.path("memory");
    fs::create_dir(&memory).unwrap();
    let server = Server::start(&memory, &["--engine", "memory"]);
    let pid = format!("process {}", server.pid());
    Original::restore(&file, &memory).assert_refused(75, &[&pid]);
    server.stop();
}

#[test]
fn an_incomplete_backup_is_refused_and_changes_nothing() {
    let original = Original::with_values(1);
    let whole = fs::read(original.file()).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let mut newer = whole.clone();
    newer[8] = 9;
    let empty = original.path("empty");
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
        let file = original.path("bad");
        fs::write(&file, &bytes).unwrap();
        let before = listing(original.folder.path());
        for data in [&empty, &original.path("missing")] {
            Original::restore(&file, data).assert_refused(1, &[part]);
            let after = listing(original.folder.path());
            assert!(after == before, "{part} in {}", data.display());
        }
        let checked = verb(&empty, [OsStr::new("verify"), file.as_os_str()]);
        checked.assert_refused(1, &[part]);
    }
    Original::restore(&original.path("none"), &empty).assert_refused(1, &["none", "cannot read"]);
    restore(&original.file(), &empty);
    original.assert_restored(&empty);
}

#[test]
fn a_killed_restore_leaves_no_partial_store() {
    let original = Original::with_values(4);
    let whole = fs::read(original.file()).unwrap();
    for (length, is_begun) in [(40, false), (1_500_000, true), (whole.len() - 1, true)] {
        let (served, again) = (original.path("served"), original.path("again"));
        for data in [&served, &again] {
            let mut restore = piped(data, &["restore", "-"]);
            // Once this is written, the program has read all but the content of the pipe.
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
        restore(&original.file(), &again);
        original.assert_restored(&again);
        for data in [served, again] {
            fs::remove_dir_all(data).unwrap();
        }
    }
}

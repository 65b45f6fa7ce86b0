//! The data directory: one server at a time, and unsuitable directories are refused unchanged.

use std::fs;
use std::path::Path;

use crate::common::{Server, akvs, run};

#[test]
fn a_second_server_is_refused_with_the_pid_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path(), &[]);
    assert_eq!(first.ask("POST", "/kv/a/b", b"c").status, 201);
    // The error names the directory, also if the addresses are the same.
    let second = run(akvs()
        .args(["--listen", first.address(), "--data-dir"])
        .arg(folder.path()));
    let path = folder.path().display().to_string();
    second.assert_refused(75, &[&path, &format!("process {}", first.pid())]);
    assert_eq!(first.ask("GET", "/kv/a/b", b"").plain(), (200, "c"));
    first.stop();
}

#[test]
fn a_data_directory_is_unlocked_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    Server::start(folder.path(), &[]).kill();
    Server::start(folder.path(), &[]).stop();
}

#[test]
fn an_invalid_data_directory_is_refused_and_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let below = file.join("below");
    for (path, part) in [
        (&*file, "is not a directory"),
        (&*below, "is not a directory"),
        (folder.path(), "does not belong to AKVS"),
        ("/proc/akvs".as_ref(), "cannot be used"),
    ] {
        let ran = run(akvs()
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(path));
        ran.assert_refused(78, &["data_dir", &path.display().to_string(), part]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn damaged_data_is_refused_with_the_remedies() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let mut connection = server.connect();
    for number in 0..100 {
        let path = format!("/kv/a/{number}");
        assert_eq!(connection.ask("POST", &path, b"c").unwrap().status, 201);
    }
    server.stop();
    cut_log(&folder.path().join("store/log"));

    let mut command = akvs();
    command
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path());
    let path = folder.path().display().to_string();
    run(&mut command).assert_refused(1, &[&path, "damaged", "engine.accept_lost_commits"]);

    let server = Server::from_command(command.env("AKVS_ENGINE__ACCEPT_LOST_COMMITS", "true"));
    assert_eq!(server.ask("GET", "/kv/a/0", b"").plain(), (200, "c"));
    assert_eq!(server.ask("GET", "/kv/a/99", b"").status, 404);
    server.stop();
}

/// Clears the second half of the engine's log, as a faulty disk may.
fn cut_log(log: &Path) {
    let mut cut = 0;
    for entry in fs::read_dir(log).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            let mut bytes = fs::read(&path).unwrap();
            let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
            // A segment without a commit has only its header.
            if end > 4_096 {
                bytes[4_096 + (end - 4_096) / 2..].fill(0);
                fs::write(&path, &bytes).unwrap();
                cut += 1;
            }
        }
    }
    assert_eq!(cut, 1, "the engine keeps its log elsewhere now");
}

#[test]
fn the_memory_engine_writes_no_data_files() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data, &["--engine", "memory"]);
    assert_eq!(server.ask("POST", "/kv/a/b", b"c").status, 201);
    assert!(
        server
            .seen()
            .iter()
            .any(|line| line.contains("engine memory"))
    );
    server.stop();
    // Only the lock file is left, which keeps a second server out.
    let left = fs::read_dir(&data).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["akvs.lock"]);
}

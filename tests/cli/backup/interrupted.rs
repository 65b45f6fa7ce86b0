//! An interrupted backup never gets its name: client or server killed, a full disk, a concurrent backup.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::live::names;
use super::{back_up, fill, piped, restore, succeed, verb};
use crate::common::{Ran, Server, akvs};
use crate::full_disk::SmallDisk;

/// More values of a megabyte than all buffers hold.
const LARGE: u64 = 24;

fn part_of(file: &Path) -> PathBuf {
    file.with_extension("part")
}

/// Starts a backup, and waits until it has begun to write the file.
fn begun(data: &Path, file: &Path) -> Child {
    let mut command = akvs();
    command.arg("backup").arg(file).arg("--data-dir").arg(data);
    let backup = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let part = part_of(file);
    while !fs::metadata(&part).is_ok_and(|found| found.len() > 0) {
        thread::yield_now();
    }
    backup.unwrap()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn end_of(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn an_existing_file_is_replaced_only_with_force() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("file"));
    let server = Server::start(&data, &[]);
    assert_eq!(server.ask("POST", "/kv/a/b", b"c").status, 201);
    fs::write(&file, "mine").unwrap();
    let backup = |more: &[&str]| verb(&data, [&["backup", file.to_str().unwrap()], more].concat());
    backup(&[]).assert_refused(1, &[file.to_str().unwrap(), "--force"]);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let ran = backup(&["--force"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    succeed(&data, ["verify", file.to_str().unwrap()]);
    // Only regular files are replaced, and an empty directory has no backup.
    for path in ["/dev/null", folder.path().to_str().unwrap()] {
        let refused = verb(&data, ["backup", path, "--force"]);
        refused.assert_refused(1, &[path, "not a regular file"]);
    }
    let none = folder.path().join("none");
    verb(&none, ["backup", "x"]).assert_refused(1, &["no data in", "none"]);
    let nowhere = none.join("file");
    let refused = verb(&data, ["backup", nowhere.to_str().unwrap()]);
    refused.assert_refused(1, &["cannot write"]);
    server.stop();
    assert_eq!(names(folder.path()), ["data", "file"]);
}

#[test]
fn a_killed_backup_does_not_block_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("file"));
    let server = Server::start(&data, &["--durability", "interval"]);
    fill(server.address(), "large", LARGE);
    let backup = begun(&data, &file);
    signal(&backup, Signal::KILL);
    assert_eq!(end_of(backup).code, None);
    assert_eq!(names(folder.path()), ["data", "file.part"]);
    let part = part_of(&file);
    verb(&data, ["verify", part.to_str().unwrap()]).assert_refused(1, &["is incomplete"]);
    let refused = verb(
        &folder.path().join("again"),
        ["restore", part.to_str().unwrap()],
    );
    refused.assert_refused(1, &["is incomplete"]);
    assert_eq!(names(folder.path()), ["data", "file.part"]);

    // The server continues, and so does the next backup.
    assert_eq!(server.ask("POST", "/kv/a/b", b"c").status, 201);
    assert!(back_up(&data, &file).contains("25 keys"));
    assert_eq!(names(folder.path()), ["data", "file"]);
    server.stop();
}

#[test]
fn two_backups_to_one_file_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("file"));
    let server = Server::start(&data, &["--durability", "interval"]);
    fill(server.address(), "large", LARGE);
    let first = begun(&data, &file);
    signal(&first, Signal::STOP);
    let second = verb(&data, ["backup", file.to_str().unwrap()]);
    second.assert_refused(1, &["file.part", "another process"]);
    signal(&first, Signal::CONT);
    let first = end_of(first);
    assert_eq!(first.code, Some(0), "{first:?}");
    succeed(&data, ["verify", file.to_str().unwrap()]);
    assert_eq!(names(folder.path()), ["data", "file"]);
    server.stop();
}

#[test]
fn a_backup_of_a_killed_server_fails_and_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("file"));
    let flags = ["--durability", "interval"];
    let server = Server::start(&data, &flags);
    fill(server.address(), "large", LARGE);
    let backup = begun(&data, &file);
    server.kill();
    end_of(backup).assert_refused(1, &["the backup was interrupted", "log"]);
    assert_eq!(names(folder.path()), ["data"]);

    // A backup to a pipe fails with an error; its part is incomplete.
    let server = Server::start(&data, &flags);
    let mut backup = piped(&data, &["backup", "-"]);
    let mut from = backup.stdout.take().unwrap();
    let mut half = vec![0; 1 << 20];
    from.read_exact(&mut half).unwrap();
    server.kill();
    from.read_to_end(&mut half).unwrap();
    end_of(backup).assert_refused(1, &["the backup was interrupted"]);
    fs::write(&file, &half).unwrap();
    let refused = verb(
        &folder.path().join("again"),
        ["restore", file.to_str().unwrap()],
    );
    refused.assert_refused(1, &["is incomplete"]);
}

#[test]
fn a_backup_to_a_full_disk_leaves_nothing() {
    let Some(disk) = SmallDisk::mount_mib(8) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), disk.path().join("file"));
    let server = Server::start(&data, &[]);
    fill(server.address(), "large", 12);
    for _ in 0..2 {
        let refused = verb(&data, ["backup", file.to_str().unwrap()]);
        refused.assert_refused(1, &["cannot write", "No space left"]);
        assert!(names(disk.path()).is_empty());
    }
    server.stop();
    let refused = verb(&data, ["backup", file.to_str().unwrap()]);
    refused.assert_refused(1, &["cannot write", "No space left"]);
    // A restore to a full disk leaves nothing either.
    back_up(&data, &folder.path().join("file"));
    let again = disk.path().join("again");
    let from = folder.path().join("file");
    let refused = verb(&again, ["restore", from.to_str().unwrap()]);
    refused.assert_refused(1, &["the disk is full"]);
    assert!(names(disk.path()).is_empty());
    restore(&from, &folder.path().join("again"));
}

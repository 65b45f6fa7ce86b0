//! A full disk: answered writes stay, writes that add data are refused and not applied, deletions succeed, and all
//! writes succeed again once there is space.
//!
//! The disk is a small tmpfs, mounted for the test; the tests are skipped with a message where mounting is not allowed.
//! The cache is off, so that every read is a read of the engine.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::{Answer, Connection, Server, akvs, json};

const DISK_MIB: u64 = 224;
/// Too little space to add data, enough to delete some.
const LEFT_MIB: u64 = 56;
const NOISE_BYTES: usize = 4 << 20;
/// The value sizes of the writers: for the engine's blocks, for its value files, and beyond its buffers.
const VALUE_BYTES: [usize; 4] = [2_000, 40_000, 500_000, 3_000_000];
/// The maximum number of writes until the disk is full.
const MAX_WRITES: usize = 5_000;

#[test]
fn a_full_disk_loses_nothing_answered_with_fsync() {
    fill_and_recover("fsync");
}

#[test]
fn a_full_disk_loses_nothing_answered_with_interval() {
    fill_and_recover("interval");
}

fn fill_and_recover(durability: &str) {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let data = disk.path().join("data");
    let mut server = start(&data, durability);
    let writers = fill(&server);
    assert!(
        writers.iter().map(|writer| writer.answered).sum::<usize>() > 50,
        "too little fits to show anything"
    );
    let why = server.wait_for("low disk space");
    assert_eq!(json(&why)["level"], "warn", "{why}");
    assert_additions_refused(&server, &disk);
    for path in ["/kv/w0/0", "/kv/w0/never"] {
        assert_eq!(server.ask("DELETE", path, b"").status, 200);
    }
    assert_eq!(server.ask("GET", "/kv/w0/0", b"").status, 404);
    let deletes = br#"{"ops":[{"op":"delete","key":"1"},{"op":"delete","key":"2"}]}"#;
    assert_eq!(server.ask("POST", "/txn/w0", deletes).status, 200);
    assert_eq!(server.ask("GET", "/kv/w0/2", b"").status, 404);
    assert_eq!(server.ask("GET", "/livez", b"").plain(), (200, "ok"));
    for writer in &writers {
        writer.verify(&server, 3);
    }

    // Drops free space for other namespaces.
    assert_eq!(server.ask("DELETE", "/kv/w2?confirm=w2", b"").status, 200);
    assert_eq!(server.ask("DELETE", "/kv/w3?confirm=w3", b"").status, 200);
    assert_writes_succeed(&server);
    server.wait_for("enough disk space again");

    // Without any space not even a deletion succeeds, once the background work has ended.
    let is_kept = |key: &usize| {
        disk.leave(0);
        let answer = server.ask("DELETE", &format!("/kv/w0/{key}"), b"");
        answer.status != 200 && {
            assert_full(&answer);
            true
        }
    };
    let kept = (3..writers[0].answered).find(is_kept).expect("a full disk");
    assert_additions_refused(&server, &disk);
    let path = format!("/kv/w0/{kept}");
    assert_eq!(server.ask("GET", &path, b"").status, 200);
    disk.free();
    assert_writes_succeed(&server);
    assert_eq!(server.ask("DELETE", &path, b"").status, 200);
    server.stop();

    let server = start(&data, durability);
    writers[0].verify(&server, kept + 1);
    writers[1].verify(&server, 0);
    for path in ["/kv/w0/late", "/kv/new/late"] {
        assert_eq!(server.ask("GET", path, b"").plain(), (200, "again"));
    }
    server.stop();
}

/// Asserts that no request adds data.
fn assert_additions_refused(server: &Server, disk: &SmallDisk) {
    for (method, path) in [
        ("POST", "/kv/w0/refused"),
        ("POST", "/kv/new/refused"),
        ("POST", "/kv/w0/0?op=append"),
        ("POST", "/kv/w0/refused?op=add"),
        ("PUT", "/kv/new"),
    ] {
        let body: &[u8] = if method == "PUT" { b"{}" } else { b"1" };
        assert_refused(server, disk, method, path, body);
    }
    let txn = br#"{"ops":[{"op":"delete","key":"0"},{"op":"set","key":"refused","value":"1"}]}"#;
    assert_refused(server, disk, "POST", "/txn/w0", txn);
    for path in ["/kv/w0/refused", "/kv/new/refused"] {
        assert_eq!(server.ask("GET", path, b"").status, 404);
    }
}

/// Asserts that a request is refused. Background work may free enough space for it: then it is undone and sent again.
#[track_caller]
fn assert_refused(server: &Server, disk: &SmallDisk, method: &str, path: &str, body: &[u8]) {
    for _ in 0..100 {
        leave_too_little(server, disk);
        let answer = server.ask(method, path, body);
        if !matches!(answer.status, 200 | 201) {
            assert_full(&answer);
            return;
        }
        let undo = match (method, path) {
            ("PUT", _) => "/kv/new?confirm=new",
            (_, "/txn/w0") => "/kv/w0/refused",
            (_, path) => path.split('?').next().unwrap_or(path),
        };
        assert_eq!(server.ask("DELETE", undo, b"").status, 200, "{undo}");
    }
    panic!("{method} {path} is never refused");
}

/// Uses the space that background work frees, until the server refuses writes.
#[track_caller]
fn leave_too_little(server: &Server, disk: &SmallDisk) {
    for _ in 0..1_000 {
        disk.leave(LEFT_MIB);
        if server.ask("POST", "/kv/w0/probe", b"1").status == 507 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the disk is never full");
}

/// Asserts that writes succeed again soon, without a restart.
#[track_caller]
fn assert_writes_succeed(server: &Server) {
    for path in ["/kv/w0/late", "/kv/new/late"] {
        let mut tries = 0;
        loop {
            let answer = server.ask("POST", path, b"again");
            if answer.status == 201 {
                break;
            }
            assert_full(&answer);
            tries += 1;
            assert!(tries < 1_000, "no space for {path}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn start(data: &Path, durability: &str) -> Server {
    let mut command = akvs();
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--durability",
        durability,
    ]);
    command
        .args(["--log-format", "json", "--data-dir"])
        .arg(data);
    Server::from_command(command.env("AKVS_ENGINE__CACHE_BYTES", "0"))
}

#[track_caller]
fn assert_full(answer: &Answer) {
    let (status, body) = answer.plain();
    assert_eq!(
        (status, &json(body)["code"]),
        (507, &"storage_full".into()),
        "{body}"
    );
}

/// Writes until the disk is full.
fn fill(server: &Server) -> Vec<Writer> {
    let address = server.address();
    let noise = &noise();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..VALUE_BYTES.len())
            .map(|number| scope.spawn(move || Writer::new(number, noise).until_full(address)))
            .collect();
        writers
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect()
    })
}

/// A client with its own namespace, whose keys are numbers.
struct Writer {
    number: usize,
    /// The bytes that its values are taken from.
    noise: Arc<[u8]>,
    /// The number of successful writes.
    answered: usize,
}

impl Writer {
    fn new(number: usize, noise: &Arc<[u8]>) -> Writer {
        Writer {
            number,
            noise: Arc::clone(noise),
            answered: 0,
        }
    }

    fn until_full(mut self, address: &str) -> Writer {
        let mut connection = Connection::to(address).unwrap();
        while self.answered < MAX_WRITES {
            let (path, value) = (self.path(self.answered), self.value(self.answered));
            let answer = connection.ask("POST", &path, &value).unwrap();
            if answer.status != 201 {
                assert_full(&answer);
                return self;
            }
            self.answered += 1;
        }
        panic!("the disk is never full");
    }

    /// Asserts that all answered keys from this one on have their values, and that the refused key does not exist.
    fn verify(&self, server: &Server, first: usize) {
        let mut connection = server.connect();
        for key in first..=self.answered {
            let path = self.path(key);
            let answer = connection.ask("GET", &path, b"").unwrap();
            if key == self.answered {
                assert_eq!(answer.status, 404, "{path} was refused");
                continue;
            }
            assert_eq!(answer.status, 200, "{path} is lost");
            assert!(
                answer.body == self.value(key),
                "{path} is not what was written"
            );
        }
    }

    fn path(&self, key: usize) -> String {
        format!("/kv/w{}/{key}", self.number)
    }

    fn value(&self, key: usize) -> Vec<u8> {
        let length = VALUE_BYTES[self.number];
        let at = key * 7_919 % (self.noise.len() - length);
        let mut value = format!("{}/{key} ", self.number).into_bytes();
        value.extend_from_slice(&self.noise[at..at + length]);
        value
    }
}

/// Returns incompressible bytes: xorshift. Others would hardly fill the disk.
fn noise() -> Arc<[u8]> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(NOISE_BYTES);
    while noise.len() < NOISE_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend_from_slice(&state.to_le_bytes());
    }
    noise.into()
}

/// A file system that is unmounted when the value is dropped.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        SmallDisk::mount_mib(DISK_MIB)
    }

    /// Mounts a file system of this size; returns `None` if mounting is not allowed.
    pub(crate) fn mount_mib(mib: u64) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={mib}m,mode=700");
        let mounted = call(
            "mount",
            ["-t", "tmpfs", "-o", &options, "tmpfs"],
            folder.path(),
        );
        match mounted {
            Ok(()) => Some(SmallDisk(folder)),
            Err(why) => {
                // Not by a macro: the test harness would capture it.
                let why = why.lines().next().unwrap_or_default().trim();
                _ = writeln!(
                    std::io::stderr(),
                    "full_disk: skipped, no file system can be mounted: {why}"
                );
                None
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills the disk with a file until this much is left.
    fn leave(&self, mib: u64) {
        let mut file = std::fs::File::options();
        let mut file = file.append(true).create(true).open(self.ballast()).unwrap();
        let chunk = vec![1; 64 << 10];
        let free = || {
            let disk = rustix::fs::statvfs(self.path()).unwrap();
            disk.f_bavail * disk.f_frsize
        };
        while free() > mib << 20 && file.write_all(&chunk).is_ok() {}
    }

    /// Deletes that file.
    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a failing test may still have files open.
        _ = call("umount", ["--lazy"], self.path());
    }
}

fn call<const N: usize>(program: &str, args: [&str; N], path: &Path) -> Result<(), String> {
    let output = Command::new(program).args(args).arg(path).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

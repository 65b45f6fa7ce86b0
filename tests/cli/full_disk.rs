//! A disk that is really full: what was answered stays, what would add data is refused and is not there, what gives
//! space back is taken, and all of it goes on by itself once there is space again.
//!
//! The disk is a small file system in memory, mounted for the test; where that is not allowed, the tests say so and
//! are skipped. The cache is off, so that every read is one of the engine.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::common::{Answer, Connection, Server, akvs, json};

const DISK_MIB: u64 = 224;
/// Too little to add data, enough to delete some.
const LEFT_MIB: u64 = 56;
const NOISE_BYTES: usize = 4 << 20;
/// What each writer writes, in bytes: into the engine's own blocks, into files of their own, and past its buffers.
const VALUE_BYTES: [usize; 4] = [2_000, 40_000, 500_000, 3_000_000];
/// A full disk is to be seen long before.
const MOST_WRITES: usize = 5_000;

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
    refuses_what_adds_data(&server, &disk);
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

    // What is dropped makes space for the others.
    assert_eq!(server.ask("DELETE", "/kv/w2?confirm=w2", b"").status, 200);
    assert_eq!(server.ask("DELETE", "/kv/w3?confirm=w3", b"").status, 200);
    takes_writes_again(&server);
    server.wait_for("enough disk space again");

    // Others may leave nothing at all. Then not even a delete can be kept, once all is done in the background.
    let is_kept = |key: &usize| {
        disk.leave(0);
        let answer = server.ask("DELETE", &format!("/kv/w0/{key}"), b"");
        answer.status != 200 && {
            assert_full(&answer);
            true
        }
    };
    let kept = (3..writers[0].answered).find(is_kept).expect("a full disk");
    refuses_what_adds_data(&server, &disk);
    let path = format!("/kv/w0/{kept}");
    assert_eq!(server.ask("GET", &path, b"").status, 200);
    disk.give_back();
    takes_writes_again(&server);
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

/// Nothing is added, by any way, and nothing of it is there.
fn refuses_what_adds_data(server: &Server, disk: &SmallDisk) {
    for (method, path) in [
        ("POST", "/kv/w0/refused"),
        ("POST", "/kv/new/refused"),
        ("POST", "/kv/w0/0?op=append"),
        ("POST", "/kv/w0/refused?op=add"),
        ("PUT", "/kv/new"),
    ] {
        let body: &[u8] = if method == "PUT" { b"{}" } else { b"1" };
        refuses(server, disk, method, path, body);
    }
    let txn = br#"{"ops":[{"op":"delete","key":"0"},{"op":"set","key":"refused","value":"1"}]}"#;
    refuses(server, disk, "POST", "/txn/w0", txn);
    for path in ["/kv/w0/refused", "/kv/new/refused"] {
        assert_eq!(server.ask("GET", path, b"").status, 404);
    }
}

/// It is refused as long as too little is left. What the background gives back meanwhile may let it in: then it is
/// taken back, and tried again.
#[track_caller]
fn refuses(server: &Server, disk: &SmallDisk, method: &str, path: &str, body: &[u8]) {
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

/// Takes what is given back in the background, until the server has seen that too little is left.
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

/// All writes are taken again, soon and without a restart.
#[track_caller]
fn takes_writes_again(server: &Server) {
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

/// Writes to it until the disk is full.
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

/// A client with a namespace of its own, whose keys are numbers.
struct Writer {
    number: usize,
    /// What its values are parts of.
    noise: Arc<[u8]>,
    /// How many writes were answered well.
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
        while self.answered < MOST_WRITES {
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

    /// Everything that was answered from this key on is there, whole, and nothing that was refused.
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

/// Bytes that cannot be made smaller, or they would hardly fill the disk: xorshift.
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

/// A file system of its own, which is unmounted in the end.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        SmallDisk::mount_mib(DISK_MIB)
    }

    /// One of this size; none where mounting is not allowed.
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
                // Not by a macro, whose text the test harness would keep for itself.
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

    /// Lets another file take all but so much.
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
    fn give_back(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> std::path::PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a test that fails may still have files open.
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

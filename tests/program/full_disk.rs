//! A disk that is really full: what was answered stays, what cannot be kept is refused, and nothing hangs.
//!
//! The disk is a small file system in memory, mounted for the test; where that is not allowed, the tests say so and
//! are skipped. The cache is off, so that every read is one of the engine. Which meets the full disk first, a commit or
//! the engine in the background, is up to chance: a client sees the same.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::{Answer, Connection, Server, akvs, json};

const DISK_MIB: u64 = 88;
const NOISE_BYTES: usize = 4 << 20;
const LARGER_MIB: u64 = 512;
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
    let why = server.wait_for("no write is taken any more");
    assert_eq!(json(&why)["level"], "error", "{why}");
    assert!(why.contains("storage_full"), "{why}");

    for (method, path) in [
        ("POST", "/kv/w0/late"),
        ("POST", "/kv/new/late"),
        ("DELETE", "/kv/w0/0"),
    ] {
        assert_full(&server.ask(method, path, b"late"));
    }
    assert_eq!(server.ask("GET", "/kv/w0/late", b"").status, 404);
    assert_eq!(server.ask("GET", "/readyz", b"").status, 503);
    assert_eq!(server.ask("GET", "/livez", b"").plain(), (200, "ok"));
    for writer in &writers {
        writer.verify(&server);
    }
    stop(server);

    disk.grow();
    let server = start(&data, durability);
    assert_eq!(server.ask("GET", "/readyz", b"").status, 200);
    for writer in &writers {
        writer.verify(&server);
    }
    for path in ["/kv/w0/late", "/kv/new/late"] {
        assert_eq!(server.ask("GET", path, b"").status, 404);
        assert_eq!(server.ask("POST", path, b"late").status, 201);
    }
    assert_eq!(
        server.ask("GET", "/kv/new/late", b"").plain(),
        (200, "late")
    );
    server.stop();
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
    Server::of(command.env("AKVS_ENGINE__CACHE_BYTES", "0"))
}

/// Asks it to stop: it ends, and says by its exit code that not everything went well.
fn stop(mut server: Server) {
    server.signal(Signal::TERM);
    let last = server.wait_for("akvs: ");
    assert!(last.contains("the disk is full"), "{last}");
    let seen = server.seen();
    let reasons = seen
        .iter()
        .filter(|line| line.contains("no write is taken"));
    assert_eq!(reasons.count(), 1, "{seen:#?}");
    assert_eq!(server.wait().code(), Some(1));
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

/// What shared a commit that failed may have been applied; what came later was not.
#[track_caller]
fn assert_not_answered_well(answer: &Answer) {
    let (status, body) = answer.plain();
    match status {
        504 => assert_eq!(json(body)["code"], "outcome_unknown", "{body}"),
        _ => assert_full(answer),
    }
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
                assert_not_answered_well(&answer);
                return self;
            }
            self.answered += 1;
        }
        panic!("the disk is never full");
    }

    /// Everything that was answered is there, whole. So may be the write that was refused, but only that.
    fn verify(&self, server: &Server) {
        let mut connection = server.connect();
        for key in 0..=self.answered + 1 {
            let path = self.path(key);
            let answer = connection.ask("GET", &path, b"").unwrap();
            if answer.status == 404 {
                assert!(key >= self.answered, "{path} is lost");
                continue;
            }
            assert_eq!(answer.status, 200, "{path}");
            assert!(key <= self.answered, "{path} was never written");
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

    fn grow(&self) {
        let options = format!("remount,size={LARGER_MIB}m");
        call("mount", ["-o", &options], self.path()).unwrap();
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

//! An engine that was killed with a lot in its log, and is stopped again while that is still being written to
//! files: no commit is lost, and no file is missing.
//!
//! The test starts itself again as the process that is killed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use akvs_core::engine::{Batch, Durability, Engine, Table};
use akvs_core::{Code, DiskEngine, DiskOptions};

const FOLDER: &str = "AKVS_TEST_TO_BE_KILLED";
/// The rows of a commit. The first is long and is stored in a value file, the others in the engine's own blocks.
const ROWS: u64 = 4;
const LONG_BYTES: usize = 60_000;
/// The number of commits once the log is long.
const LATE_COMMITS: u64 = 8;
/// The length of a long log, in bytes.
const LOG_BYTES: u64 = 64 << 20;
/// The number of commits after which the log must be long.
const MAX_COMMITS: u64 = 20_000;

#[test]
fn commits_before_a_kill_survive_a_stop_during_the_next_start() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return fill_and_die(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let name = "killed_process::commits_before_a_kill_survive_a_stop_during_the_next_start";
    let this = std::env::current_exe().expect("a path");
    let mut killed = Command::new(this);
    killed.args(["--exact", name]).env(FOLDER, folder.path());
    let output = killed.output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code().is_none(), "it was not killed: {text}");
    assert!(is_long(folder.path()), "nothing is left to flush");
    let options = DiskOptions::new(folder.path());
    // Stopped while the content of the log is written to files, and files are compacted.
    drop(DiskEngine::open(&options).expect("a start"));
    let engine = DiskEngine::open(&options).expect("a start after the stop");
    let commits = commits(&engine);
    assert!(commits > LATE_COMMITS, "{commits} commits");
    for number in 0..commits * ROWS {
        let value = engine.get(Table::Data, &key(number)).expect("a read");
        let is_right = value.is_some_and(|value| value == row(number));
        assert!(is_right, "row {number}");
    }
}

/// Returns the number of commits; the engine has each completely or not at all.
fn commits(engine: &DiskEngine) -> u64 {
    let number = engine.get(Table::Meta, b"commits").expect("a read");
    number.map_or(0, |bytes| {
        u64::from_be_bytes(bytes[..].try_into().expect("a number"))
    })
}

fn fill_and_die(folder: &Path) {
    let engine = DiskEngine::open(&DiskOptions::new(folder)).expect("an engine");
    let mut late = 0;
    for commit in 0..MAX_COMMITS {
        let mut batch = Batch::default();
        for number in commit * ROWS..(commit + 1) * ROWS {
            batch.put(Table::Data, key(number), row(number));
            batch.put(Table::History, key(number), &b"change"[..]);
        }
        let commits = (commit + 1).to_be_bytes();
        batch.put(Table::Meta, &b"commits"[..], commits.to_vec());
        // A slow disk may need longer for what was committed than a commit waits.
        while let Err(error) = engine.admit(&batch) {
            assert_eq!(error.code(), Code::Overloaded, "{error}");
        }
        engine
            .commit(batch, Durability::Buffered)
            .expect("a commit");
        late += u64::from(is_long(folder));
        if late == LATE_COMMITS {
            // The process ends as by `kill -9`: nothing is closed.
            std::process::abort();
        }
    }
    panic!("the log stays short");
}

fn is_long(folder: &Path) -> bool {
    let segments = crate::common::log_segments(folder);
    // A segment may be removed meanwhile.
    let sizes = segments
        .iter()
        .flat_map(fs::metadata)
        .map(|file| file.len());
    sizes.sum::<u64>() >= LOG_BYTES
}

/// Spread over the table, so that its files overlap.
fn key(number: u64) -> Vec<u8> {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    spread.to_be_bytes().to_vec()
}

/// Bytes that cannot be compressed.
fn row(number: u64) -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    let noise = NOISE.get_or_init(|| {
        let mut state = 1_u64;
        let words = (0..2 * LONG_BYTES / 8).flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        });
        words.collect()
    });
    let start = number as usize % LONG_BYTES;
    let is_long = number.is_multiple_of(ROWS);
    &noise[start..start + if is_long { LONG_BYTES } else { 2_000 }]
}

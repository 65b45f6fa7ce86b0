//! An engine that was killed with a lot in its log, and is stopped again while that is still being written to
//! files: no commit is lost, and no file is missing; and an engine that is killed at any moment.
//!
//! The test starts itself again as the process that is killed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use akvs_core::engine::{Batch, Durability, Engine, Table};
use akvs_core::{Code, DiskEngine, DiskOptions};

use crate::sample_data::Prng;

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

/// Names the folder of a process that commits until it is killed.
const RANDOM_FOLDER: &str = "AKVS_TEST_TO_BE_KILLED_AT_RANDOM";
const USUAL_KILLS: u64 = 12;
const RANDOM_KEYS: u64 = 3_000;
const KEPT_CHANGES: u64 = 500;

fn small(folder: &Path) -> DiskOptions {
    DiskOptions {
        // Memtables are sealed and written, files compacted and segments of the log used again all the time.
        memtable_bytes: 256 << 10,
        ..DiskOptions::new(folder)
    }
}

/// Returns the changes of a commit, which are known from its number.
fn changes(commit: u64) -> Vec<(u64, Vec<u8>)> {
    let mut prng = Prng(commit.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let count = match prng.below(8) {
        0 => 1 + prng.below(200),
        _ => 1 + prng.below(8),
    };
    let mut changes = Vec::new();
    for _ in 0..count {
        let length = match prng.below(64) {
            0 => 4_096 + prng.below(16_000),
            1 => 100_000 * prng.below(2),
            _ => prng.below(200),
        };
        let number = prng.below(RANDOM_KEYS);
        let value = (0..length).map(|_| prng.below(256) as u8).collect();
        changes.push((number, value));
    }
    changes
}

fn random_batch(commit: u64) -> Batch {
    let changes: BTreeMap<u64, Vec<u8>> = changes(commit).into_iter().collect();
    let mut batch = Batch::default();
    for (number, value) in &changes {
        batch.put(Table::Data, key(*number), value.clone());
    }
    batch.put(
        Table::History,
        commit.to_be_bytes().to_vec(),
        commit.to_le_bytes().to_vec(),
    );
    if let Some(old) = commit.checked_sub(KEPT_CHANGES).filter(|old| *old > 0) {
        batch.remove(Table::History, old.to_be_bytes().to_vec());
    }
    batch.put(Table::Meta, &b"commits"[..], commit.to_be_bytes().to_vec());
    batch
}

/// Commits without end, and writes the number of each commit that was answered.
fn commit_until_killed(folder: &Path) {
    let engine = DiskEngine::open(&small(folder)).expect("an engine");
    let mut out = std::io::stdout().lock();
    out.write_all(b"\n").expect("a line");
    for commit in commits(&engine) + 1.. {
        let durability = match commit % 50 {
            // The rows of the last commits may be in files before they are synced.
            0..10 => Durability::Buffered,
            _ => Durability::Synced,
        };
        let batch = random_batch(commit);
        engine.admit(&batch).expect("room");
        engine.commit(batch, durability).expect("a commit");
        writeln!(out, "answered {commit}").expect("a line");
        out.flush().expect("a line");
    }
}

/// Checks that the rows are those of all commits up to the last one, and returns it.
fn assert_whole(engine: &DiskEngine) -> u64 {
    let last = commits(engine);
    let mut expected = BTreeMap::new();
    for commit in 1..=last {
        let rows = changes(commit).into_iter();
        expected.extend(rows.map(|(number, value)| (key(number), value)));
    }
    let found = crate::common::rows(engine, Table::Data);
    assert_eq!(found.len(), expected.len());
    for (key, value) in found {
        assert!(expected[&key[..]] == value, "row {key:?} at {last}");
    }
    let history = crate::common::rows(engine, Table::History);
    let kept = last.saturating_sub(KEPT_CHANGES) + 1..=last;
    let numbers = kept.map(|commit| commit.to_be_bytes().to_vec());
    let keys = history.iter().map(|(key, _)| key.to_vec());
    assert!(keys.eq(numbers), "the history at {last}");
    last
}

/// `AKVS_KILLS` sets the number of kills.
#[test]
fn a_kill_at_any_moment_leaves_all_answered_commits_and_no_part_of_another() {
    if let Some(folder) = std::env::var_os(RANDOM_FOLDER) {
        return commit_until_killed(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let name =
        "killed_process::a_kill_at_any_moment_leaves_all_answered_commits_and_no_part_of_another";
    let this = std::env::current_exe().expect("a path");
    let kills =
        std::env::var("AKVS_KILLS").map_or(USUAL_KILLS, |text| text.parse().expect("a number"));
    let mut prng = Prng(kills);
    for round in 0..kills {
        let mut child = Command::new(&this)
            .args(["--exact", name, "--nocapture"])
            .env(RANDOM_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let wanted = 1 + prng.below(600);
        let mut answered = 0;
        let mut lines = out.lines().map_while(Result::ok);
        let numbers = lines.by_ref().filter_map(|line| {
            let number = line.strip_prefix("answered ")?;
            number.parse::<u64>().ok()
        });
        for (count, number) in (1..).zip(numbers) {
            answered = number;
            if count == wanted {
                child.kill().expect("a kill");
            }
        }
        child.wait().expect("its end");
        assert!(answered > 0, "round {round}: it committed nothing");
        let engine = DiskEngine::open(&small(folder.path())).expect("a start");
        let last = assert_whole(&engine);
        assert!(
            last >= answered,
            "round {round}: {answered} answered, {last} left"
        );
    }
}

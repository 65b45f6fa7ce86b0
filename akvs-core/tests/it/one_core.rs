//! A machine with one core, like small servers and containers: however late the engine's threads run, the waiting data
//! stays bounded, in memory and in the log, and all work completes.
//!
//! The test starts itself again under `taskset`; where that is missing, it reports that and is skipped.

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use akvs_core::engine::{Batch, Durability, Engine, Table};
use akvs_core::{DiskEngine, DiskOptions};

const AGAIN: &str = "AKVS_TEST_ON_ONE_CORE";
const COMMITS: u64 = 80_000;
const VALUE_BYTES: usize = 3_500;
/// The bound of the log, in bytes: its limit and two new segments.
const LOG_BYTES: u64 = 224 << 20;
/// The memtables, as many that are being freed, and what writing files takes.
const MEMORY_BYTES: u64 = 288 << 20;

#[test]
fn memory_and_log_stay_bounded_on_one_core() {
    if std::env::var_os(AGAIN).is_some() {
        return flood();
    }
    let this = std::env::current_exe().expect("a path");
    let ran = Command::new("taskset")
        .args(["-c", "0"])
        .arg(this)
        .args([
            "--exact",
            "one_core::memory_and_log_stay_bounded_on_one_core",
        ])
        .env(AGAIN, "1")
        .output();
    match ran {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{text}");
        }
        Err(error) => {
            _ = writeln!(std::io::stderr(), "one_core: skipped, no taskset: {error}");
        }
    }
}

fn flood() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DiskOptions {
        // Other programs may keep the core busy.
        commit_timeout: Duration::from_secs(300),
        ..DiskOptions::new(folder.path())
    };
    let engine = DiskEngine::open(&options).expect("an engine");
    let (mut log, mut memory) = (0, 0);
    let mut chance = 1_u64;
    for number in 0..COMMITS {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let mut batch = Batch::default();
        let key = chance.to_be_bytes().to_vec();
        batch.put(Table::Data, key.clone(), vec![chance as u8; VALUE_BYTES]);
        batch.put(Table::History, key, number.to_be_bytes().to_vec());
        batch.put(Table::Meta, &b"revision"[..], number.to_be_bytes().to_vec());
        engine.admit(&batch).expect("room before the timeout");
        engine
            .commit(batch, Durability::Buffered)
            .expect("a commit");
        if number % 1_000 == 0 {
            log = log.max(log_bytes(folder.path()));
            memory = memory.max(memory_bytes());
        }
    }
    let (log_mib, memory_mib) = (log >> 20, memory >> 20);
    println!("log {log_mib} MiB, memory {memory_mib} MiB");
    assert!(log < LOG_BYTES, "{log_mib} MiB of log");
    assert!(memory < MEMORY_BYTES, "{memory_mib} MiB of memory");
}

/// Returns the size of the log on disk, with files that are kept for later segments.
fn log_bytes(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder.join("store/log")).expect("a folder");
    // A file may be renamed or deleted meanwhile.
    let sizes = files
        .flatten()
        .flat_map(|file| file.metadata())
        .map(|file| 512 * file.blocks());
    sizes.sum()
}

/// Returns the memory of this process.
fn memory_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("a file");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    4_096 * pages.unwrap_or(0_u64)
}

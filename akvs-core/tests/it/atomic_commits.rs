//! A snapshot contains each commit completely or not at all, even while files are written and compacted in the
//! background.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use akvs_core::engine::{Batch, Durability, Engine, Table};
use akvs_core::{DiskEngine, DiskOptions};

const COMMITS: u64 = 150;
/// The rows between the first and the last, so that a commit takes time.
const BETWEEN: u64 = 200;

#[test]
fn no_snapshot_has_a_part_of_a_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DiskOptions {
        memtable_bytes: 64 << 10,
        ..DiskOptions::new(folder.path())
    };
    let engine = Arc::new(DiskEngine::open(&options).expect("an engine"));
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (engine, is_over) = (Arc::clone(&engine), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let mut looks = 0_u64;
            while !is_over.load(Ordering::Relaxed) {
                let time = engine.snapshot().expect("a snapshot");
                let first = time.get(Table::Catalogue, b"first").expect("a read");
                let last = time.get(Table::History, b"last").expect("a read");
                assert_eq!(first, last, "after {looks} looks");
                looks += 1;
            }
            looks
        })
    };
    for number in 0..COMMITS {
        let mut batch = Batch::default();
        let value = number.to_be_bytes().to_vec();
        batch.put(Table::Catalogue, &b"first"[..], value.clone());
        for row in 0..BETWEEN {
            let key = (number * BETWEEN + row).to_be_bytes().to_vec();
            batch.put(Table::Data, [&[1][..], &key].concat(), value.clone());
        }
        batch.put(Table::History, &b"last"[..], value);
        engine
            .commit(batch, Durability::Buffered)
            .expect("a commit");
        if reader.is_finished() {
            break;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(reader.join().expect("each commit whole") > 100);
}

//! A reader that knows that a change was committed reads that change or a later one, whatever the cache does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use akvs_core::engine::Durability;
use akvs_core::{Op, Options};

use crate::common::{TestDb, at, key, store_named};

const KEYS: usize = 4;
const READERS: usize = 3;
const COMMITS: u64 = 1_500;

/// The state that readers rely on: the newest revision of each key, and whether it exists.
#[derive(Default)]
struct Answered([AtomicU64; KEYS]);

/// Every eighth change of a key removes it.
fn removes(round: u64) -> bool {
    round % 8 == 7
}

fn assert_no_stale_reads(test_db: &TestDb, cache_bytes: u64, commits: u64) {
    let options = Options {
        cache_bytes,
        ..Options::default()
    };
    let database = test_db.open(options);
    let store = store_named(&database, "read");
    let (answered, done) = (Answered::default(), AtomicBool::new(false));
    let names: Vec<String> = (0..KEYS).map(|index| format!("key {index}")).collect();
    thread::scope(|scope| {
        for _ in 0..READERS {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    for (name, round) in names.iter().zip(&answered.0) {
                        let known = round.load(Ordering::SeqCst);
                        let found = store.find(name.as_bytes(), at(1)).expect("a read");
                        let Some(entry) = found else {
                            // Missing: as known, or by a later change.
                            let newer = round.load(Ordering::SeqCst) + 1;
                            let removed = (known..=newer).any(|round| round == 0 || removes(round));
                            assert!(removed, "{name} is missing in round {known} to {newer}");
                            continue;
                        };
                        let value: [u8; 8] = entry.value[..8].try_into().expect("a number");
                        let round = u64::from_le_bytes(value);
                        assert!(round >= known, "{name}: read {round} after {known}");
                    }
                }
            });
        }
        for round in 1..=commits {
            let mut group = database.group();
            for name in &names {
                // Large enough that a tiny cache evicts constantly.
                let value = [&round.to_le_bytes()[..], &[0; 200]].concat();
                let op = if removes(round) {
                    Op::delete()
                } else {
                    Op::set(value)
                };
                group
                    .apply(&store, &key(name), op, at(1))
                    .expect("a change");
            }
            group.commit(Durability::Buffered).expect("a commit");
            for known in &answered.0 {
                known.store(round, Ordering::SeqCst);
            }
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn no_read_is_stale_with_the_default_cache() {
    assert_no_stale_reads(&TestDb::memory(), Options::default().cache_bytes, COMMITS);
}

#[test]
fn no_read_is_stale_with_a_cache_that_evicts_constantly() {
    assert_no_stale_reads(&TestDb::memory(), 2 << 10, COMMITS);
}

#[test]
fn no_read_is_stale_without_a_cache() {
    assert_no_stale_reads(&TestDb::memory(), 0, COMMITS);
}

#[test]
fn no_read_is_stale_on_disk() {
    assert_no_stale_reads(&TestDb::disk(), 2 << 10, COMMITS / 4);
}

//! A database with data of every kind, and its state.

use std::fs;
use std::io;
use std::path::Path;

use akvs_core::engine::{Durability, Engine, Table};
use akvs_core::{
    Action, Code, Database, FieldValue, GarbageCollector, Op, Representation, Settings, Ttl,
};
use bytes::Bytes;

use crate::common::{at, key, rows, store_named};

/// A generator of small pseudo-random numbers, the same in each run.
pub(crate) struct Prng(pub(crate) u64);

impl Prng {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit.max(1)
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Bytes {
        let bytes = (0..length).map(|_| self.below(256) as u8);
        bytes.collect::<Vec<_>>().into()
    }
}

/// Writes this many groups: keys of several namespaces with values of all sizes, types and deadlines, some deleted
/// again, settings, and namespaces that are dropped, created again and partly swept.
pub(crate) fn write(database: &Database, prng: &mut Prng, groups: u64, durability: Durability) {
    let mut sweep = GarbageCollector::default();
    for _ in 0..groups {
        let store = store_named(database, ["one", "two", "three"][prng.below(3) as usize]);
        let mut group = database.group();
        for _ in 0..1 + prng.below(8) {
            let name = key(format!("key {}", prng.below(60)));
            if let Err(error) = group.apply(&store, &name, op(prng), at(prng.below(1_000))) {
                // A missing key cannot be touched.
                assert_eq!(error.code(), Code::NotFound, "{error}");
            }
        }
        group.commit(durability).expect("a commit");
        if prng.below(20) == 0 {
            let settings = Settings {
                max_keys: Some(1_000 + prng.below(9)),
                ..Settings::default()
            };
            let mut group = database.group();
            let configured = group.configure(&store, settings, at(5));
            configured.expect("settings");
            group.commit(durability).expect("a commit");
        }
        if prng.below(30) == 0 {
            let mut group = database.group();
            group.drop_namespace(&store).expect("a drop");
            group.commit(durability).expect("a commit");
        }
        if prng.below(10) == 0 {
            let rows = 1 + prng.below(40) as usize;
            sweep.step(database, rows).expect("a step");
        }
    }
}

fn op(prng: &mut Prng) -> Op {
    let length = match prng.below(40) {
        0 => 9_000,
        1..=4 => 1_500,
        5 => 0,
        _ => 40,
    };
    let field = |text| FieldValue::new(text).expect("a field");
    match prng.below(8) {
        0 => Op::delete(),
        1 => Op::from(Action::Touch {
            ttl: Ttl::Millis(1_000 + prng.below(1_000)),
        }),
        kind => Op::from(Action::Set {
            value: prng.bytes(length),
            representation: Representation {
                content_type: (kind > 4).then(|| field("text/plain")),
                content_encoding: (kind > 6).then(|| field("gzip")),
            },
            ttl: match kind {
                2 | 3 => Ttl::Millis(1_000 + prng.below(100_000)),
                _ => Ttl::Default,
            },
        }),
    }
}

/// Returns all rows of all tables.
pub(crate) fn all_rows(engine: &dyn Engine) -> Vec<(Table, Bytes, Bytes)> {
    let of = |table| {
        let rows = rows(engine, table).into_iter();
        rows.map(move |(key, value)| (table, key, value))
    };
    Table::ALL.into_iter().flat_map(of).collect()
}

/// Returns the same without the rows that a restore changes: the revision counter and its gaps.
pub(crate) fn kept_rows(engine: &dyn Engine) -> Vec<(Table, Bytes, Bytes)> {
    let mut kept = all_rows(engine);
    kept.retain(|(table, key, _)| {
        let is_set = [&b"revision"[..], b"gaps", b"format"].contains(&&key[..]);
        *table != Table::Meta || !is_set
    });
    kept
}

/// Returns a complete backup.
pub(crate) fn backup(database: &Database) -> Vec<u8> {
    let backup = database.backup(at(7), "1.2.3 (abc)").expect("a backup");
    let chunks: Vec<Bytes> = backup.map(|chunk| chunk.expect("a chunk")).collect();
    chunks.concat()
}

/// Copies the content of a folder, without files that an engine removes meanwhile.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            fs::create_dir(&to).expect("a folder");
            copy(&from, &to);
        } else {
            let copied = fs::copy(&from, &to);
            let is_removed = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
            assert!(copied.as_ref().err().is_none_or(is_removed), "{copied:?}");
        }
    }
}

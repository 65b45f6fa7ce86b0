//! The statistics: the counts of all namespaces, and the largest ones.

use std::sync::Arc;

use akvs_core::engine::{Durability, Engine};
use akvs_core::{Counts, Database, Key, MemoryEngine, Namespace, Op, Options, StorageStats, Store};

fn database(engine: &Arc<MemoryEngine>) -> Database {
    let engine: Arc<dyn Engine> = Arc::clone(engine) as Arc<dyn Engine>;
    Database::open(engine, Options::default()).expect("a database")
}

fn store(database: &Database, number: usize) -> Store {
    let name = Namespace::new(format!("n{number}")).expect("a name");
    Store::new(database, name).expect("a store")
}

/// Returns the same from a list of all namespaces.
fn count_bytes(database: &Database, max_largest: usize) -> StorageStats {
    let listed = database.namespaces(None, usize::MAX).expect("a list");
    let mut stats = StorageStats::default();
    for info in &listed {
        stats.namespaces += 1;
        stats.counts.keys += info.counts.keys;
        stats.counts.bytes += info.counts.bytes;
        stats.counts.history += info.counts.history;
    }
    let named = listed.into_iter().map(|info| (info.name, info.counts));
    stats.largest = named.collect();
    stats.largest.sort_by(|(name, counts), (other, others)| {
        (others.bytes, name).cmp(&(counts.bytes, other))
    });
    stats.largest.truncate(max_largest);
    stats
}

#[test]
fn an_empty_database_has_zero_counts() {
    let database = database(&Arc::default());
    assert_eq!(database.storage_stats(10).unwrap(), StorageStats::default());
}

#[test]
fn many_namespaces_are_counted_page_by_page() {
    let engine = Arc::default();
    let database = database(&engine);
    let now = Default::default();
    for number in 0..2_500 {
        let mut group = database.group();
        let store = store(&database, number);
        // No two have the same bytes, and the order is not that of their names.
        let value = vec![0; number * 7_919 % 10_007];
        let key = Key::new("key").unwrap();
        group.apply(&store, &key, Op::set(value), now).unwrap();
        group.commit(Durability::Buffered).unwrap();
    }
    for number in [0, 1, 999, 1_000, 2_499] {
        let mut group = database.group();
        assert!(group.drop_namespace(&store(&database, number)).unwrap());
        group.commit(Durability::Buffered).unwrap();
    }
    for max_largest in [0, 1, 100, 2_494, 2_495, 10_000] {
        let stats = database.storage_stats(max_largest).unwrap();
        assert_eq!(stats, count_bytes(&database, max_largest), "{max_largest}");
        assert_eq!((stats.namespaces, stats.counts.keys), (2_495, 2_495));
    }
    assert_eq!(
        crate::stats::database(&engine).storage_stats(7).unwrap(),
        count_bytes(&database, 7)
    );
}

#[test]
fn a_namespace_without_keys_is_counted_and_listed() {
    let database = database(&Arc::default());
    let settings = Default::default();
    let mut group = database.group();
    let made = group.configure(&store(&database, 1), settings, Default::default());
    assert!(!made.unwrap());
    group.commit(Durability::Synced).unwrap();
    let stats = database.storage_stats(10).unwrap();
    assert_eq!(stats.namespaces, 1);
    let name = Namespace::new("n1").unwrap();
    assert_eq!(stats.largest, [(name, Counts::default())]);
}

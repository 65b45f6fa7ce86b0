//! Large values have rows of their own: operations that do not need a value do not read it, a touch does not write it,
//! and no reader gets a value with the entry of another.

mod held;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use akvs_core::engine::{Batch, Durability, Engine, KeyRange, PageLimit, Table};
use akvs_core::{
    Action, Code, Condition, Database, Event, EventKind, GarbageCollector, MemoryEngine, Op,
    Options, Result, Revision, Store, Ttl, Txn,
};
use bytes::Bytes;

use crate::common::{TestDb, at, key, rows, store_named};

const LARGE: usize = 1 << 20;

/// An engine that counts the bytes that are read and written.
struct Counting {
    inner: MemoryEngine,
    read: AtomicUsize,
    written: AtomicUsize,
}

impl Counting {
    /// Returns the bytes that are read and written during the call.
    fn during(&self, act: impl FnOnce()) -> (usize, usize) {
        self.read.store(0, Ordering::SeqCst);
        self.written.store(0, Ordering::SeqCst);
        act();
        (
            self.read.load(Ordering::SeqCst),
            self.written.load(Ordering::SeqCst),
        )
    }
}

impl Engine for Counting {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        let value = self.inner.get(table, key)?;
        let bytes = value.as_ref().map_or(0, Bytes::len);
        self.read.fetch_add(bytes, Ordering::SeqCst);
        Ok(value)
    }

    fn page(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let page = self.inner.page(table, range, limit)?;
        let bytes = page.iter().map(|(_, value)| value.len()).sum();
        self.read.fetch_add(bytes, Ordering::SeqCst);
        Ok(page)
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<()> {
        let bytes = usize::try_from(batch.bytes()).expect("a size");
        self.written.fetch_add(bytes, Ordering::SeqCst);
        self.inner.commit(batch, durability)
    }

    akvs_core::forward_engine!(inner: snapshot, sync, watermark, raise_watermark, stored_bytes, capabilities);
}

fn touch() -> Op {
    Op::from(Action::Touch {
        ttl: Ttl::Millis(1_000),
    })
}

fn append(text: &'static str, max_bytes: usize) -> Op {
    Op::from(Action::Append {
        value: text.into(),
        max_bytes,
        ttl: Ttl::Keep,
    })
}

#[test]
fn only_operations_that_need_a_value_read_it() {
    let engine = Arc::new(Counting {
        inner: MemoryEngine::new(),
        read: AtomicUsize::new(0),
        written: AtomicUsize::new(0),
    });
    let options = Options {
        cache_bytes: 0,
        ..Options::default()
    };
    let database = Database::open(Arc::clone(&engine) as Arc<dyn Engine>, options).unwrap();
    let store = store_named(&database, "ns");
    let k = key("k");
    let set = |byte: u8| store.set(&k, vec![byte; LARGE], at(1)).unwrap();
    let few = 4_096;
    set(1);
    let (read, written) = engine.during(|| drop(set(2)));
    assert!(
        read < few && written > LARGE,
        "overwritten: {read}, {written}"
    );
    let (read, written) = engine.during(|| drop(store.apply(&k, touch(), at(1)).unwrap()));
    assert!(read < few && written < few, "touched: {read}, {written}");
    let (read, _) = engine.during(|| {
        let refused = store.apply(&k, Op::set("v").on(Condition::Absent), at(1));
        assert_eq!(refused.unwrap_err().code(), Code::PreconditionFailed);
    });
    assert!(read < few, "judged: {read}");
    let (read, _) = engine.during(|| {
        let checks = vec![(k.clone(), Condition::Exists)];
        let txn = Txn::new(checks, vec![(key("other"), Op::set("v"))]).unwrap();
        let mut group = database.group();
        group.transact(&store, txn, at(1)).unwrap();
        group.commit(Durability::Synced).unwrap();
    });
    assert!(read < few, "checked: {read}");
    let found = store.get(&k, at(1)).unwrap();
    assert_eq!(found.value, vec![2; LARGE], "a touch keeps the value");
    assert_eq!(found.deadline, Some(at(1_001)));
    let (read, _) = engine.during(|| drop(store.del(&k, at(1)).unwrap()));
    assert!(read < few, "deleted: {read}");
    assert_eq!((store.counts().keys, store.counts().bytes), (1, 6));
}

#[test]
fn each_change_of_a_large_value_has_the_expected_result() {
    for home in TestDb::each() {
        let database = home.open(Options::default());
        let store = store_named(&database, "ns");
        let k = key("k");
        let large = |byte: u8| Bytes::from(vec![byte; LARGE]);
        let now = at(1);
        let assert_is = |store: &Store, value: &[u8]| {
            let found = store.get(&k, now).unwrap();
            assert!(found.value == value, "{} bytes", found.value.len());
            assert_eq!(store.counts().bytes, 1 + value.len() as u64);
        };
        store.set(&k, large(1), now).unwrap();
        // All changes are in one group, and each depends on the one before.
        let mut group = database.group();
        group.record();
        group.apply(&store, &k, touch(), now).unwrap();
        group
            .apply(&store, &k, append("x", 2 * LARGE), now)
            .unwrap();
        group.apply(&store, &k, touch(), now).unwrap();
        let done = group.commit(Durability::Synced).unwrap();
        let sizes = done.events.iter().map(|(_, event)| size(event));
        let sizes: Vec<u64> = sizes.collect();
        let bytes = LARGE as u64;
        assert_eq!(sizes, [bytes, bytes + 1, bytes + 1]);
        let longer = [&large(1)[..], b"x"].concat();
        assert_is(&store, &longer);

        drop((store, database));
        let database = home.open(Options::default());
        let store = store_named(&database, "ns");
        // The value is not in the cache.
        store.apply(&k, touch(), now).unwrap();
        assert_is(&store, &longer);
        store.set(&k, "short", now).unwrap();
        assert_is(&store, b"short");
        store.set(&k, large(2), now).unwrap();
        store.del(&k, now).unwrap();
        assert!(store.find(b"k", now).unwrap().is_none());
        store.set(&k, large(3), now).unwrap();
        let snapshot = database.namespace_snapshot(store.name()).unwrap();
        store.set(&k, large(4), now).unwrap();
        let page = snapshot
            .entries(b"", None, PageLimit::rows(9), now)
            .unwrap();
        assert!(page.entries[0].1.value == large(3));
        drop(snapshot);
        let mut found = Vec::new();
        let sink = &mut |finding: akvs_core::Finding| found.push(finding.to_string());
        database.verify(sink, &mut |_| ()).unwrap();
        assert_eq!(found, [""; 0]);

        let mut group = database.group();
        assert!(group.drop_namespace(&store).unwrap());
        group.commit(Durability::Synced).unwrap();
        let mut sweep = GarbageCollector::default();
        while sweep.step(&database, 100).unwrap() {}
        drop((store, database));
        assert_eq!(rows(&*home.engine(), Table::Data).len(), 0);
    }
}

fn size(event: &Event) -> u64 {
    let EventKind::Set { size, .. } = &event.kind else {
        panic!("{event:?}")
    };
    *size
}

#[test]
fn a_page_of_large_values_ends_at_its_limit() {
    let database = TestDb::memory().open(Options::default());
    let store = store_named(&database, "ns");
    for number in 0..8 {
        let value = vec![number as u8; LARGE];
        store.set(&key(number.to_string()), value, at(1)).unwrap();
    }
    let snapshot = database.namespace_snapshot(store.name()).unwrap();
    let limit = PageLimit {
        rows: 100,
        bytes: 2 * LARGE,
    };
    let (mut start, mut found) = (Bytes::new(), Vec::new());
    while let Some(next) = {
        let page = snapshot.entries(&start, None, limit, at(1)).unwrap();
        assert!(page.entries.len() <= 2, "{}", page.entries.len());
        found.extend(page.entries.into_iter().map(|(key, _)| key));
        page.next
    } {
        start = next;
    }
    assert_eq!(found.len(), 8);
}

#[test]
fn a_transaction_that_writes_too_much_is_refused_completely() {
    let database = TestDb::memory().open(Options::default());
    let store = store_named(&database, "ns");
    let keys: Vec<_> = (0..40).map(|number| key(number.to_string())).collect();
    for key in &keys {
        store.set(key, vec![1; LARGE], at(1)).unwrap();
    }
    let before = database.revision();
    let txn = |op: &dyn Fn() -> Op| {
        let ops = keys.iter().map(|key| (key.clone(), op())).collect();
        let mut group = database.group();
        let outcomes = group.transact(&store, Txn::new(Vec::new(), ops).unwrap(), at(1));
        outcomes.and_then(|_| group.commit(Durability::Synced))
    };
    let refused = txn(&|| append("x", 2 * LARGE)).unwrap_err();
    assert_eq!(refused.code(), Code::TooLarge);
    assert_eq!(refused.context()["limit"], Txn::MAX_WRITTEN_BYTES);
    assert_eq!(database.revision(), before);
    // Nothing of their values is written.
    txn(&touch).unwrap();
    assert_eq!(store.counts().keys, 40);
}

#[test]
fn no_reader_sees_a_value_with_the_entry_of_another() {
    for home in TestDb::each() {
        let options = Options {
            cache_bytes: 0,
            ..Options::default()
        };
        let database = home.open(options);
        let store = store_named(&database, "ns");
        let k = key("k");
        // Short and long ones, identified by their revisions.
        let value = |round: u64| vec![round as u8; 3_000 + 1_000 * (round as usize % 5)];
        store.set(&k, value(1), at(1)).unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let reader = || {
                let mut reads = 0_u64;
                while !is_over.load(Ordering::Acquire) || reads == 0 {
                    let entry = store.get(&k, at(1)).unwrap();
                    let revision = entry.revision.get();
                    assert!(entry.value == value(revision), "at revision {revision}");
                    reads += 1;
                }
            };
            let readers = [scope.spawn(reader), scope.spawn(reader)];
            for round in 2..1_500 {
                let mut group = database.group();
                let outcome = group
                    .apply(&store, &k, Op::set(value(round)), at(1))
                    .unwrap();
                assert_eq!(outcome.revision, Some(Revision::new(round)));
                group.commit(Durability::Buffered).unwrap();
            }
            is_over.store(true, Ordering::Release);
            readers
                .into_iter()
                .for_each(|reader| reader.join().unwrap());
        });
    }
}

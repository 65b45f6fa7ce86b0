//! An expired entry does not exist for any reader, and is removed later: in bounded steps, with its rows, its counts
//! and a change in the history, whether or not its namespace is open.

use std::collections::BTreeMap;
use std::sync::Arc;

use akvs_core::engine::{Durability, Engine, PageLimit, Table};
use akvs_core::{
    Action, Condition, Database, EventKind, ExpiryTask, GarbageCollector, Namespace, Op, Options,
    Representation, Revision, Store, Timestamp, Ttl,
};
use proptest::prelude::*;

use crate::common::{TestDb, at, key, rows, store_named};

fn open() -> (Arc<dyn Engine>, Database) {
    let test_db = TestDb::memory();
    (test_db.engine(), test_db.open(Options::default()))
}

fn set(ttl: Ttl) -> Op {
    Op::from(Action::Set {
        value: "value".into(),
        representation: Representation::default(),
        ttl,
    })
}

fn put(store: &Store, name: &str, ttl: Ttl, now: u64) {
    store.apply(&key(name), set(ttl), at(now)).expect("a set");
}

fn expire(expiry: &mut ExpiryTask, database: &Database, now: u64, rows: usize) {
    expiry
        .step(database, at(now), rows, Durability::Synced, false)
        .expect("a step");
}

/// Returns the number of expirations in the history of the namespace.
fn expirations(database: &Database) -> usize {
    let namespace = Namespace::new("ns").expect("a name");
    let snapshot = database.namespace_snapshot(&namespace).expect("a snapshot");
    let all = snapshot.changes(Revision::ZERO, PageLimit::rows(10_000), false);
    let events = all.expect("the changes").events;
    let expired = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Expire { .. }));
    expired.count()
}

#[test]
fn only_due_entries_are_removed_in_steps() {
    let (engine, database) = open();
    let store = store_named(&database, "ns");
    for number in 0..10 {
        put(&store, &format!("due{number}"), Ttl::Millis(100), 0);
    }
    put(&store, "later", Ttl::Millis(101), 0);
    put(&store, "forever", Ttl::Forever, 0);
    assert_eq!(database.next_deadline(), Some(at(100)));

    let mut expiry = ExpiryTask::default();
    expire(&mut expiry, &database, 99, 4);
    assert_eq!(store.counts().keys, 12);
    for left in [8, 4, 2, 2] {
        expire(&mut expiry, &database, 100, 4);
        assert_eq!(store.counts().keys, left);
    }
    assert_eq!(database.next_deadline(), Some(at(101)));
    assert_eq!(rows(&*engine, Table::Deadlines).len(), 1);
    assert_eq!(rows(&*engine, Table::Data).len(), 2);
    assert_eq!(expirations(&database), 10);
    expire(&mut expiry, &database, 101, 4);
    assert_eq!((store.counts().keys, database.next_deadline()), (1, None));
}

/// An import stores such keys: they may wait longer for their commit than their lifetime.
#[test]
fn a_key_that_expired_before_its_commit_is_removed() {
    let (engine, database) = open();
    let store = store_named(&database, "ns");
    let mut expiry = ExpiryTask::default();
    for number in 0..5 {
        put(&store, &format!("due{number}"), Ttl::Millis(100), 0);
    }
    put(&store, "forever", Ttl::Forever, 0);
    expire(&mut expiry, &database, 200, 100);
    assert_eq!((store.counts().keys, database.next_deadline()), (1, None));
    // Before, at and after the deadline of the last removed entry, with the last key and with others.
    for late in [1, 99, 100, 101, 200] {
        for name in ["due4", "a", "z"] {
            put(&store, name, Ttl::Until(at(late)), 200);
        }
        assert_eq!(store.counts().keys, 4, "{late}");
        assert!(store.find(b"a", at(200)).expect("a read").is_none());
        for _ in 0..3 {
            expire(&mut expiry, &database, 200, 1);
        }
        assert_eq!(store.counts().keys, 1, "{late}");
    }
    expire(&mut expiry, &database, 200, 1);
    assert_eq!(database.next_deadline(), None);
    assert!(rows(&*engine, Table::Deadlines).is_empty());
    assert_eq!(expirations(&database), 5 + 15);
}

#[test]
fn a_replaced_entry_does_not_expire() {
    let (_, database) = open();
    let store = store_named(&database, "ns");
    for (name, ttl) in [
        ("cleared", Ttl::Forever),
        ("kept", Ttl::Keep),
        ("later", Ttl::Millis(900)),
    ] {
        put(&store, name, Ttl::Millis(100), 0);
        put(&store, name, ttl, 50);
    }
    put(&store, "touched", Ttl::Millis(100), 0);
    let touch = Op::from(Action::Touch { ttl: Ttl::Forever });
    store
        .apply(&key("touched"), touch, at(50))
        .expect("a touch");

    expire(&mut ExpiryTask::default(), &database, 500, 100);
    let exists = |name: &'static str| {
        store
            .find(name.as_bytes(), at(500))
            .expect("a read")
            .is_some()
    };
    assert_eq!(
        ["cleared", "kept", "later", "touched"].map(exists),
        [true, false, true, true]
    );
    assert_eq!(store.counts().keys, 3);
}

#[test]
fn an_idle_namespace_expires_and_has_correct_counts_afterwards() {
    let folder = tempfile::tempdir().expect("a folder");
    {
        let database = crate::common::disk(folder.path());
        let store = store_named(&database, "ns");
        put(&store, "due", Ttl::Millis(100), 0);
        put(&store, "forever", Ttl::Forever, 0);
    }
    let database = crate::common::disk(folder.path());
    assert!(database.next_deadline().is_some(), "a deadline may be due");
    // Opened before, but not used: the counts that it read are outdated by then.
    let store = store_named(&database, "ns");
    expire(&mut ExpiryTask::default(), &database, 100, 100);
    put(&store, "new", Ttl::Forever, 200);
    assert_eq!((store.counts().keys, store.counts().history), (2, 4));
    drop(store);
    assert_eq!(store_named(&database, "ns").counts().keys, 2);
}

#[test]
fn a_dropped_namespace_leaves_no_deadline() {
    let (engine, database) = open();
    let store = store_named(&database, "ns");
    for number in 0..10 {
        put(&store, &number.to_string(), Ttl::Millis(100), 0);
    }
    let mut group = database.group();
    assert!(group.drop_namespace(&store).expect("a drop"));
    group.commit(Durability::Synced).expect("a commit");
    let mut sweep = GarbageCollector::default();
    assert!(sweep.step(&database, 3).expect("a step"));
    let mut expiry = ExpiryTask::default();
    expire(&mut expiry, &database, 100, 100);
    while sweep.step(&database, 3).expect("a step") {}
    expire(&mut expiry, &database, 100, 100);
    for table in [Table::Data, Table::Deadlines] {
        assert!(rows(&*engine, table).is_empty(), "{table:?}");
    }
    // Nothing expires that does not exist.
    assert_eq!(expirations(&database), 0);
    assert_eq!(database.next_deadline(), None);
}

#[test]
fn a_clock_that_steps_back_misses_no_deadline() {
    let (_, database) = open();
    let store = store_named(&database, "ns");
    let mut expiry = ExpiryTask::default();
    put(&store, "first", Ttl::Millis(1_000), 0);
    expire(&mut expiry, &database, 1_000, 100);
    put(&store, "second", Ttl::Millis(100), 500);
    expire(&mut expiry, &database, 550, 100);
    assert!(store.find(b"second", at(550)).expect("a read").is_some());
    expire(&mut expiry, &database, 600, 100);
    assert_eq!((store.counts().keys, database.next_deadline()), (0, None));
}

/// A step of the model: at this time, this happens to this key.
#[derive(Clone, Debug)]
enum Step {
    Set(Ttl),
    SetIfAbsent,
    Touch(Ttl),
    Delete,
    Expire(usize),
}

fn ttl() -> impl Strategy<Value = Ttl> {
    prop_oneof![
        Just(Ttl::Forever),
        Just(Ttl::Keep),
        (1..40_u64).prop_map(Ttl::Millis)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => ttl().prop_map(Step::Set),
        1 => Just(Step::SetIfAbsent),
        2 => ttl().prop_map(Step::Touch),
        1 => Just(Step::Delete),
        2 => (1..5_usize).prop_map(Step::Expire),
    ]
}

type Model = BTreeMap<usize, Option<Timestamp>>;

fn deadline(ttl: Ttl, old: Option<Timestamp>, now: u64) -> Option<Timestamp> {
    match ttl {
        Ttl::Default | Ttl::Forever => None,
        Ttl::Keep => old,
        Ttl::Millis(millis) => Some(at(now + millis)),
        Ttl::Until(deadline) => Some(deadline),
    }
}

/// Applies the step to the existing keys, each with its deadline.
fn take(model: &mut Model, name: usize, step: &Step, now: u64) {
    model.retain(|_, deadline| deadline.is_none_or(|deadline| at(now) < deadline));
    let old = model.get(&name).copied();
    match step {
        Step::Set(ttl) => {
            model.insert(name, deadline(*ttl, old.flatten(), now));
        }
        Step::SetIfAbsent => {
            model.entry(name).or_insert(None);
        }
        Step::Touch(ttl) => {
            if let Some(old) = old {
                model.insert(name, deadline(*ttl, old, now));
            }
        }
        Step::Delete => {
            model.remove(&name);
        }
        Step::Expire(_) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn deadlines_match_a_plain_map(
        steps in proptest::collection::vec((0..4_usize, step(), 0..12_u64), 1..120),
    ) {
        let (engine, database) = open();
        let store = store_named(&database, "ns");
        let (mut model, mut expiry, mut now) = (Model::new(), ExpiryTask::default(), 0);
        for (name, step, pause) in steps {
            now += pause;
            let name_key = key(name.to_string());
            let touch = |ttl| Op::from(Action::Touch { ttl });
            let op = match &step {
                Step::Set(ttl) => Some(set(*ttl)),
                Step::SetIfAbsent => Some(set(Ttl::Forever).on(Condition::Absent)),
                Step::Touch(ttl) => Some(touch(*ttl)),
                Step::Delete => Some(Op::delete()),
                Step::Expire(rows) => {
                    expire(&mut expiry, &database, now, *rows);
                    None
                }
            };
            if let Some(op) = op {
                // An error is a condition that does not hold, or a touch of a missing key; the model does nothing
                // either.
                let _ = store.apply(&name_key, op, at(now));
            }
            take(&mut model, name, &step, now);
            for name in 0..4_usize {
                let found = store.find(name.to_string().as_bytes(), at(now)).expect("a read");
                prop_assert_eq!(found.map(|entry| entry.deadline), model.get(&name).copied());
            }
        }
        while database.next_deadline().is_some_and(|deadline| deadline <= at(now)) {
            expire(&mut expiry, &database, now, 3);
        }
        prop_assert_eq!(store.counts().keys as usize, model.len());
        let deadlines = model.values().filter(|deadline| deadline.is_some()).count();
        prop_assert_eq!(rows(&*engine, Table::Deadlines).len(), deadlines);
    }
}

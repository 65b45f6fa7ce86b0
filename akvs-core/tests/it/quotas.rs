//! The settings of a namespace: its quotas, the maximum length of values and the default lifetime; and that they are
//! stored.

use akvs_core::engine::Durability;
use akvs_core::{
    Action, Code, Database, Error, ExpiryTask, Key, Op, Options, Outcome, Representation, Result,
    Revision, Settings, Store, Ttl, Txn,
};

use crate::common::{TestDb, at, key, store_named};

fn configure(store: &Store, settings: Settings) -> bool {
    let mut group = store.database().group();
    let existed = group.configure(store, settings, at(1));
    let existed = existed.expect("settings");
    group.commit(Durability::Synced).expect("a commit");
    existed
}

fn open(settings: Settings) -> (Database, Store) {
    let database = TestDb::memory().open(Options::default());
    let store = store_named(&database, "ns");
    assert!(!configure(&store, settings));
    (database, store)
}

fn keys(limit: u64) -> Settings {
    Settings {
        max_keys: Some(limit),
        ..Settings::default()
    }
}

fn bytes(limit: u64) -> Settings {
    Settings {
        max_bytes: Some(limit),
        ..Settings::default()
    }
}

fn value_bytes(limit: u64) -> Settings {
    Settings {
        max_value_bytes: Some(limit),
        ..Settings::default()
    }
}

fn ttl(millis: u64) -> Settings {
    Settings {
        ttl_ms: Some(millis),
        ..Settings::default()
    }
}

fn set(value: &'static str, ttl: Ttl) -> Op {
    Op::from(Action::Set {
        value: value.into(),
        representation: Representation::default(),
        ttl,
    })
}

fn append(value: &'static str) -> Op {
    Op::from(Action::Append {
        value: value.into(),
        max_bytes: 1_000,
        ttl: Ttl::Keep,
    })
}

fn add(by: i64) -> Op {
    Op::from(Action::Add { by, ttl: Ttl::Keep })
}

fn transact(store: &Store, ops: Vec<(Key, Op)>, now: u64) -> Result<Vec<Outcome>> {
    let mut group = store.database().group();
    let outcomes = group.transact(store, Txn::new(vec![], ops)?, at(now))?;
    group.commit(Durability::Synced)?;
    Ok(outcomes)
}

/// Asserts that a change is refused for this setting, with its limit, and has no effect.
fn assert_refused<T: std::fmt::Debug>(
    store: &Store,
    setting: &str,
    limit: u64,
    done: impl FnOnce() -> Result<T, Error>,
) -> Error {
    let before = (store.counts(), store.database().revision());
    let error = done().expect_err("a refusal");
    let code = match setting {
        "max_value_bytes" => Code::TooLarge,
        _ => Code::QuotaExceeded,
    };
    assert_eq!(error.code(), code, "{error:?}");
    assert_eq!(error.context()["setting"], setting, "{error:?}");
    assert_eq!(error.context()["limit"], limit, "{error:?}");
    assert_eq!((store.counts(), store.database().revision()), before);
    error
}

fn put(store: &Store, name: &str, value: &'static str) -> Result<Outcome> {
    store.set(&key(name), value, at(1))
}

#[test]
fn keys_are_limited() {
    let (_, store) = open(keys(2));
    put(&store, "a", "1").expect("a set");
    store.apply(&key("n"), add(1), at(1)).expect("a sum");
    for op in [set("1", Ttl::Forever), append("1"), add(1)] {
        assert_refused(&store, "max_keys", 2, || store.apply(&key("c"), op, at(1)));
    }
    put(&store, "a", "longer than before").expect("an overwrite");
    store
        .apply(&key("a"), append("more"), at(1))
        .expect("an append");
    store.del(&key("c"), at(1)).expect("nothing to delete");
    store.del(&key("a"), at(1)).expect("a deletion");
    put(&store, "c", "1").expect("room again");
    assert_refused(&store, "max_keys", 2, || put(&store, "d", "1"));
}

#[test]
fn bytes_of_keys_and_values_are_limited() {
    let (_, store) = open(bytes(10));
    put(&store, "ab", "12345678").expect("just as many");
    assert_refused(&store, "max_bytes", 10, || put(&store, "ab", "123456789"));
    assert_refused(&store, "max_bytes", 10, || put(&store, "c", ""));
    assert_refused(&store, "max_bytes", 10, || {
        store.apply(&key("ab"), append("9"), at(1))
    });
    put(&store, "ab", "9999").expect("a shorter one");
    store.apply(&key("ab"), add(0), at(1)).expect("as long");
    store
        .apply(&key("n"), add(100), at(1))
        .expect("just as many");
    assert_refused(&store, "max_bytes", 10, || {
        store.apply(&key("n"), add(900), at(1))
    });
    let touch = Op::from(Action::Touch { ttl: Ttl::Forever });
    store.apply(&key("n"), touch, at(1)).expect("a touch");
    assert_eq!(store.counts().bytes, 10);
}

#[test]
fn the_length_of_values_is_limited() {
    let (_, store) = open(value_bytes(3));
    put(&store, "a long key", "123").expect("just as many");
    assert_refused(&store, "max_value_bytes", 3, || put(&store, "a", "1234"));
    assert_refused(&store, "max_value_bytes", 3, || {
        store.apply(&key("a long key"), append("4"), at(1))
    });
    put(&store, "n", "999").expect("a set");
    assert_refused(&store, "max_value_bytes", 3, || {
        store.apply(&key("n"), add(1), at(1))
    });
    let ops = vec![(key("x"), Op::set("123")), (key("y"), Op::set("1234"))];
    let error = assert_refused(&store, "max_value_bytes", 3, || transact(&store, ops, 1));
    assert_eq!(error.context()["op"], 1);
    // A longer value stays, and only its deadline can be changed.
    configure(&store, value_bytes(2));
    let touch = Op::from(Action::Touch {
        ttl: Ttl::Millis(9),
    });
    store.apply(&key("n"), touch, at(1)).expect("a touch");
    assert_refused(&store, "max_value_bytes", 2, || put(&store, "n", "999"));
    store
        .apply(&key("n"), add(-990), at(1))
        .expect("a shorter one");
}

#[test]
fn a_transaction_is_checked_by_its_result() {
    let (_, store) = open(keys(2));
    put(&store, "a", "1").expect("a set");
    put(&store, "b", "1").expect("a set");
    let swap = vec![(key("c"), Op::set("1")), (key("a"), Op::delete())];
    transact(&store, swap, 1).expect("as many as before");
    assert_eq!(store.counts().keys, 2);
    let more = vec![
        (key("b"), Op::delete()),
        (key("d"), Op::set("1")),
        (key("e"), Op::set("1")),
    ];
    assert_refused(&store, "max_keys", 2, || transact(&store, more, 1));
    assert!(store.find(b"b", at(1)).expect("a read").is_some());
}

#[test]
fn expired_entries_count_until_they_are_removed() {
    let (database, store) = open(keys(1));
    let short = set("v", Ttl::Millis(10));
    store.apply(&key("short"), short, at(1)).expect("a set");
    assert_refused(&store, "max_keys", 1, || {
        store.set(&key("next"), "v", at(11))
    });
    store
        .set(&key("short"), "again", at(11))
        .expect("in its own place");
    let short = set("v", Ttl::Millis(10));
    store.apply(&key("short"), short, at(11)).expect("a set");
    let mut expiry = ExpiryTask::default();
    let step = expiry.step(&database, at(21), 10, Durability::Synced, false);
    step.expect("a step");
    assert_eq!(store.counts().keys, 0);
    store.set(&key("next"), "v", at(21)).expect("room again");
    assert_refused(&store, "max_keys", 1, || {
        store.set(&key("more"), "v", at(21))
    });
}

#[test]
fn a_namespace_beyond_its_limits_can_only_shrink() {
    let (_, store) = open(Settings::default());
    for name in ["a", "b", "c", "d"] {
        put(&store, name, "12345").expect("a set");
    }
    assert!(configure(
        &store,
        Settings {
            max_bytes: Some(12),
            ..keys(2)
        }
    ));
    put(&store, "a", "54321").expect("one of the same length");
    assert_refused(&store, "max_bytes", 12, || put(&store, "a", "123456"));
    put(&store, "a", "1").expect("a shorter one");
    store.del(&key("b"), at(1)).expect("a deletion");
    assert_refused(&store, "max_keys", 2, || put(&store, "e", ""));
    let ops = vec![(key("c"), Op::delete()), (key("d"), Op::set("1234"))];
    transact(&store, ops, 1).expect("fewer, though still many");
    assert_eq!((store.counts().keys, store.counts().bytes), (2, 7));
    put(&store, "d", "123456789").expect("up to the limit");
}

#[test]
fn a_value_without_a_ttl_has_the_default_lifetime() {
    let (_, store) = open(ttl(50));
    let deadline = |name: &str, op: Op, now: u64| {
        let outcome = store.apply(&key(name), op, at(now)).expect("a change");
        outcome.entry.expect("an entry").deadline
    };
    assert_eq!(deadline("plain", Op::set("v"), 10), Some(at(60)));
    assert_eq!(deadline("plain", Op::set("v"), 20), Some(at(70)));
    assert_eq!(deadline("own", set("v", Ttl::Millis(5)), 10), Some(at(15)));
    assert_eq!(deadline("forever", set("v", Ttl::Forever), 10), None);
    assert_eq!(deadline("sum", add(1), 10), Some(at(60)));
    assert_eq!(deadline("sum", add(1), 20), Some(at(60)), "kept");
    assert_eq!(deadline("text", append("v"), 10), Some(at(60)));
    assert_eq!(
        deadline("text", append("v"), 60),
        Some(at(110)),
        "a new deadline"
    );
    assert_eq!(deadline("forever", append("v"), 20), None, "kept");
    let touch = Op::from(Action::Touch { ttl: Ttl::Forever });
    assert_eq!(deadline("plain", touch, 20), None);
    let ops = vec![(key("txn"), Op::set("v")), (key("own"), add(1))];
    let outcomes = transact(&store, ops, 100).expect("outcomes");
    let deadlines = outcomes.iter().map(|outcome| {
        let entry = outcome.entry.as_ref();
        entry.expect("an entry").deadline
    });
    assert_eq!(
        deadlines.collect::<Vec<_>>(),
        [Some(at(150)), Some(at(150))]
    );
    assert_eq!(store.find(b"txn", at(150)).expect("a read"), None);
}

#[test]
fn settings_create_a_namespace_and_are_kept() {
    let settings = Settings {
        ttl_ms: Some(1),
        max_value_bytes: Some(2),
        max_keys: Some(3),
        max_bytes: Some(u64::MAX),
    };
    for home in TestDb::each() {
        let database = home.open(Options::default());
        let store = store_named(&database, "ns");
        assert!(!store.exists());
        assert!(!configure(&store, settings));
        assert!(store.exists() && store.settings() == settings);
        // Nothing has changed that a watch could return.
        assert_eq!(
            (database.revision(), store.counts().keys),
            (Revision::ZERO, 0)
        );
        drop((store, database));

        let database = home.open(Options::default());
        let store = store_named(&database, "ns");
        assert!(store.exists() && store.settings() == settings);
        assert_refused(&store, "max_value_bytes", 2, || put(&store, "k", "123"));
        assert!(configure(&store, keys(1)), "all of them are replaced");
        put(&store, "k", "123").expect("a set");
        drop((store, database));

        let database = home.open(Options::default());
        let listed = database.namespaces(None, 10).expect("a list");
        assert_eq!((listed.len(), listed[0].settings), (1, keys(1)));
        let store = store_named(&database, "ns");
        assert_refused(&store, "max_keys", 1, || put(&store, "more", ""));
    }
}

#[test]
fn settings_apply_in_their_group_and_only_if_it_is_committed() {
    let database = TestDb::memory().open(Options::default());
    let store = store_named(&database, "ns");
    let mut group = database.group();
    group.configure(&store, keys(1), at(1)).expect("settings");
    group
        .apply(&store, &key("a"), Op::set(""), at(1))
        .expect("a set");
    let more = group.apply(&store, &key("b"), Op::set(""), at(1));
    assert_eq!(more.map_err(|error| error.code()), Err(Code::QuotaExceeded));
    drop(group);
    assert_eq!(
        (store.exists(), store.settings()),
        (false, Settings::default())
    );
    put(&store, "a", "").expect("a set");
    put(&store, "b", "").expect("a set");
}

#[test]
fn a_namespace_created_again_has_default_settings() {
    let (database, store) = open(keys(1));
    put(&store, "a", "").expect("a set");
    let mut group = database.group();
    assert!(group.drop_namespace(&store).expect("a drop"));
    group.commit(Durability::Synced).expect("a commit");
    drop(store);
    let store = store_named(&database, "ns");
    put(&store, "a", "").expect("a set");
    put(&store, "b", "").expect("a set");
    assert_eq!(store.settings(), Settings::default());
}

//! A snapshot stays at one revision however long it is kept, in pages of any size: each entry once and in order, each
//! revision complete.

mod whole_revisions;

use akvs_core::engine::{Durability, PageLimit};
use akvs_core::{
    Action, Code, Database, DiskEngine, DiskOptions, Entry, Event, EventKind, GarbageCollector,
    Key, Namespace, NamespaceSnapshot, Op, OpenError, Options, Representation, Revision, Store,
    Timestamp, Ttl,
};
use bytes::Bytes;

use crate::common::{TestDb, at, key, store_named};

fn snapshot_of(database: &Database, name: &str) -> NamespaceSnapshot {
    let name = Namespace::new(name).expect("a name");
    database.namespace_snapshot(&name).expect("a snapshot")
}

fn drop_namespace(database: &Database, store: &Store) {
    let mut group = database.group();
    assert!(group.drop_namespace(store).expect("a drop"));
    group.commit(Durability::Buffered).expect("a commit");
}

fn sweep_all(database: &Database, rows: usize) {
    let mut sweep = GarbageCollector::default();
    while sweep.step(database, rows).expect("a step") {}
}

fn put(store: &Store, name: &[u8], value: &str, ttl: Ttl) {
    let action = Action::Set {
        value: value.to_owned().into(),
        representation: Representation::default(),
        ttl,
    };
    store
        .apply(&key(name), Op::from(action), at(0))
        .expect("a set");
}

/// Returns all entries from one key on and before another, page by page.
fn entries(
    snapshot: &NamespaceSnapshot,
    (start, end): (&[u8], Option<&[u8]>),
    limit: PageLimit,
    now: Timestamp,
) -> Vec<(Key, Entry)> {
    let (mut found, mut next) = (Vec::new(), Some(Bytes::copy_from_slice(start)));
    while let Some(start) = next {
        let page = snapshot.entries(&start, end, limit, now).expect("a page");
        assert!(page.entries.len() <= limit.rows.max(1));
        next = page.next;
        if let Some(next) = &next {
            let last = page.entries.last().map(|(key, _)| key.as_bytes());
            assert!(*next > start && last.is_none_or(|last| last < &next[..]));
        }
        found.extend(page.entries);
    }
    found
}

/// Returns the same from the last one on, in reverse order.
fn entries_back(
    snapshot: &NamespaceSnapshot,
    (start, end): (&[u8], Option<&[u8]>),
    limit: PageLimit,
    now: Timestamp,
) -> Vec<(Key, Entry)> {
    let mut found = Vec::new();
    let mut end = end.map(Bytes::copy_from_slice);
    loop {
        let page = snapshot.entries_back(start, end.as_deref(), limit, now);
        let page = page.expect("a page");
        assert!(page.entries.len() <= limit.rows.max(1));
        found.extend(page.entries);
        let Some(next) = page.next else { return found };
        let last = found.last().map(|(key, _)| key.as_bytes());
        assert!(end.is_none_or(|end| next < end) && last.is_none_or(|last| last >= &next[..]));
        end = Some(next);
    }
}

/// Returns all changes after a revision, page by page.
fn changes(
    snapshot: &NamespaceSnapshot,
    after: Revision,
    limit: PageLimit,
    values: bool,
) -> Vec<Event> {
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let page = snapshot.changes(after, limit, values).expect("a page");
        assert!(
            page.events.last().is_none_or(|event| event.is_last),
            "{page:?}"
        );
        assert!(
            page.events
                .last()
                .is_none_or(|event| event.revision <= page.until)
        );
        assert!(
            page.until > after || page.until == snapshot.revision(),
            "{page:?}"
        );
        found.extend(page.events);
        after = page.until;
        if after == snapshot.revision() {
            return found;
        }
    }
}

/// Everything that a snapshot contains.
#[derive(Debug, PartialEq)]
struct Reported {
    revision: Revision,
    compacted_revision: Revision,
    exists: bool,
    entries: Vec<(Key, Entry)>,
    changes: [Vec<Event>; 2],
}

fn reported(snapshot: &NamespaceSnapshot) -> Reported {
    let all = (&b""[..], None);
    let reported = |values| {
        changes(
            snapshot,
            snapshot.compacted_revision(),
            PageLimit::rows(3),
            values,
        )
    };
    Reported {
        revision: snapshot.revision(),
        compacted_revision: snapshot.compacted_revision(),
        exists: snapshot.exists(),
        entries: entries(snapshot, all, PageLimit::rows(2), at(5)),
        changes: [reported(false), reported(true)],
    }
}

#[test]
fn later_changes_do_not_affect_a_snapshot() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options {
            history_changes: 10,
            ..Options::default()
        });
        let store = store_named(&database, "ns");
        for number in 0..20 {
            put(&store, number.to_string().as_bytes(), "early", Ttl::Forever);
        }
        put(&store, b"long", &"x".repeat(2_000), Ttl::Forever);
        put(&store, b"short", "v", Ttl::Millis(6));
        let held = snapshot_of(&database, "ns");
        let (before, mut snapshots) = (reported(&held), Vec::new());
        assert_eq!(
            (before.entries.len(), before.revision),
            (22, Revision::new(22))
        );
        assert!(before.changes[1].iter().all(Event::has_value));

        let mut later = |store: &Store, round: usize| {
            for number in 0..15 {
                put(store, number.to_string().as_bytes(), "late", Ttl::Forever);
            }
            store.del(&key("19"), at(1)).expect("a delete");
            put(
                store,
                b"long",
                &round.to_string().repeat(3_000),
                Ttl::Forever,
            );
            let snapshot = snapshot_of(&database, "ns");
            snapshots.push((reported(&snapshot), snapshot));
        };
        later(&store, 1);
        drop_namespace(&database, &store);
        sweep_all(&database, 4);
        later(&store_named(&database, "ns"), 2);
        sweep_all(&database, 4);
        later(&store_named(&database, "other"), 3);
        assert_eq!(reported(&held), before);
        for (before, snapshot) in &snapshots {
            assert_eq!(reported(snapshot), *before);
        }
        assert!(snapshots[1].0.revision > snapshots[0].0.revision);
        assert_eq!(snapshots[2].0.entries, snapshots[1].0.entries);
    }
}

/// Creates a namespace between two others, and returns its entries at time 5.
fn filled(database: &Database) -> Vec<(Key, Entry)> {
    let names: [&[u8]; 9] = [
        b"\0",
        b"\0\0",
        b"a",
        b"a\0",
        b"aa",
        b"b",
        b"\xff",
        b"\xff\xff",
        b"\xff\xff\xff",
    ];
    for name in ["before", "ns", "behind"] {
        put(&store_named(database, name), b"k", name, Ttl::Forever);
    }
    let store = store_named(database, "ns");
    store.del(&key("k"), at(0)).expect("a delete");
    for (index, name) in names.iter().enumerate() {
        put(&store, name, &"v".repeat(index * 10), Ttl::Millis(9));
        for other in 0..3 {
            put(
                &store,
                &[name, &[other][..]].concat(),
                "gone",
                Ttl::Millis(5),
            );
        }
    }
    for name in names {
        put(&store, name, "v", Ttl::Millis(6));
    }
    let mut held: Vec<_> = names
        .map(|name| (key(name), store.get(&key(name), at(5)).expect("it")))
        .into();
    held.sort_by(|one, other| one.0.as_bytes().cmp(other.0.as_bytes()));
    held
}

#[test]
fn pages_of_any_size_return_each_live_entry_once_in_order() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let held = filled(&database);
        let snapshot = snapshot_of(&database, "ns");
        let bounds: [&[u8]; 7] = [
            b"",
            b"\0",
            b"a",
            b"a\0\0",
            b"b",
            b"\xff",
            b"\xff\xff\xff\xff",
        ];
        let limits = [1, 2, 3, 7, 100].map(PageLimit::rows).into_iter();
        let small = [1, 50, 100, 300].map(|bytes| PageLimit { rows: 100, bytes });
        for limit in limits.chain(small) {
            for start in bounds {
                for end in bounds.map(Some).into_iter().chain([None]) {
                    let found = entries(&snapshot, (start, end), limit, at(5));
                    let within = |key: &Key| {
                        let key = key.as_bytes();
                        key >= start && end.is_none_or(|end| key < end)
                    };
                    let expected = held.iter().filter(|(key, _)| within(key));
                    assert_eq!(
                        found,
                        expected.cloned().collect::<Vec<_>>(),
                        "{start:?} {end:?} {limit:?}"
                    );
                    let mut back = entries_back(&snapshot, (start, end), limit, at(5));
                    back.reverse();
                    assert_eq!(back, found, "{start:?} {end:?} {limit:?} backwards");
                }
            }
        }
        assert!(entries(&snapshot, (b"", None), PageLimit::rows(5), at(6)).is_empty());
        assert!(entries(&snapshot, (b"", None), PageLimit::rows(100), at(4)).len() > held.len());
    }
}

#[test]
fn a_page_without_a_live_entry_is_not_the_end() {
    let database = crate::common::memory();
    let held = filled(&database);
    let page = snapshot_of(&database, "ns").entries(b"b\0", None, PageLimit::rows(3), at(5));
    let page = page.expect("a page");
    assert!(page.entries.is_empty() && page.next.is_some_and(|next| next == b"b\x02\0"[..]));
    let all = snapshot_of(&database, "ns").entries(b"", None, PageLimit::rows(100), at(5));
    assert_eq!(all.expect("a page").entries, held);
}

#[test]
fn an_unknown_name_has_no_entries_and_no_changes() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        for revision in [0, 1].map(Revision::new) {
            let snapshot = snapshot_of(&database, "never");
            assert!(!snapshot.exists() && snapshot.info().is_none());
            assert!(entries_back(&snapshot, (b"", None), PageLimit::rows(1), at(0)).is_empty());
            assert_eq!(
                (snapshot.revision(), snapshot.compacted_revision()),
                (revision, Revision::ZERO)
            );
            assert!(entries(&snapshot, (b"", None), PageLimit::rows(1), at(0)).is_empty());
            assert!(changes(&snapshot, Revision::ZERO, PageLimit::rows(1), true).is_empty());
            let early = snapshot.changes(revision.next(), PageLimit::rows(1), true);
            assert_eq!(early.map_err(|error| error.code()), Err(Code::HistoryGone));
            assert_eq!(
                database
                    .history_id(&Namespace::new("never").unwrap())
                    .unwrap(),
                None
            );
            put(&store_named(&database, "other"), b"k", "v", Ttl::Forever);
        }
    }
}

#[test]
fn a_dropped_namespace_has_no_entries_but_keeps_its_changes() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let store = store_named(&database, "ns");
        put(&store, b"k", "v", Ttl::Forever);
        put(&store, b"long", &"x".repeat(1_025), Ttl::Forever);
        let before = snapshot_of(&database, "ns");
        drop_namespace(&database, &store);
        for _ in 0..2 {
            let snapshot = snapshot_of(&database, "ns");
            assert!(!snapshot.exists() && before.exists());
            assert!(
                snapshot.info().is_none()
                    && before.info().is_some_and(|info| info.counts.keys == 2)
            );
            assert!(entries(&snapshot, (b"", None), PageLimit::rows(1), at(0)).is_empty());
            let reported = changes(&snapshot, Revision::ZERO, PageLimit::rows(1), true);
            let values: Vec<bool> = reported.iter().map(Event::has_value).collect();
            assert_eq!(values, [true, false, false]);
            assert_eq!(reported[2].kind, EventKind::Drop);
            let reported = changes(&before, Revision::ZERO, PageLimit::rows(1), true);
            assert!(reported.len() == 2 && reported.iter().all(Event::has_value));
            sweep_all(&database, 1);
        }
    }
}

#[test]
fn a_snapshot_outlives_its_database() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let held = filled(&database);
        let snapshot = snapshot_of(&database, "ns");
        drop(database);
        assert_eq!(
            entries(&snapshot, (b"", None), PageLimit::rows(2), at(5)),
            held
        );
        assert_eq!(
            changes(&snapshot, Revision::ZERO, PageLimit::rows(4), true).len(),
            47
        );
        if let TestDb::Disk(folder) = &test_db {
            let again = DiskEngine::open(&DiskOptions::new(folder.path()));
            assert!(
                matches!(again, Err(OpenError::Locked(..))),
                "the folder is in use"
            );
        }
        drop(snapshot);
        let snapshot = snapshot_of(&test_db.open(Options::default()), "ns");
        assert_eq!(
            entries(&snapshot, (b"", None), PageLimit::rows(2), at(5)),
            held
        );
    }
}

#[test]
fn a_limit_of_zero_counts_as_one() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let held = filled(&database);
        let snapshot = snapshot_of(&database, "ns");
        for (rows, bytes) in [(0, 1_000), (100, 0), (0, 0)] {
            let limit = PageLimit { rows, bytes };
            assert_eq!(entries(&snapshot, (b"", None), limit, at(5)), held);
            let back = entries_back(&snapshot, (b"", None), limit, at(5));
            assert!(back.iter().rev().eq(&held));
            assert_eq!(changes(&snapshot, Revision::ZERO, limit, true).len(), 47);
            assert!(changes(&snapshot, snapshot.revision(), limit, true).is_empty());
        }
    }
}

#[test]
fn changes_of_other_namespaces_advance_until_and_are_not_returned() {
    let database = crate::common::memory();
    for name in ["a", "b", "c", "b", "b"] {
        put(&store_named(&database, name), b"k", "v", Ttl::Forever);
    }
    let page = |name: &str, rows| {
        let page =
            snapshot_of(&database, name).changes(Revision::ZERO, PageLimit::rows(rows), true);
        let page = page.expect("a page");
        let reported: Vec<u64> = page
            .events
            .iter()
            .map(|event| event.revision.get())
            .collect();
        (reported, page.until.get())
    };
    assert_eq!(page("a", 2), (vec![1], 5));
    assert_eq!(page("a", 1), (vec![1], 1));
    assert_eq!(page("b", 2), (vec![2, 4], 4));
    assert_eq!(page("b", 4), (vec![2, 4, 5], 5));
    assert_eq!(page("c", 4), (vec![3], 5));
}

//! Transactions compared with a model: applied as a whole or not at all, under one revision, evaluated after earlier
//! changes of their group, complete in the history, and unchanged after the rows are opened again.
//!
//! Single operations are covered by [`apply`], which has a model of its own.

use std::collections::BTreeMap;

use akvs_core::engine::{Durability, PageLimit};
use akvs_core::{
    Action, Change, Code, CommitGroup, Condition, Counts, Entry, Error, Event, EventKind, Key, Op,
    Options, Outcome, Representation, Revision, Store, Timestamp, Ttl, Txn, apply,
};
use proptest::{collection::vec, option::of, prelude::*, sample};

use crate::common::{TestDb, at, key, store_named};

const KEYS: [&[u8]; 5] = [b"a", b"a\0", b"b", b"\xff", b"counter"];

/// A check of a key; a revision is given by its distance to the newest one of the key.
#[derive(Clone, Debug)]
enum Check {
    Absent,
    Exists,
    OlderBy(u64),
}

/// A step in a group.
#[derive(Clone, Debug)]
enum Step {
    Apply(usize, Op),
    Transact(Vec<(usize, Check)>, Vec<(usize, Op)>),
}

/// The end of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Commit,
    Abandon,
    Reopen,
}

/// The entries of a namespace, its changes, and up to which revision.
#[derive(Clone, Default)]
struct Model {
    entries: BTreeMap<Key, Entry>,
    events: Vec<Event>,
    revision: Revision,
}

/// A code, and the index of the check or the operation.
type Refused = (Code, Option<u64>, Option<u64>);

impl Model {
    fn live(&self, key: &Key, now: Timestamp) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_live(now))
    }

    fn transact(
        &mut self,
        checks: &[(Key, Condition)],
        ops: &[(Key, Op)],
        now: Timestamp,
    ) -> Result<Vec<Outcome>, Refused> {
        for (index, (key, condition)) in checks.iter().enumerate() {
            if !condition.holds(self.live(key, now)) {
                return Err((Code::PreconditionFailed, Some(index as u64), None));
            }
        }
        let mut after = self.clone();
        let revision = self.revision.next();
        let mut outcomes = Vec::new();
        for (index, (key, op)) in ops.iter().enumerate() {
            let change = apply(op.clone(), self.entries.get(key), now)
                .map_err(|error| (error.code(), None, Some(index as u64)))?;
            let existed = self.live(key, now).is_some();
            let entry = match change {
                Change::Put(draft) => Some(draft.into_entry(revision)),
                Change::Remove => None,
                Change::Nothing => {
                    outcomes.push(Outcome {
                        existed,
                        ..Outcome::default()
                    });
                    continue;
                }
            };
            after.change(key, entry.clone(), revision);
            outcomes.push(Outcome {
                revision: Some(revision),
                existed,
                entry,
            });
        }
        if let Some(last) = after.events[self.events.len()..].last_mut() {
            last.is_last = true;
            after.revision = revision;
        }
        *self = after;
        Ok(outcomes)
    }

    fn change(&mut self, key: &Key, entry: Option<Entry>, revision: Revision) {
        let kind = match &entry {
            Some(entry) => EventKind::Set {
                key: key.clone(),
                size: entry.value.len() as u64,
                entry: entry.clone(),
            },
            None => EventKind::Delete { key: key.clone() },
        };
        self.events.push(Event {
            revision,
            is_last: false,
            kind,
        });
        match entry {
            Some(entry) => drop(self.entries.insert(key.clone(), entry)),
            None => drop(self.entries.remove(key)),
        }
    }

    /// An expired entry counts until it is removed, which does not happen here.
    fn counts(&self) -> Counts {
        let size = |(key, entry): (&Key, &Entry)| (key.as_bytes().len() + entry.value.len()) as u64;
        Counts {
            keys: self.entries.len() as u64,
            bytes: self.entries.iter().map(size).sum(),
            history: self.events.len() as u64,
        }
    }
}

fn refused(error: &Error) -> Refused {
    let index = |name| error.context().get(name).and_then(|index| index.as_u64());
    (error.code(), index("check"), index("op"))
}

fn op() -> impl Strategy<Value = Op> {
    let ttl = || prop_oneof![2 => Just(Ttl::Forever), 1 => Just(Ttl::Keep), 2 => (1..12_u64).prop_map(Ttl::Millis), 1 => (0..40_u64).prop_map(Timestamp::from_millis).prop_map(Ttl::Until)];
    let set = |(value, ttl): (&'static str, Ttl)| Action::Set {
        value: value.into(),
        representation: Representation::default(),
        ttl,
    };
    let append = |value: &'static str| Action::Append {
        value: value.into(),
        max_bytes: 6,
        ttl: Ttl::Keep,
    };
    let action = prop_oneof![
        5 => (sample::select(vec!["", "1", "41", "word"]), ttl()).prop_map(set),
        3 => Just(Action::Delete),
        3 => (-2..3_i64, ttl()).prop_map(|(by, ttl)| Action::Add { by, ttl }),
        1 => sample::select(vec!["7", "xyz"]).prop_map(append),
        1 => ttl().prop_map(|ttl| Action::Touch { ttl }),
    ];
    let condition = prop_oneof![6 => Just(Condition::None), 1 => Just(Condition::Exists)];
    (action, condition).prop_map(|(action, condition)| Op::from(action).on(condition))
}

fn step() -> impl Strategy<Value = Step> {
    let check = prop_oneof![2 => Just(Check::Absent), 3 => Just(Check::Exists), 4 => (0..2_u64).prop_map(Check::OlderBy)];
    let checks = vec((0..KEYS.len(), check), 0..3);
    let keys = sample::subsequence((0..KEYS.len()).collect::<Vec<_>>(), 0..=KEYS.len());
    let ops = (keys.prop_shuffle(), vec(op(), KEYS.len()));
    prop_oneof![
        1 => (0..KEYS.len(), op()).prop_map(|(key, op)| Step::Apply(key, op)),
        3 => (checks, ops).prop_map(|(checks, (keys, ops))| Step::Transact(checks, keys.into_iter().zip(ops).collect())),
    ]
}

/// Groups of steps, each this long after the one before it.
type Groups = Vec<(Vec<(u64, Step)>, End)>;

fn groups() -> impl Strategy<Value = Groups> {
    let end = prop_oneof![6 => Just(End::Commit), 1 => Just(End::Abandon), 1 => Just(End::Reopen)];
    let pause = of(1..8_u64).prop_map(Option::unwrap_or_default);
    vec((vec((pause, step()), 0..6), end), 1..12)
}

/// Applies the step to the group and to the model, and compares the results.
fn take(
    group: &mut CommitGroup<'_>,
    store: &Store,
    model: &mut Model,
    step: &Step,
    now: Timestamp,
) {
    let name = |index: &usize| key(KEYS[*index]);
    let (reported, expected) = match step {
        Step::Apply(index, op) => {
            let ops = [(name(index), op.clone())];
            let outcome = group.apply(store, &ops[0].0, op.clone(), now);
            let expected = model.transact(&[], &ops, now);
            let expected = expected.map_err(|(code, ..)| (code, None, None));
            (outcome.map(|outcome| vec![outcome]), expected)
        }
        Step::Transact(checks, ops) => {
            let checks = checks.iter().map(|(index, check)| {
                let current = model.entries.get(&name(index));
                let current = current.map_or(1, |entry| entry.revision.get());
                let condition = match check {
                    Check::Absent => Condition::Absent,
                    Check::Exists => Condition::Exists,
                    Check::OlderBy(by) => Condition::Revisions(vec![Revision::new(current - by)]),
                };
                (name(index), condition)
            });
            let checks: Vec<_> = checks.collect();
            let ops = ops.iter().map(|(index, op)| (name(index), op.clone()));
            let ops: Vec<_> = ops.collect();
            let txn = Txn::new(checks.clone(), ops.clone()).expect("a transaction");
            let outcomes = group.transact(store, txn, now);
            (outcomes, model.transact(&checks, &ops, now))
        }
    };
    assert_eq!(
        reported.map_err(|error| refused(&error)),
        expected,
        "{step:?}"
    );
}

fn check(store: &Store, model: &Model, now: Timestamp) {
    let database = store.database();
    assert_eq!(database.revision(), model.revision);
    assert_eq!(store.exists(), model.revision > Revision::ZERO);
    assert_eq!(store.counts(), model.counts());
    for name in KEYS {
        let found = store.find(name, now).expect("a read");
        assert_eq!(found.as_ref(), model.live(&key(name), now), "{name:?}");
    }
    let snapshot = database
        .namespace_snapshot(store.name())
        .expect("a snapshot");
    for rows in [1, 3, 1_000] {
        let (mut reported, mut until) = (Vec::new(), Revision::ZERO);
        while until < model.revision {
            let page = snapshot.changes(until, PageLimit::rows(rows), true);
            let page = page.expect("a page");
            assert!(
                page.events.last().is_none_or(|event| event.is_last),
                "{page:?}"
            );
            reported.extend(page.events);
            until = page.until;
        }
        assert_eq!(reported, model.events, "in pages of {rows} rows");
    }
}

fn run(test_db: &TestDb, groups: &Groups) {
    let mut database = test_db.open(Options::default());
    let mut store = store_named(&database, "ns");
    let (mut model, mut now) = (Model::default(), 1_000);
    for (steps, end) in groups {
        let before = model.clone();
        let mut group = database.group();
        group.record();
        for (pause, step) in steps {
            now += pause;
            take(&mut group, &store, &mut model, step, at(now));
        }
        if *end == End::Abandon {
            drop(group);
            model = before;
        } else {
            let committed = group.commit(Durability::Buffered).expect("a commit");
            let events = committed.events.into_iter().map(|(_, event)| event);
            assert_eq!(
                events.collect::<Vec<_>>(),
                model.events[before.events.len()..]
            );
        }
        check(&store, &model, at(now));
        if *end == End::Reopen {
            database.close().expect("a close");
            drop((store, database));
            database = test_db.open(Options::default());
            store = store_named(&database, "ns");
            check(&store, &model, at(now));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn a_transaction_matches_the_model(groups in groups()) {
        run(&TestDb::memory(), &groups);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_transaction_matches_the_model_on_disk(groups in groups()) {
        run(&TestDb::disk(), &groups);
    }
}

fn sets(count: usize) -> Vec<(Key, Op)> {
    let ops = (0..count).map(|number| (key(format!("{number:04}")), Op::set("v")));
    ops.collect()
}

#[test]
fn a_transaction_is_bounded_and_has_no_duplicate_key() {
    let checks = |count| vec![(key("k"), Condition::Absent); count];
    assert!(Txn::new(checks(Txn::MAX_OPS), sets(Txn::MAX_OPS)).is_ok());
    for (checks, ops) in [(checks(1_001), sets(1)), (checks(1), sets(1_001))] {
        let error = Txn::new(checks, ops).expect_err("too many");
        assert_eq!(error.code(), Code::TooLarge);
        assert_eq!(error.context()["limit"], 1_000);
    }
    let mut ops = sets(3);
    ops.push((key("0001"), Op::delete()));
    let error = Txn::new(vec![], ops).expect_err("twice");
    assert_eq!(refused(&error), (Code::InvalidRequest, None, Some(3)));
}

#[test]
fn the_largest_transaction_is_one_revision_in_the_order_of_its_operations() {
    for test_db in TestDb::each() {
        let database = test_db.open(Options::default());
        let store = store_named(&database, "ns");
        let mut ops = sets(Txn::MAX_OPS);
        ops.reverse();
        let mut group = database.group();
        let txn = Txn::new(vec![], ops.clone()).expect("a transaction");
        group.transact(&store, txn, at(1)).expect("outcomes");
        group.commit(Durability::Synced).expect("a commit");
        drop((store, database));

        let database = test_db.open(Options::default());
        let snapshot = database.namespace_snapshot(store_named(&database, "ns").name());
        let changes =
            snapshot
                .expect("a snapshot")
                .changes(Revision::ZERO, PageLimit::rows(7), false);
        let changes = changes.expect("the changes").events;
        assert_eq!(changes.len(), ops.len());
        for (index, (event, (key, _))) in changes.iter().zip(&ops).enumerate() {
            assert_eq!(event.key(), Some(key));
            assert_eq!(event.revision, Revision::new(1));
            assert_eq!(event.is_last, index + 1 == ops.len(), "{index}");
        }
    }
}

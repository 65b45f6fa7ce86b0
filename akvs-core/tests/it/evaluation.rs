//! The evaluation of changes gives the same results over rows of an engine and over a plain map: what a change means does
//! not depend on how a database keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use akvs_core::engine::Durability;
use akvs_core::evaluation::{Context, PendingNamespace};
use akvs_core::{
    Action, Code, CommitGroup, Condition, Counts, Database, Error, Event, EventKind, Key,
    MemoryEngine, Namespace, Op, Options, Outcome, Representation, Result, Revision,
    SeparatedValue, Settings, SettingsPatch, Store, StoredEntry, Timestamp, Ttl, Txn,
};
use bytes::Bytes;
use proptest::{collection::vec, option::of, prelude::*, sample::select};

/// Longer values are left out where they are not asked for, as values in rows of their own are.
const LONG: usize = 4 << 10;

/// A namespace in a map.
#[derive(Default)]
struct Map {
    exists: bool,
    settings: Settings,
    counts: Counts,
    revision: Revision,
    entries: BTreeMap<Key, StoredEntry>,
    events: Vec<Event>,
}

/// The map as one group of changes sees it.
struct MapContext<'a> {
    map: &'a Map,
    revision: Revision,
    events: Vec<Event>,
    /// The values that were asked for.
    loaded: usize,
}

impl Context for MapContext<'_> {
    fn entry(&mut self, key: &Key) -> Result<Option<StoredEntry>> {
        let mut stored = self.map.entries.get(key).cloned();
        if let Some(stored) = &mut stored
            && stored.separated.is_some()
        {
            stored.entry.value = Bytes::new();
        }
        Ok(stored)
    }

    fn value(&mut self, key: &Key, stored: &StoredEntry) -> Result<Bytes> {
        self.loaded += 1;
        assert!(stored.separated.is_some(), "only a value that was left out");
        Ok(self.map.entries[key].entry.value.clone())
    }

    fn check_growth(&mut self) -> Result<()> {
        Ok(())
    }

    fn create(&mut self, _: Timestamp) -> Result<u64> {
        Ok(self.map.counts.history)
    }

    fn configure(&mut self, patch: &SettingsPatch, current: Settings) -> Result<Settings> {
        Ok(patch.apply(current))
    }

    fn check_drop(&mut self) -> Result<()> {
        match self.map.exists {
            true => Ok(()),
            false => Err(Error::new(Code::Unavailable, "it is created in this group")),
        }
    }

    fn next_revision(&self) -> Revision {
        self.revision.next()
    }

    fn take_revision(&mut self) {
        self.revision = self.revision.next();
    }

    fn append(&mut self, event: Event, _: Option<usize>) {
        self.events.push(event);
    }
}

/// A change, to one of three keys.
#[derive(Clone, Debug)]
enum Step {
    Apply(usize, Op),
    Transact(Vec<(usize, Condition)>, Vec<(usize, Op)>),
    Configure(Settings),
    Drop,
}

fn keys() -> [Key; 3] {
    ["a", "b", "cc"].map(|name| Key::new(name).expect("a key"))
}

/// The result of a step, in terms that can be compared.
#[derive(Debug, PartialEq)]
enum Done {
    Outcomes(Vec<Outcome>),
    Configured(bool, Settings),
    Dropped(bool),
    Refused(Code, String, String),
}

fn done<T>(result: Result<T>, into: impl FnOnce(T) -> Done) -> Done {
    match result {
        Ok(result) => into(result),
        Err(error) => {
            let context = format!("{:?}", error.context());
            Done::Refused(error.code(), error.message().to_owned(), context)
        }
    }
}

fn txn(checks: &[(usize, Condition)], ops: &[(usize, Op)]) -> Result<Txn> {
    let keys = keys();
    let checks = checks
        .iter()
        .map(|(key, condition)| (keys[*key].clone(), condition.clone()));
    let ops = ops.iter().map(|(key, op)| (keys[*key].clone(), op.clone()));
    Txn::new(checks.collect(), ops.collect())
}

impl Step {
    fn run_in_group(&self, group: &mut CommitGroup<'_>, store: &Store, now: Timestamp) -> Done {
        match self {
            Step::Apply(key, op) => {
                let outcome = group.apply(store, &keys()[*key], op.clone(), now);
                done(outcome, |outcome| Done::Outcomes(vec![outcome]))
            }
            Step::Transact(checks, ops) => {
                let txn = txn(checks, ops);
                let outcomes = txn.and_then(|txn| group.transact(store, txn, now));
                done(outcomes, Done::Outcomes)
            }
            Step::Configure(settings) => {
                let changed = group.change_settings(store, &(*settings).into(), now);
                done(changed, |(existed, settings)| {
                    Done::Configured(existed, settings)
                })
            }
            Step::Drop => done(group.drop_namespace(store), Done::Dropped),
        }
    }

    fn evaluate(
        &self,
        namespace: &mut PendingNamespace,
        context: &mut MapContext<'_>,
        now: Timestamp,
    ) -> Done {
        match self {
            Step::Apply(key, op) => {
                let outcome = namespace.apply(context, &keys()[*key], op.clone(), now);
                done(outcome, |outcome| Done::Outcomes(vec![outcome]))
            }
            Step::Transact(checks, ops) => {
                let txn = txn(checks, ops);
                let outcomes = txn.and_then(|txn| namespace.transact(context, txn, now));
                done(outcomes, Done::Outcomes)
            }
            Step::Configure(settings) => {
                let changed = namespace.change_settings(context, &(*settings).into(), now);
                done(changed, |(existed, settings)| {
                    Done::Configured(existed, settings)
                })
            }
            Step::Drop => {
                let dropped = namespace.drop_namespace(context);
                done(dropped, |revision| Done::Dropped(revision.is_some()))
            }
        }
    }
}

impl Map {
    /// Evaluates steps as one group, and takes over what they change.
    fn run(&mut self, steps: &[Step], now: Timestamp) -> Vec<Done> {
        let mut namespace = PendingNamespace::new(self.exists, self.settings, self.counts);
        let mut context = MapContext {
            map: self,
            revision: self.revision,
            events: Vec::new(),
            loaded: 0,
        };
        let results = steps
            .iter()
            .map(|step| step.evaluate(&mut namespace, &mut context, now));
        let results = results.collect();
        let wanted = steps.iter().map(Step::wanted_values).sum();
        assert!(context.loaded <= wanted, "values are read unasked");
        let (revision, events) = (context.revision, context.events);
        self.revision = revision;
        self.events.extend(events);
        self.exists = namespace.exists();
        self.settings = namespace.settings();
        self.counts = namespace.counts();
        if namespace.is_dropped() {
            let history = self.counts.history;
            (self.settings, self.counts) = (Settings::default(), Counts::default());
            self.counts.history = history;
            self.entries.clear();
        }
        for (key, stored) in namespace.into_changes() {
            match stored {
                Some(stored) => self.store(key, stored),
                None => drop(self.entries.remove(&key)),
            }
        }
        results
    }

    /// Stores an entry; its value is there already if it was not rewritten.
    fn store(&mut self, key: Key, mut stored: StoredEntry) {
        match stored.separated {
            Some(_) => stored.entry.value = self.entries[&key].entry.value.clone(),
            None if stored.entry.value.len() >= LONG => {
                stored.separated = Some(SeparatedValue {
                    revision: stored.entry.revision,
                    bytes: stored.entry.value.len() as u64,
                });
            }
            None => {}
        }
        self.entries.insert(key, stored);
    }
}

impl Step {
    /// Returns how many values its evaluation may read at most.
    fn wanted_values(&self) -> usize {
        let wants = |op: &Op| matches!(op.action, Action::Add { .. } | Action::Append { .. });
        match self {
            Step::Apply(_, op) => usize::from(wants(op)),
            Step::Transact(_, ops) => ops.iter().filter(|(_, op)| wants(op)).count(),
            Step::Configure(_) | Step::Drop => 0,
        }
    }
}

/// Clears the long values of outcomes: a value that is not rewritten is there only if a cache has it.
fn clear_long_values(done: &mut Done) {
    if let Done::Outcomes(outcomes) = done {
        let entries = outcomes
            .iter_mut()
            .filter_map(|outcome| outcome.entry.as_mut());
        for entry in entries.filter(|entry| entry.value.len() >= LONG) {
            entry.value = Bytes::new();
        }
    }
}

/// Returns events without long values.
fn without_long_values(events: &[Event]) -> Vec<Event> {
    let mut events = events.to_vec();
    for event in &mut events {
        if let EventKind::Set { size, entry, .. } = &mut event.kind
            && *size >= LONG as u64
        {
            entry.value = Bytes::new();
        }
    }
    events
}

fn value() -> impl Strategy<Value = Bytes> {
    let long = (LONG - 2..LONG + 2).prop_map(|length| Bytes::from(vec![b'x'; length]));
    let short = select(vec!["1", "-7", "text", ""]).prop_map(Bytes::from);
    prop_oneof![3 => short, 1 => long]
}

fn ttl() -> impl Strategy<Value = Ttl> {
    let millis = (0..30_u64).prop_map(Ttl::Millis);
    prop_oneof![2 => Just(Ttl::Default), 1 => Just(Ttl::Keep), 1 => Just(Ttl::Forever), 2 => millis]
}

fn condition() -> impl Strategy<Value = Condition> {
    let revisions = vec((1..12_u64).prop_map(Revision::new), 0..4).prop_map(Condition::Revisions);
    prop_oneof![
        6 => Just(Condition::None), 1 => Just(Condition::Absent), 1 => Just(Condition::Exists), 1 => revisions,
    ]
}

prop_compose! {
    fn op()(kind in 0..10, value in value(), ttl in ttl(), by in -3..3_i64, condition in condition()) -> Op {
        let action = match kind {
            0..=1 => Action::Delete,
            2..=3 => Action::Touch { ttl },
            4 => Action::Append { value, max_bytes: LONG + 1, ttl },
            5 => Action::Add { by, ttl },
            _ => Action::Set { value, representation: Representation::default(), ttl },
        };
        Op::from(action).on(condition)
    }
}

prop_compose! {
    fn settings()(
        ttl_ms in of(1..30_u64), max_value_bytes in of(select(vec![0, 3, LONG as u64])), max_keys in of(0..3_u64),
        max_bytes in of(select(vec![8, 5_000])),
    ) -> Settings {
        Settings { ttl_ms, max_value_bytes, max_keys, max_bytes }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let checks = vec((0..3_usize, condition()), 0..2);
    prop_oneof![
        12 => (0..3_usize, op()).prop_map(|(key, op)| Step::Apply(key, op)),
        3 => (checks, vec((0..3_usize, op()), 0..4)).prop_map(|(checks, ops)| Step::Transact(checks, ops)),
        1 => settings().prop_map(Step::Configure),
        1 => Just(Step::Drop),
    ]
}

/// Applies groups of steps to a store and to a map, and compares everything.
fn compare(groups: &[(u64, Vec<Step>)]) {
    let engine = Arc::new(MemoryEngine::new());
    let database = Database::open(engine, Options::default()).expect("a database");
    let name = Namespace::new("ns").expect("a name");
    let (mut map, mut now, mut events) = (Map::default(), 0, Vec::new());
    for (pause, steps) in groups {
        now += pause;
        let time = Timestamp::from_millis(now);
        let store = Store::new(&database, name.clone()).expect("a store");
        // Nothing follows a drop in its group.
        let last = steps.iter().position(|step| matches!(step, Step::Drop));
        let steps = &steps[..last.map_or(steps.len(), |last| last + 1)];
        let mut group = database.group();
        group.record();
        let results = steps
            .iter()
            .map(|step| step.run_in_group(&mut group, &store, time));
        let mut results: Vec<_> = results.collect();
        let summary = group.commit(Durability::Buffered).expect("a commit");
        events.extend(summary.events.into_iter().map(|(_, event)| event));
        let mut evaluated = map.run(steps, time);
        for done in evaluated.iter_mut().chain(&mut results) {
            if let Done::Refused(Code::Unavailable, text, _) = done {
                text.clear();
            }
            clear_long_values(done);
        }
        assert_eq!(evaluated, results, "{steps:?}");
        let [expected, found] = [&events, &map.events].map(|events| without_long_values(events));
        assert_eq!(found, expected, "{steps:?}");
        let store = Store::new(&database, name.clone()).expect("a store");
        assert_eq!(store.exists(), map.exists);
        assert_eq!(store.settings(), map.settings);
        assert_eq!(database.revision(), map.revision);
        if map.exists {
            assert_eq!(store.counts(), map.counts, "{steps:?}");
        }
        for key in keys() {
            let found = store.find(key.as_bytes(), time).expect("a read");
            let stored = map.entries.get(&key).map(|stored| &stored.entry);
            assert_eq!(
                found.as_ref(),
                stored.filter(|entry| entry.is_live(time)),
                "{steps:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_change_means_the_same_over_rows_and_over_a_map(
        groups in vec((0..20_u64, vec(step(), 1..8)), 1..12),
    ) {
        compare(&groups);
    }
}

/// What is due is decided by the entry, not by the row that led to it.
#[test]
fn an_entry_expires_only_at_its_own_deadline() {
    let mut map = Map::default();
    let [key, ..] = keys();
    let set = Op::from(Action::Set {
        value: "1".into(),
        representation: Representation::default(),
        ttl: Ttl::Millis(10),
    });
    let steps = [Step::Apply(0, set)];
    map.run(&steps, Timestamp::from_millis(0));
    let at = Timestamp::from_millis;
    let expire = |deadline, now| {
        let mut namespace = PendingNamespace::new(true, map.settings, map.counts);
        let mut context = MapContext {
            map: &map,
            revision: map.revision,
            events: Vec::new(),
            loaded: 0,
        };
        let is_expired = namespace.expire(&mut context, &key, at(deadline), at(now));
        let changes = namespace.into_changes().count();
        (
            is_expired.expect("an evaluation"),
            changes,
            context.events.len(),
        )
    };
    assert_eq!(expire(10, 9), (false, 0, 0));
    assert_eq!(expire(9, 10), (false, 0, 0));
    assert_eq!(expire(10, 10), (true, 1, 1));
}

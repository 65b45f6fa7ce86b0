//! Whatever is done to a database, its content matches a plain map, over both engines and all sizes of the cache.

use std::collections::BTreeMap;

use akvs_core::engine::Durability;
use akvs_core::{
    Counts, Database, GarbageCollector, Namespace, Op, Options, Outcome, Revision, Store, Timestamp,
};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{TestDb, at, key};

const NAMES: [&str; 4] = ["a", "a ", "b", "Ä"];
const KEYS: [&[u8]; 6] = [b"k", b"k\0", b"l", b"\xff", b"\xff\xff", b"\0"];

#[derive(Clone, Debug)]
enum Step {
    /// Changes that are staged, and then committed or not.
    CommitGroup(Vec<Change>, bool),
    /// Changes, and then the drop of a namespace, at once.
    Drop(Vec<Change>, usize),
    Sweep,
    Reopen,
}

/// A change of this namespace and key, to a value of this length or to none.
type Change = (usize, usize, Option<usize>);

fn change() -> impl Strategy<Value = Change> {
    let length = prop_oneof![6 => 0..40_usize, 1 => 1_900..2_100_usize, 1 => 4_000..20_000_usize];
    let value = prop_oneof![3 => length.prop_map(Some), 1 => Just(None)];
    (0..NAMES.len(), 0..KEYS.len(), value)
}

fn step() -> impl Strategy<Value = Step> {
    let changes = || proptest::collection::vec(change(), 1..12);
    prop_oneof![
        10 => (changes(), prop::bool::weighted(0.8)).prop_map(|(changes, commit)| Step::CommitGroup(changes, commit)),
        2 => (changes(), 0..NAMES.len()).prop_map(|(changes, name)| Step::Drop(changes, name)),
        2 => Just(Step::Sweep),
        1 => Just(Step::Reopen),
    ]
}

#[derive(Clone, Debug, PartialEq)]
struct ExpectedEntry {
    value: Bytes,
    revision: Revision,
    created: Timestamp,
    modified: Timestamp,
}

#[derive(Clone, Default)]
struct Model {
    namespaces: BTreeMap<&'static str, Contents>,
    revision: Revision,
    /// The lengths of the histories of dropped namespaces.
    dropped: BTreeMap<&'static str, u64>,
}

impl Model {
    /// Takes over a change, after checking its outcome.
    fn take(
        &mut self,
        name: &'static str,
        key: &'static [u8],
        value: Option<Bytes>,
        outcome: &Outcome,
        now: Timestamp,
    ) {
        let before = self
            .namespaces
            .get(name)
            .and_then(|known| known.entries.get(key));
        assert_eq!(outcome.existed, before.is_some(), "{name:?} {key:?}");
        let created = before.map_or(now, |known| known.created);
        let Some(revision) = outcome.revision else {
            assert!(before.is_none() && value.is_none(), "nothing was changed");
            return;
        };
        assert!(
            revision > self.revision,
            "{revision} after {}",
            self.revision
        );
        self.revision = revision;
        let history = self.dropped.get(name).copied().unwrap_or_default();
        let contents = self.namespaces.entry(name).or_insert_with(|| Contents {
            created: now,
            history,
            ..Contents::default()
        });
        contents.history += 1;
        let Some(value) = value else {
            contents.entries.remove(key);
            return;
        };
        let modified = now;
        let known = ExpectedEntry {
            value,
            revision,
            created,
            modified,
        };
        contents.entries.insert(key, known);
    }
}

impl Model {
    /// A drop is a change like any other, and a namespace that is created again continues its history.
    fn drop_namespace(&mut self, name: &'static str) {
        if let Some(contents) = self.namespaces.remove(name) {
            self.revision = self.revision.next();
            self.dropped.insert(name, contents.history + 1);
        }
    }
}

#[derive(Clone, Default)]
struct Contents {
    created: Timestamp,
    entries: BTreeMap<&'static [u8], ExpectedEntry>,
    history: u64,
}

impl Contents {
    fn counts(&self) -> Counts {
        let size = |(key, known): (&&[u8], &ExpectedEntry)| (key.len() + known.value.len()) as u64;
        Counts {
            keys: self.entries.len() as u64,
            bytes: self.entries.iter().map(size).sum(),
            history: self.history,
        }
    }
}

/// A database with its model.
struct Pair<'a> {
    test_db: &'a TestDb,
    options: Options,
    opened: Option<(Database, BTreeMap<&'static str, Store>)>,
    model: Model,
    now: u64,
}

impl Pair<'_> {
    fn open(&mut self) {
        if let Some((database, _)) = self.opened.take() {
            // A clean stop: after a crash, revisions that were not synced would be skipped.
            database.close().expect("a close");
        }
        let database = self.test_db.open(self.options);
        self.opened = Some((database, BTreeMap::new()));
    }

    fn database(&self) -> &Database {
        &self.opened.as_ref().expect("it is open").0
    }

    fn store(&mut self, name: &'static str) -> Store {
        let (database, stores) = self.opened.as_mut().expect("it is open");
        let make = || crate::common::store_named(database, name);
        stores.entry(name).or_insert_with(make).clone()
    }

    fn apply_step(&mut self, step: Step) {
        self.now += 1;
        match step {
            Step::CommitGroup(changes, commit) => self.group(&changes, commit, None),
            Step::Drop(changes, name) => self.group(&changes, true, Some(NAMES[name])),
            Step::Sweep => {
                let mut sweep = GarbageCollector::default();
                while sweep.step(self.database(), 3).expect("a step") {}
            }
            Step::Reopen => self.open(),
        }
    }

    fn group(&mut self, changes: &[Change], commit: bool, dropped: Option<&'static str>) {
        let stores = NAMES.map(|name| self.store(name));
        let mut model = self.model.clone();
        let database = self.database().clone();
        let mut group = database.group();
        for (index, change) in changes.iter().enumerate() {
            let value = change
                .2
                .map(|length| Bytes::from(vec![index as u8; length]));
            let (name, bytes) = (NAMES[change.0], KEYS[change.1]);
            let op = value.clone().map_or_else(Op::delete, Op::set);
            let outcome = group.apply(&stores[change.0], &key(bytes), op, at(self.now));
            model.take(
                name,
                bytes,
                value,
                &outcome.expect("a change"),
                at(self.now),
            );
        }
        if let Some(name) = dropped {
            let store = stores.iter().find(|store| store.name().as_str() == name);
            let created = self.model.namespaces.contains_key(name);
            match group.drop_namespace(store.expect("its store")) {
                Ok(existed) => {
                    assert_eq!(existed, created);
                    model.drop_namespace(name);
                }
                // It is created in this group.
                Err(_) => assert!(!created && model.namespaces.contains_key(name)),
            }
        }
        if !commit {
            return;
        }
        group.commit(Durability::Buffered).expect("a commit");
        self.model = model;
        if let Some(name) = dropped
            && !self.model.namespaces.contains_key(name)
        {
            self.opened.as_mut().expect("it is open").1.remove(name);
        }
    }

    fn check(&mut self) {
        let model = self.model.clone();
        assert_eq!(self.database().revision(), model.revision);
        for name in NAMES {
            let store = self.store(name);
            let contents = model.namespaces.get(name).cloned().unwrap_or_default();
            assert_eq!(store.counts(), contents.counts(), "{name:?}");
            assert_eq!(
                store.exists(),
                model.namespaces.contains_key(name),
                "{name:?}"
            );
            for bytes in KEYS {
                let found = store.find(bytes, at(self.now)).expect("a read");
                let found = found.map(|entry| ExpectedEntry {
                    value: entry.value,
                    revision: entry.revision,
                    created: entry.created,
                    modified: entry.modified,
                });
                assert_eq!(
                    found.as_ref(),
                    contents.entries.get(bytes),
                    "{name:?} {bytes:?}"
                );
            }
        }
        self.check_listing(&model);
    }

    fn check_listing(&self, model: &Model) {
        for limit in [1, 2, 10] {
            let (mut listed, mut after) = (Vec::new(), None::<Namespace>);
            loop {
                let page = self
                    .database()
                    .namespaces(after.as_ref(), limit)
                    .expect("a page");
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after = Some(last.name.clone());
                listed.extend(page);
                assert!(listed.len() <= NAMES.len(), "{listed:?}");
            }
            let listed: Vec<_> = listed
                .iter()
                .map(|info| (info.name.as_str(), info.created, info.counts))
                .collect();
            let expected: Vec<_> = model
                .namespaces
                .iter()
                .map(|(name, contents)| (*name, contents.created, contents.counts()))
                .collect();
            assert_eq!(listed, expected);
        }
    }
}

fn matches_a_map(make: fn() -> TestDb, cache_bytes: u64, cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = proptest::collection::vec(step(), 1..40);
    let run = |steps: Vec<Step>| {
        let test_db = make();
        let options = Options {
            cache_bytes,
            ..Options::default()
        };
        let mut pair = Pair {
            test_db: &test_db,
            options,
            opened: None,
            model: Model::default(),
            now: 0,
        };
        pair.open();
        for step in steps {
            pair.apply_step(step);
            pair.check();
        }
        pair.open();
        pair.check();
        Ok(())
    };
    TestRunner::new(config)
        .run(&steps, run)
        .expect("the same as the map");
}

macro_rules! over {
    ($($name:ident: $test_db:path, $cache_bytes:expr, $cases:literal;)+) => {
        $(
            #[test]
            fn $name() {
                matches_a_map($test_db, $cache_bytes, $cases);
            }
        )+
    };
}

over! {
    memory_without_a_cache: TestDb::memory, 0, 128;
    memory_with_a_tiny_cache: TestDb::memory, 2 << 10, 128;
    memory_with_the_default_cache: TestDb::memory, Options::default().cache_bytes, 128;
    disk_without_a_cache: TestDb::disk, 0, 12;
    disk_with_a_tiny_cache: TestDb::disk, 2 << 10, 12;
    disk_with_the_default_cache: TestDb::disk, Options::default().cache_bytes, 12;
}

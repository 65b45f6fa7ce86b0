//! Whatever is done to a database, the changes of a namespace are returned once each, in order and complete, or they
//! are refused: none is missing silently. Over both engines, compared with a list of all changes.

mod model;
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use akvs_core::engine::{Durability, PageLimit};
use akvs_core::{
    Code, CommitGroup, CommitSummary, Database, Event, EventKind, ExpiryTask, GarbageCollector,
    HistoryId, Namespace, NamespaceSnapshot, Options, Revision, Store, Timestamp, Ttl,
};
use bytes::Bytes;
use proptest::test_runner::{Config, TestRunner};

use crate::common::{TestDb, at, key};
use crate::wrapped_engine::WrappedEngine;
use model::{NameHistory, TOUCHED};
use steps::{Change, KEYS, KeyChange, NAMES, Step, op, step};

struct Opened {
    database: Database,
    stores: BTreeMap<&'static str, Store>,
    sweep: GarbageCollector,
    expiry: ExpiryTask,
}

/// A database with its model.
struct Pair {
    test_db: TestDb,
    keep: u64,
    opened: Option<Opened>,
    pasts: [NameHistory; NAMES.len()],
    revision: Revision,
    /// The revision of the last loss, before which changes may be missing.
    last_loss: Revision,
    now: u64,
}

impl Pair {
    fn open(&mut self, loses: bool) {
        if let Some(opened) = self.opened.take() {
            // A clean stop: after a crash, revisions that were not synced would be skipped.
            opened.database.close().expect("a close");
        }
        let mut engine = self.test_db.engine();
        if loses {
            engine = Arc::new(WrappedEngine::lossy(engine));
        }
        let options = Options {
            history_changes: self.keep,
            ..Options::default()
        };
        let database = Database::open(engine, options).expect("a database");
        if loses {
            assert!(database.revision() > self.revision);
            self.revision = database.revision();
            self.last_loss = self.revision;
            for (name, past) in self.pasts.iter_mut().enumerate() {
                past.justified = self.revision;
                // Each existing namespace starts another one.
                past.history = database.history_id(&name_of(name)).expect("a read");
            }
        }
        self.opened = Some(Opened {
            database,
            stores: BTreeMap::new(),
            sweep: GarbageCollector::default(),
            expiry: ExpiryTask::default(),
        });
    }

    fn opened(&mut self) -> &mut Opened {
        self.opened.as_mut().expect("it is open")
    }

    fn apply_step(&mut self, step: Step) {
        self.now += 3;
        match step {
            Step::CommitGroup(changes, dropped, record) => self.group(&changes, dropped, record),
            Step::Abandon(changes) => {
                let now = at(self.now);
                let (database, stores) = self.stores();
                apply(&mut database.group(), &stores, &changes, now);
            }
            Step::Burst(name) => {
                let set = (name, 0, KeyChange::Set(1, Ttl::Forever));
                self.group(&vec![set; 1_100], None, true);
            }
            Step::Expire(rows) => self.expire(rows),
            Step::Sweep(steps, rows) => {
                let Opened {
                    database, sweep, ..
                } = self.opened();
                for _ in 0..steps {
                    sweep.step(database, rows).expect("a step");
                }
            }
            Step::Reopen(keep) => {
                self.keep = keep;
                self.open(false);
            }
            Step::BeginAnew => self.open(true),
            Step::Check(limit) => self.check(limit),
        }
    }

    /// Returns a store of each name, which stays open.
    fn stores(&mut self) -> (Database, [Store; NAMES.len()]) {
        let Opened {
            database, stores, ..
        } = self.opened();
        let stores = NAMES.map(|name| {
            let make = || crate::common::store_named(database, name);
            stores.entry(name).or_insert_with(make).clone()
        });
        (database.clone(), stores)
    }

    fn group(&mut self, changes: &[Change], dropped: Option<usize>, record: bool) {
        let (now, keep) = (at(self.now), self.keep);
        let (database, stores) = self.stores();
        let before = self.pasts.clone().map(|past| past.entries.is_some());
        let mut group = database.group();
        if record {
            group.record();
        }
        let mut expected = apply(&mut group, &stores, changes, now);
        if let Some(name) = dropped
            // It may be created in this group.
            && let Ok(true) = group.drop_namespace(&stores[name])
        {
            let revision = expected
                .last()
                .map_or(self.revision, |(_, revision, _)| *revision);
            expected.push((name, revision.next(), EventKind::Drop));
        }
        let committed = group.commit(Durability::Buffered).expect("a commit");
        self.note(expected, &committed, record);
        for (index, past) in self.pasts.iter_mut().enumerate() {
            if changes.iter().any(|(name, ..)| *name == index) {
                past.trim(keep);
            }
            if past.entries.is_none() {
                let opened = self.opened.as_mut().expect("it is open");
                opened.stores.remove(NAMES[index]);
            }
            let is_born = past.entries.is_some() && !before[index];
            let outcome = committed
                .created
                .iter()
                .any(|(name, _)| name.as_str() == NAMES[index]);
            assert_eq!(outcome, is_born && record, "{}", NAMES[index]);
        }
    }

    /// Takes over the changes, after checking what the commit returned.
    fn note(
        &mut self,
        expected: Vec<(usize, Revision, EventKind)>,
        committed: &CommitSummary,
        record: bool,
    ) {
        assert!(committed.purged.is_empty());
        let mut events = Vec::new();
        for (name, revision, kind) in expected {
            assert!(revision > self.revision, "{revision}");
            self.revision = revision;
            self.pasts[name].report(revision, kind);
            let history = self.history(name);
            events.push((
                history,
                self.pasts[name].events.last().expect("an event").clone(),
            ));
        }
        assert_eq!(committed.revision, self.revision);
        for ((_, expected), (_, found)) in events.iter_mut().zip(&committed.events) {
            if let (EventKind::Set { entry, size, .. }, false) =
                (&mut expected.kind, found.has_value())
            {
                // The touch did not read the value.
                assert!(*size >= 4_096, "{found:?}");
                entry.value = Bytes::new();
            }
        }
        assert_eq!(committed.events, if record { events } else { Vec::new() });
    }

    /// Returns the name's history, which changes only where commits were lost.
    fn history(&mut self, name: usize) -> HistoryId {
        let found = self
            .opened()
            .database
            .history_id(&name_of(name))
            .expect("a read");
        let found = found.expect("a history");
        assert_eq!(*self.pasts[name].history.get_or_insert(found), found);
        found
    }

    fn expire(&mut self, rows: usize) {
        let now = at(self.now);
        let Opened {
            database, expiry, ..
        } = self.opened();
        let committed = expiry.step(database, now, rows, Durability::Buffered, true);
        let committed = committed.expect("a step");
        let mut expected = Vec::new();
        for (history, event) in &committed.events {
            let name = self
                .pasts
                .iter()
                .position(|past| past.history == Some(*history));
            let name = name.expect("a history that is known");
            let entry = event
                .key()
                .and_then(|key| self.pasts[name].entries.as_ref()?.get(key));
            assert!(!entry.expect("an entry").is_live(now), "{event:?}");
            assert!(
                matches!(event.kind, EventKind::Expire { .. }) && event.is_last,
                "{event:?}"
            );
            expected.push((name, event.revision, event.kind.clone()));
        }
        self.note(expected, &committed, true);
        let keep = self.keep;
        self.pasts.iter_mut().for_each(|past| past.trim(keep));
    }

    fn check(&mut self, limit: PageLimit) {
        let (revision, last_loss) = (self.revision, self.last_loss);
        for (index, past) in self.pasts.clone().iter().enumerate() {
            let database = &self.opened().database;
            let snapshot = database
                .namespace_snapshot(&name_of(index))
                .expect("a snapshot");
            assert_eq!(
                (snapshot.revision(), snapshot.exists()),
                (revision, past.entries.is_some())
            );
            let compacted_revision = snapshot.compacted_revision();
            assert!(
                last_loss <= compacted_revision && compacted_revision <= past.justified,
                "{compacted_revision}, justified {}",
                past.justified
            );
            let keys = past.entries.as_ref().map_or(0, BTreeMap::len) as u64;
            assert_eq!(
                crate::common::store_named(database, NAMES[index])
                    .counts()
                    .keys,
                keys
            );
            let events = past.events.len();
            let around = [
                compacted_revision.get().saturating_sub(1),
                compacted_revision.get(),
                compacted_revision.get() + 1,
            ];
            let ends = [0, revision.get(), revision.get() + 1];
            let newest = past.events.iter().rev().take(12);
            let some = newest.chain(past.events.iter().step_by(1 + events / 20));
            let mut afters: BTreeSet<u64> = some.map(|event| event.revision.get()).collect();
            afters.extend(around.iter().chain(&ends));
            // Fewer pages of long histories are read.
            let limit = PageLimit {
                rows: limit.rows.max(events / 15),
                bytes: limit.bytes.max(events * 8),
            };
            for values in [true, false] {
                let reported = past.reported(values);
                for after in &afters {
                    check_after(&snapshot, Revision::new(*after), limit, values, &reported);
                }
            }
        }
    }
}

/// Applies changes, and returns the events of those that take effect.
fn apply(
    group: &mut CommitGroup<'_>,
    stores: &[Store; NAMES.len()],
    changes: &[Change],
    now: Timestamp,
) -> Vec<(usize, Revision, EventKind)> {
    let mut expected = Vec::new();
    for (index, (name, bytes, what)) in changes.iter().enumerate() {
        let (key, store) = (key(KEYS[*bytes]), &stores[*name]);
        // An error is a touch of a missing key or an append that is too long, and changes nothing.
        let Ok(outcome) = group.apply(store, &key, op(what, index), now) else {
            continue;
        };
        let Some(revision) = outcome.revision else {
            continue;
        };
        let kind = match outcome.entry {
            Some(entry) => EventKind::Set {
                key,
                size: if matches!(what, KeyChange::Touch(_)) {
                    TOUCHED
                } else {
                    entry.value.len() as u64
                },
                entry,
            },
            None => EventKind::Delete { key },
        };
        expected.push((*name, revision, kind));
    }
    expected
}

/// Checks that the changes after a revision are all returned, or refused as gone.
fn check_after(
    snapshot: &NamespaceSnapshot,
    start: Revision,
    limit: PageLimit,
    values: bool,
    reported: &[Event],
) {
    let expected = &reported[reported.partition_point(|event| event.revision <= start)..];
    let (mut found, mut after) = (Vec::new(), start);
    let is_gone = start < snapshot.compacted_revision() || start > snapshot.revision();
    loop {
        let page = match snapshot.changes(after, limit, values) {
            Ok(page) => page,
            Err(error) => {
                assert!(
                    is_gone && error.code() == Code::HistoryGone,
                    "{start}: {error}"
                );
                return;
            }
        };
        assert!(!is_gone, "changes after {start} are returned");
        assert!(page.events.len() <= limit.rows);
        assert!(
            page.until > after || page.until == snapshot.revision(),
            "{page:?}"
        );
        let within = |event: &Event| after < event.revision && event.revision <= page.until;
        assert!(page.events.iter().all(within), "{page:?} after {after}");
        after = page.until;
        found.extend(page.events);
        if after == snapshot.revision() {
            break;
        }
    }
    assert_eq!(found, expected, "after {start}, {limit:?}, {values}");
}

fn name_of(index: usize) -> Namespace {
    Namespace::new(NAMES[index]).expect("a name")
}

fn reports_every_change(make: fn() -> TestDb, cases: u32) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let steps = (0..4_usize, proptest::collection::vec(step(), 1..60));
    let run = |(keep, steps): (usize, Vec<Step>)| {
        let mut pair = Pair {
            test_db: make(),
            keep: [0, 5, 50, Options::default().history_changes][keep],
            opened: None,
            pasts: Default::default(),
            revision: Revision::ZERO,
            last_loss: Revision::ZERO,
            now: 0,
        };
        pair.open(false);
        for step in steps {
            pair.apply_step(step);
        }
        pair.check(PageLimit::rows(1));
        pair.open(false);
        pair.check(PageLimit::rows(100));
        Ok(())
    };
    TestRunner::new(config)
        .run(&steps, run)
        .expect("the same as the list");
}

#[test]
fn memory_returns_every_change() {
    reports_every_change(TestDb::memory, 128);
}

#[test]
fn disk_returns_every_change() {
    reports_every_change(TestDb::disk, 12);
}

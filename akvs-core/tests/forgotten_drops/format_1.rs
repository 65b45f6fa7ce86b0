//! What a release of format 1 left: its data is there, and its history is gone.

use std::sync::Arc;

use akvs_core::engine::{Batch, Durability, Engine, Limit, Table};
use akvs_core::{Code, Database, EventKind, Expiry, MemoryEngine, Options, Revision};

use crate::common::{at, key, rows, store_of};
use crate::wrapped::Wrapped;
use crate::{drop_namespace, fill, name, sweep_all, told, view_of};

/// Numbers in values, one after the other.
fn le<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    numbers.map(u64::to_le_bytes).concat()
}

fn be<const N: usize>(numbers: [u64; N], rest: &[u8]) -> Vec<u8> {
    [&numbers.map(u64::to_be_bytes).concat(), rest].concat()
}

/// The namespaces `kept`, which is 1, and `idle`, which is 3; 2 is dropped and not swept. The newest revision is 9.
fn format_1() -> Arc<MemoryEngine> {
    let engine = MemoryEngine::new();
    let mut batch = Batch::default();
    for (name, number) in [("format", 1), ("revision", 9), ("namespace", 3)] {
        batch.put(Table::Meta, name.as_bytes(), le([number]));
    }
    for (name, id, counts) in [("kept", 1, [2, 10, 4]), ("idle", 3, [1, 6, 1])] {
        let row = [&[1][..], &le([id, 5]), b"{}"].concat();
        batch.put(Table::Catalogue, name.as_bytes(), row);
        batch.put(
            Table::Meta,
            [&b"counts"[..], &be([id], b"")].concat(),
            le(counts),
        );
    }
    batch.put(
        Table::Catalogue,
        [&[0][..], &be([2], b"")].concat(),
        Vec::new(),
    );
    for (id, key, revision, deadline) in [
        (1, "a", 7, None),
        (1, "due", 9, Some(20)),
        (2, "x", 3, Some(15)),
        (3, "k", 8, None),
    ] {
        let mut row = [&[u8::from(deadline.is_some())][..], &le([revision, 5, 6])].concat();
        if let Some(deadline) = deadline {
            row.extend(le([deadline]));
            batch.put(
                Table::Deadlines,
                be([deadline, id], key.as_bytes()),
                le([revision]),
            );
        }
        row.extend(b"old");
        batch.put(Table::Data, be([id], key.as_bytes()), row);
    }
    for (id, revision, row) in [
        (1, 1, b"\x01b"),
        (1, 5, b"\x02b"),
        (1, 7, b"\x01a"),
        (1, 9, b"\x03d"),
        (2, 3, b"\x01x"),
        (3, 8, b"\x01k"),
    ] {
        batch.put(Table::History, be([id, revision], b"\0\0"), row.to_vec());
    }
    engine.commit(batch, Durability::Synced).expect("a commit");
    Arc::new(engine)
}

fn open(engine: &Arc<MemoryEngine>, history_changes: u64) -> Database {
    let options = Options {
        history_changes,
        ..Options::default()
    };
    Database::open(Arc::clone(engine) as Arc<dyn Engine>, options).expect("a database")
}

fn meta(engine: &MemoryEngine, key: &str) -> Option<u64> {
    let value = engine.get(Table::Meta, key.as_bytes()).expect("a read");
    value.map(|value| u64::from_le_bytes(value[..].try_into().expect("a number")))
}

fn assert_gone_before(database: &Database, text: &str, floor: u64) {
    let view = view_of(database, text);
    assert_eq!(view.floor().get(), floor, "{text}");
    for after in 0..floor {
        assert_eq!(told(&view, after), Err(Code::HistoryGone), "{text} {after}");
    }
}

#[test]
fn its_data_is_there_and_its_history_is_gone() {
    let engine = format_1();
    for _ in 0..2 {
        let database = open(&engine, 100);
        assert_eq!(database.revision(), Revision::new(9));
        let kept = store_of(&database, "kept");
        assert_eq!(kept.get(&key("a"), at(7)).unwrap().value, "old");
        assert_eq!(kept.get(&key("due"), at(7)).unwrap().deadline, Some(at(20)));
        assert_eq!(
            (
                kept.counts().keys,
                kept.counts().bytes,
                kept.counts().history
            ),
            (2, 10, 4)
        );
        assert_eq!(database.namespaces(None, 10).unwrap().len(), 2);
        assert_eq!(database.history_of(&name("idle")).unwrap(), Some(3));
        for text in ["kept", "idle", "never"] {
            assert_gone_before(&database, text, 9);
            assert_eq!(told(&view_of(&database, text), 9), Ok(vec![]));
        }
        let page = view_of(&database, "kept").entries(b"", None, Limit::rows(9), at(7));
        assert_eq!(page.unwrap().entries.len(), 2);
        assert_eq!(
            (meta(&engine, "format"), meta(&engine, "forgotten")),
            (Some(1), None)
        );
    }
}

#[test]
fn it_goes_on_as_format_2() {
    let engine = format_1();
    for round in 0..3 {
        let database = open(&engine, 100);
        fill(&database, "kept", 1);
        assert_eq!(
            (meta(&engine, "format"), meta(&engine, "forgotten")),
            (Some(2), Some(9))
        );
        for text in ["kept", "idle", "never"] {
            assert_gone_before(&database, text, 9);
        }
        let changes = (10..=10 + round).collect();
        assert_eq!(told(&view_of(&database, "kept"), 9), Ok(changes));
        assert_eq!(told(&view_of(&database, "idle"), 9), Ok(vec![]));
    }
    let database = open(&engine, 100);
    fill(&database, "idle", 1);
    assert_eq!(told(&view_of(&database, "idle"), 9), Ok(vec![13]));
    let expired = Expiry::default().step(&database, at(20), 9, Durability::Synced, true);
    let events = expired.unwrap().events;
    assert_eq!(events.len(), 1);
    assert!(events[0].0 == 1 && matches!(events[0].1.kind, EventKind::Expire { .. }));
    drop_namespace(&database, "kept");
    assert_eq!(
        told(&view_of(&database, "kept"), 9),
        Ok(vec![10, 11, 12, 14, 15])
    );
    sweep_all(&database, 1);
    fill(&database, "kept", 1);
    assert_eq!(
        told(&view_of(&database, "kept"), 9),
        Ok(vec![10, 11, 12, 14, 15, 16])
    );
    assert_gone_before(&database, "kept", 9);
    for table in [Table::Data, Table::History] {
        let all = rows(&*engine, table);
        assert!(
            all.iter().all(|(key, _)| !key.starts_with(&be([2], b""))),
            "{table:?}"
        );
    }
    assert!(rows(&*engine, Table::Deadlines).is_empty());
    assert!(
        rows(&*engine, Table::Catalogue)
            .iter()
            .all(|(key, _)| key[0] != 0)
    );
}

#[test]
fn it_is_format_2_whatever_was_done_before_the_first_change() {
    let sweep: fn(&Database) = |database| sweep_all(database, 1);
    let expire: fn(&Database) = |database| {
        // Only a row of what is dropped: nothing changes.
        let done = Expiry::default().step(database, at(15), 9, Durability::Synced, true);
        assert_eq!(done.expect("a step").revision, Revision::new(9));
    };
    for first in [sweep, expire] {
        let engine = format_1();
        let database = open(&engine, 100);
        first(&database);
        fill(&database, "kept", 1);
        assert_eq!(
            (meta(&engine, "format"), meta(&engine, "forgotten")),
            (Some(2), Some(9))
        );
    }
}

#[test]
fn its_history_can_be_trimmed_and_dropped() {
    let engine = format_1();
    let database = open(&engine, 2);
    for round in 1..=5 {
        fill(&database, "kept", 1);
        let view = view_of(&database, "kept");
        assert!(view.floor().get() >= 9);
        let kept = (10..10 + round).skip_while(|revision| *revision <= view.floor().get());
        assert_eq!(
            told(&view, view.floor().get()),
            Ok(kept.collect()),
            "{round}"
        );
    }
    assert!(store_of(&database, "kept").counts().history <= 4);
    drop_namespace(&database, "idle");
    assert_gone_before(&database, "idle", 9);
    assert_eq!(told(&view_of(&database, "idle"), 9), Ok(vec![15]));
}

#[test]
fn where_it_lost_commits_all_is_counted_anew() {
    let engine = format_1();
    let options = Options {
        accept_lost_commits: true,
        ..Options::default()
    };
    let lossy = Wrapped::lossy(Arc::clone(&engine) as Arc<dyn Engine>);
    let newest = Database::open(Arc::new(lossy), options)
        .unwrap()
        .revision()
        .get();
    let database = open(&engine, 100);
    assert_eq!(
        (meta(&engine, "format"), meta(&engine, "forgotten")),
        (Some(2), Some(newest))
    );
    for text in ["kept", "idle", "never"] {
        let view = view_of(&database, text);
        assert_eq!(
            (view.floor().get(), told(&view, newest)),
            (newest, Ok(vec![]))
        );
    }
    fill(&database, "kept", 1);
    assert_eq!(
        told(&view_of(&database, "kept"), newest),
        Ok(vec![newest + 1])
    );
    assert_eq!(store_of(&database, "kept").counts().keys, 3);
}

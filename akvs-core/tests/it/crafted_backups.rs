//! Backups that no store wrote: each block has its checksum, but the content does not belong in a store. A check
//! refuses them, and a restore leaves no trace.

use std::sync::Arc;

use akvs_core::engine::{Batch, Durability, Engine, Table};
use akvs_core::{
    Action, BackupError, Database, DiskOptions, GarbageCollector, MemoryEngine, Op, Options,
    Representation, Settings, Ttl, restore, verify_backup,
};
use bytes::Bytes;

use crate::common::{NOW, at, key, listing, rows, store_named};
use crate::sample_data::backup;

/// Returns a store with data of every kind.
fn store() -> Arc<dyn Engine> {
    let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let database = Database::open(Arc::clone(&engine), Options::default()).expect("a database");
    let store = store_named(&database, "ns");
    let deadline = Op::from(Action::Set {
        value: "value".into(),
        representation: Representation::default(),
        ttl: Ttl::Millis(9_000_000),
    });
    store.apply(&key("due"), deadline, at(1)).expect("a set");
    store.set(&key("k"), "value", at(2)).expect("a set");
    let mut group = database.group();
    let settings = Settings {
        max_keys: Some(9),
        ..Settings::default()
    };
    group.configure(&store, settings, at(3)).expect("settings");
    group.commit(Durability::Synced).expect("a commit");
    let gone = store_named(&database, "gone");
    gone.set(&key("k"), "value", at(4)).expect("a set");
    let mut group = database.group();
    assert!(group.drop_namespace(&gone).expect("a drop"));
    group.commit(Durability::Synced).expect("a commit");
    engine
}

fn file_of(engine: &Arc<dyn Engine>) -> Vec<u8> {
    // The result of opening it is ignored: only its rows are needed.
    let database = Database::open(Arc::clone(engine), Options::default()).expect("a database");
    backup(&database)
}

/// Changes the rows, and checks that a check and a restore report it.
#[track_caller]
fn assert_refused(what: &str, change: impl FnOnce(&dyn Engine, &mut Batch)) {
    let engine = store();
    let mut batch = Batch::default();
    change(&*engine, &mut batch);
    engine.commit(batch, Durability::Synced).expect("a commit");
    let file = file_of(&engine);
    let error = verify_backup(&file[..], &mut |_| ()).expect_err(what);
    assert!(matches!(error, BackupError::Damaged(..)), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(what) && !text.contains('\n'),
        "{what}: {text}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let options = DiskOptions::new(folder.path());
    let error = restore(&file[..], &options, at(NOW), &mut |_| ()).expect_err(what);
    assert_eq!(error.to_string(), text);
    assert!(listing(folder.path()).is_empty());
}

/// Returns the first row of a table with this prefix.
fn row(engine: &dyn Engine, table: Table, prefix: &[u8]) -> (Bytes, Vec<u8>) {
    let mut all = rows(engine, table).into_iter();
    let found = all.find(|(key, _)| key.starts_with(prefix)).expect("a row");
    (found.0, found.1.to_vec())
}

/// Writes eight bytes into a row's value.
#[track_caller]
fn number_at(table: Table, prefix: &[u8], place: usize, number: u64, what: &str) {
    assert_refused(what, |engine, batch| {
        let (key, mut value) = row(engine, table, prefix);
        value[place..place + 8].copy_from_slice(&number.to_le_bytes());
        batch.put(table, key, value);
    });
}

#[test]
fn a_backup_of_a_store_is_valid_while_it_sweeps() {
    let engine = store();
    let check = |file: &[u8]| verify_backup(file, &mut |_| ()).expect("a good backup");
    check(&file_of(&engine));
    let database = Database::open(Arc::clone(&engine), Options::default()).expect("a database");
    let mut sweep = GarbageCollector::default();
    while sweep.step(&database, 1).expect("a step") {
        check(&file_of(&engine));
    }
}

#[test]
fn revisions_and_ids_near_the_maximum_are_refused() {
    for number in [u64::MAX, u64::MAX - 1, i64::MAX as u64, 1 << 53] {
        let what = format!("invalid revision {number}");
        number_at(Table::Meta, b"revision", 0, number, &what);
        number_at(Table::Data, b"", 1, number, &what);
    }
    number_at(
        Table::Meta,
        b"revision",
        0,
        (1 << 53) - 2,
        "too few revisions are left",
    );
    number_at(Table::Meta, b"revision", 0, 3, "higher than the newest");
    number_at(Table::Meta, b"namespace", 0, u64::MAX, "invalid id");
    number_at(Table::Meta, b"namespace", 0, 1, "higher than the newest");
    number_at(Table::Meta, b"counts", 40, u64::MAX, "invalid revision");
    number_at(Table::Meta, b"forgotten", 0, u64::MAX, "invalid revision");
}

#[test]
fn times_after_the_year_9999_are_refused() {
    for place in [9, 17] {
        number_at(Table::Data, b"", place, u64::MAX, "after the year 9999");
    }
    number_at(Table::Catalogue, b"ns", 9, u64::MAX, "after the year 9999");
    assert_refused("after the year 9999", |engine, batch| {
        let (key, _) = row(engine, Table::Deadlines, b"");
        let late = [&u64::MAX.to_be_bytes()[..], &key[8..]].concat();
        batch.put(Table::Deadlines, late, vec![0; 8]);
    });
    assert_refused("after the year 9999", |engine, batch| {
        let (key, value) = row(engine, Table::Catalogue, b"ns");
        let settings = format!("{{\"ttl_ms\":{}}}", u64::MAX);
        batch.put(
            Table::Catalogue,
            key,
            [&value[..17], settings.as_bytes()].concat(),
        );
    });
}

#[test]
fn invalid_names_keys_and_types_are_refused() {
    for name in [&b"two\nlines"[..], b"\x7f", b"caf\xe9", &[b'n'; 129]] {
        assert_refused("a stored namespace is damaged", |engine, batch| {
            let (_, value) = row(engine, Table::Catalogue, b"ns");
            batch.put(Table::Catalogue, Bytes::copy_from_slice(name), value);
        });
    }
    assert_refused("the key is empty", |engine, batch| {
        let (key, value) = row(engine, Table::Data, b"");
        batch.put(Table::Data, key.slice(..8), value);
    });
    assert_refused("a stored value is damaged", |engine, batch| {
        let (key, mut value) = row(
            engine,
            Table::Data,
            &[&1_u64.to_be_bytes()[..], b"k"].concat(),
        );
        value[0] |= 2;
        value.splice(25..25, *b"\x03a\r\n");
        batch.put(Table::Data, key, value);
    });
}

#[test]
fn contradicting_rows_are_refused() {
    assert_refused("unknown namespace id 9", |engine, batch| {
        let (_, value) = row(engine, Table::Data, b"");
        let key = [&9_u64.to_be_bytes()[..], b"k"].concat();
        batch.put(Table::Data, key, value);
    });
    assert_refused("duplicate namespace id", |engine, batch| {
        let (_, value) = row(engine, Table::Catalogue, b"ns");
        batch.put(Table::Catalogue, &b"twin"[..], value);
    });
    for place in [0, 8] {
        number_at(Table::Meta, b"counts", place, 77, "but its counts say");
    }
    number_at(Table::Meta, b"counts", 16, 77, "but its namespace counts");
    assert_refused("keys and deadlines do not agree", |engine, batch| {
        batch.remove(Table::Deadlines, row(engine, Table::Deadlines, b"").0);
    });
    assert_refused("has no counts", |engine, batch| {
        batch.remove(Table::Meta, row(engine, Table::Meta, b"counts").0);
    });
    assert_refused("is not in the list of dropped", |engine, batch| {
        batch.remove(Table::Meta, row(engine, Table::Meta, b"dropped").0);
    });
    assert_refused("unknown history id", |engine, batch| {
        let (key, value) = row(engine, Table::History, b"");
        let key = [&2_000_u64.to_be_bytes()[..], &key[8..]].concat();
        batch.put(Table::History, key, value);
    });
    assert_refused("unknown row", |_, batch| {
        batch.put(Table::Meta, &b"what"[..], vec![0; 8]);
    });
}

#[test]
fn rows_with_extra_bytes_are_refused() {
    for (table, prefix) in [
        (Table::Catalogue, &b"gone"[..]),
        (Table::Catalogue, b"\0"),
        (Table::Deadlines, b""),
        (Table::Meta, b"counts"),
        (Table::Meta, b"namespace"),
    ] {
        assert_refused("", |engine, batch| {
            let (key, mut value) = row(engine, table, prefix);
            value.push(b' ');
            batch.put(table, key, value);
        });
    }
    assert_refused("the limit is 1024", |engine, batch| {
        let (key, mut value) = row(engine, Table::Catalogue, b"ns");
        value.resize(5_000, b' ');
        batch.put(Table::Catalogue, key, value);
    });
    assert_refused("not encoded as a store encodes it", |engine, batch| {
        let (key, mut value) = row(engine, Table::Catalogue, b"ns");
        value.push(b' ');
        batch.put(Table::Catalogue, key, value);
    });
}

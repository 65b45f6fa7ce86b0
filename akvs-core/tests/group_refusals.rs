//! What a group refuses is refused for that operation alone, and what is not committed leaves nothing behind.

mod common;

use akvs_core::engine::Durability;
use akvs_core::{Code, Op, Options, Revision};

use common::{Home, at, key, store_of};

#[test]
fn a_namespace_that_was_opened_twice_is_refused() {
    let home = Home::memory();
    let database = home.open(Options::default());
    let (first, second) = (store_of(&database, "twice"), store_of(&database, "twice"));
    let mut group = database.group();
    group
        .apply(&first, &key("k"), Op::set("1"), at(1))
        .expect("a change");
    let refused = group.apply(&second, &key("k"), Op::set("2"), at(1));
    assert_eq!(
        refused.map_err(|error| error.code()),
        Err(Code::Unavailable)
    );
    group.commit(Durability::Synced).expect("a commit");
    assert_eq!(first.get(&key("k"), at(1)).expect("a value").value, "1");
    // Its store still takes the namespace for unborn.
    let refused = second.set(&key("k"), "2", at(1));
    assert_eq!(
        refused.map_err(|error| error.code()),
        Err(Code::Unavailable)
    );
    assert_eq!(database.revision(), Revision::new(1));
}

#[test]
fn a_group_that_is_dropped_uses_nothing_up() {
    for home in Home::each() {
        let database = home.open(Options::default());
        let store = store_of(&database, "kept");
        let mut group = database.group();
        group
            .apply(&store, &key("k"), Op::set("1"), at(1))
            .expect("a change");
        drop(group);
        assert!(!store.exists() && store.counts().keys == 0);
        assert_eq!(database.revision(), Revision::ZERO);
        let outcome = store.set(&key("k"), "2", at(1)).expect("a set");
        assert_eq!(
            (outcome.revision, outcome.existed),
            (Some(Revision::new(1)), false)
        );
    }
}

#[test]
fn the_revision_can_be_read_while_a_group_is_open() {
    let database = Home::memory().open(Options::default());
    let store = store_of(&database, "open");
    store.set(&key("k"), "1", at(1)).expect("a set");
    let mut group = database.group();
    group
        .apply(&store, &key("k"), Op::set("2"), at(1))
        .expect("a change");
    assert_eq!(database.revision(), Revision::new(1));
    group.commit(Durability::Synced).expect("a commit");
    assert_eq!(database.revision(), Revision::new(2));
}

#[test]
fn a_watermark_is_not_raised_above_what_there_is() {
    let home = Home::disk();
    let database = home.open(Options::default());
    store_of(&database, "low")
        .set(&key("k"), "1", at(1))
        .expect("a set");
    database
        .raise_watermark(Revision::new(1_000))
        .expect("a watermark");
    drop(database);
    assert_eq!(home.open(Options::default()).revision(), Revision::new(1));
}

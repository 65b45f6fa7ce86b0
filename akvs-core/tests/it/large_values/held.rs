//! Operations that read large values hold none of them after they are evaluated, however many share a commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use akvs_core::engine::{Engine, Table};
use akvs_core::{Action, Code, Database, MemoryEngine, Op, Options, Result, Ttl, Txn};
use bytes::Bytes;

use super::{LARGE, append};
use crate::common::{at, key, store_named};

/// The values of an engine that were read and are still held.
#[derive(Clone, Default)]
struct Held(Arc<Counts>);

#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A value that was read.
struct HeldValue(Bytes, Held);

impl Held {
    fn value(&self, value: Bytes) -> Bytes {
        let now = self.0.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.most.fetch_max(now, Ordering::SeqCst);
        Bytes::from_owner(HeldValue(value, self.clone()))
    }

    /// Returns the most values that were held at once since the last call.
    fn take_most(&self) -> usize {
        let now = self.0.now.load(Ordering::SeqCst);
        self.0.most.swap(now, Ordering::SeqCst)
    }
}

impl AsRef<[u8]> for HeldValue {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for HeldValue {
    fn drop(&mut self) {
        self.1.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An engine that counts the large values that its readers hold.
struct Holding {
    inner: MemoryEngine,
    held: Held,
}

impl Engine for Holding {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        let value = self.inner.get(table, key)?;
        Ok(value.map(|value| match value.len() {
            0..LARGE => value,
            _ => self.held.value(value),
        }))
    }

    akvs_core::forward_engine!(inner: page, snapshot, commit, sync, watermark, raise_watermark, stored_bytes, capabilities);
}

#[test]
fn a_group_holds_no_value_that_it_only_read() {
    let held = Held::default();
    let engine = Holding {
        inner: MemoryEngine::new(),
        held: held.clone(),
    };
    let options = Options {
        cache_bytes: 0,
        ..Options::default()
    };
    let database = Database::open(Arc::new(engine), options).expect("a database");
    let store = store_named(&database, "ns");
    let keys: Vec<_> = (0..40).map(|number| key(number.to_string())).collect();
    for key in &keys {
        // A number with many leading zeros.
        store.set(key, vec![b'0'; LARGE], at(1)).expect("a set");
    }
    let add = |by| Op::from(Action::Add { by, ttl: Ttl::Keep });
    let text = vec![b'x'; LARGE];
    store.set(&key("text"), text, at(1)).expect("a set");
    held.take_most();

    let mut group = database.group();
    for key in &keys {
        let refused = group.apply(&store, key, append("y", LARGE), at(1));
        assert_eq!(refused.expect_err("it is too long").code(), Code::TooLarge);
    }
    let refused = group.apply(&store, &key("text"), add(1), at(1));
    assert_eq!(
        refused.expect_err("the value is not a number").code(),
        Code::Conflict
    );
    for key in &keys {
        group.apply(&store, key, add(1), at(1)).expect("a sum");
    }
    assert!(held.take_most() <= 2);
    drop(group);

    let ops = keys.iter().map(|key| (key.clone(), add(1)));
    let ops = ops.chain([(key("text"), add(1))]).collect();
    let txn = Txn::new(Vec::new(), ops).expect("a transaction");
    let refused = database.group().transact(&store, txn, at(1));
    assert_eq!(
        refused.expect_err("one value is not a number").code(),
        Code::Conflict
    );
    assert!(held.take_most() <= 2);
}

//! What the tests of the store share.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::Path;
use std::sync::Arc;

use akvs_core::{Database, DiskEngine, DiskOptions, MemoryEngine, Namespace, Options, Store};

pub(crate) fn memory() -> Database {
    Database::open(Arc::new(MemoryEngine::new()), Options::default()).expect("a database")
}

pub(crate) fn disk(folder: &Path) -> Database {
    let engine = DiskEngine::open(&DiskOptions::new(folder)).expect("an engine");
    Database::open(Arc::new(engine), Options::default()).expect("a database")
}

pub(crate) fn store(database: &Database) -> Store {
    Store::new(database, Namespace::new("test").expect("a name")).expect("a store")
}

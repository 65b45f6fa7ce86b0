//! Helpers of the registry's tests.

use std::path::Path;
use std::sync::Arc;

use akvs_core::engine::Engine;
use akvs_core::{
    Database, DiskEngine, DiskOptions, Key, MemoryEngine, Namespace, Op, Outcome, Result,
};
use akvs_registry::Registry;
use akvs_server::{Committer, SystemClock};
use bytes::Bytes;

pub(crate) fn registry(engine: Arc<dyn Engine>) -> Registry {
    let database = Database::open(engine, Default::default()).expect("a database");
    let clock = Arc::new(SystemClock::new());
    Registry::new(Committer::start(database, Default::default(), clock).expect("a committer"))
}

pub(crate) fn memory() -> Registry {
    registry(Arc::new(MemoryEngine::new()))
}

pub(crate) fn disk(folder: &Path) -> Registry {
    registry(Arc::new(
        DiskEngine::open(&DiskOptions::new(folder)).expect("an engine"),
    ))
}

pub(crate) fn name(name: impl AsRef<str>) -> Namespace {
    Namespace::new(name).expect("a name")
}

pub(crate) async fn set(
    registry: &Registry,
    namespace: &str,
    key: impl Into<Bytes>,
    value: impl Into<Bytes>,
) -> Result<Outcome> {
    registry
        .submit(
            &name(namespace),
            Key::new(key).expect("a key"),
            Op::set(value),
        )
        .await
}

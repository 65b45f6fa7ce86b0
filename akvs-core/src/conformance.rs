//! The conformance cases of all layers: the store over each engine, the server, the registry, and the client over HTTP
//! run the same cases.
//!
//! A layer implements [`Subject`] and invokes [`conformance!`](crate::conformance!):
//!
//! ```
//! use akvs_core::conformance::Subject;
//! # use akvs_core::{Error, Result};
//! # use bytes::Bytes;
//! # struct Mine(std::cell::RefCell<std::collections::BTreeMap<Vec<u8>, Bytes>>);
//! # impl Subject for Mine {
//! #     async fn set(&self, key: &[u8], value: &[u8]) -> Result<()> {
//! #         self.0.borrow_mut().insert(key.to_vec(), Bytes::copy_from_slice(value));
//! #         Ok(())
//! #     }
//! #     async fn get(&self, key: &[u8]) -> Result<Bytes> {
//! #         self.0.borrow().get(key).cloned().ok_or_else(Error::not_found)
//! #     }
//! #     async fn get_or(&self, key: &[u8], default: &[u8]) -> Result<Bytes> {
//! #         Ok(self.get(key).await.unwrap_or_else(|_| Bytes::copy_from_slice(default)))
//! #     }
//! #     async fn del(&self, key: &[u8]) -> Result<()> {
//! #         self.0.borrow_mut().remove(key);
//! #         Ok(())
//! #     }
//! #     async fn dispose(self) -> Result<()> {
//! #         Ok(())
//! #     }
//! # }
//! async fn mine() -> impl Subject {
//!     // a fresh, empty store of the layer
//! #   Mine(Default::default())
//! }
//!
//! akvs_core::conformance!(pollster::block_on, mine);
//! # pollster::block_on(async { akvs_core::conformance::get_existing(&mine().await).await });
//! ```

use std::future::Future;

use bytes::Bytes;

use crate::{Code, Key, Result};

/// A layer under test: one of its namespaces, empty at first.
pub trait Subject {
    /// Stores a value.
    fn set(&self, key: &[u8], value: &[u8]) -> impl Future<Output = Result<()>>;
    /// Returns the value, or the error `not_found`.
    fn get(&self, key: &[u8]) -> impl Future<Output = Result<Bytes>>;
    /// Returns the value, or the default.
    fn get_or(&self, key: &[u8], default: &[u8]) -> impl Future<Output = Result<Bytes>>;
    /// Deletes the key, if it exists.
    fn del(&self, key: &[u8]) -> impl Future<Output = Result<()>>;
    /// Closes the subject.
    fn dispose(self) -> impl Future<Output = Result<()>>;
}

/// Defines a test of each case for one layer: `conformance!(block_on, make)`, where the async function `make` returns a
/// new [`Subject`] and `block_on` runs a future to completion.
#[macro_export]
macro_rules! conformance {
    ($block_on:path, $make:path) => {
        $crate::conformance!(
            @cases $block_on, $make,
            new_dispose, get_missing, get_missing_with_default, get_existing, get_existing_with_default, get_updated,
            get_deleted, delete_missing, set_deleted, empty_value, any_byte_in_keys, longest_key, bad_keys
        );
    };
    (@cases $block_on:path, $make:path, $($case:ident),+) => {
        $(
            #[test]
            fn $case() {
                $block_on(async {
                    let subject = $make().await;
                    $crate::conformance::$case(&subject).await;
                    $crate::conformance::Subject::dispose(subject).await.expect("dispose");
                });
            }
        )+
    };
}

async fn set<S: Subject>(subject: &S, key: &[u8], value: &[u8]) {
    subject
        .set(key, value)
        .await
        .unwrap_or_else(|error| panic!("set {}: {error}", key.escape_ascii()));
}

async fn assert_value<S: Subject>(subject: &S, key: &[u8], value: &[u8]) {
    let found = subject
        .get(key)
        .await
        .unwrap_or_else(|error| panic!("get {}: {error}", key.escape_ascii()));
    assert_eq!(found, value, "the value of {}", key.escape_ascii());
}

async fn assert_missing<S: Subject>(subject: &S, key: &[u8]) {
    match subject.get(key).await {
        Ok(value) => panic!("{} has the value {value:?}", key.escape_ascii()),
        Err(error) => assert_eq!(error.code(), Code::NotFound, "{error}"),
    }
}

/// A subject can be created and disposed of, and is empty at first.
pub async fn new_dispose<S: Subject>(subject: &S) {
    assert_missing(subject, b"anything").await;
}

/// The value of a key that was never set is `not_found`.
pub async fn get_missing<S: Subject>(subject: &S) {
    set(subject, b"other", b"value").await;
    assert_missing(subject, b"key").await;
}

/// A missing key returns the default, and stays missing.
pub async fn get_missing_with_default<S: Subject>(subject: &S) {
    assert_eq!(
        subject.get_or(b"key", b"default").await.expect("get_or"),
        "default"
    );
    assert_missing(subject, b"key").await;
}

/// A value that was set is returned.
pub async fn get_existing<S: Subject>(subject: &S) {
    set(subject, b"key", b"value").await;
    assert_value(subject, b"key", b"value").await;
}

/// An existing key does not return the default.
pub async fn get_existing_with_default<S: Subject>(subject: &S) {
    set(subject, b"key", b"value").await;
    assert_eq!(
        subject.get_or(b"key", b"default").await.expect("get_or"),
        "value"
    );
}

/// A later value replaces an earlier one.
pub async fn get_updated<S: Subject>(subject: &S) {
    set(subject, b"key", b"value").await;
    set(subject, b"key", b"another, longer value").await;
    assert_value(subject, b"key", b"another, longer value").await;
}

/// A deleted key is missing, and no other is.
pub async fn get_deleted<S: Subject>(subject: &S) {
    set(subject, b"key", b"value").await;
    set(subject, b"key2", b"value2").await;
    subject.del(b"key").await.expect("del");
    assert_missing(subject, b"key").await;
    assert_value(subject, b"key2", b"value2").await;
}

/// Deleting a missing key is not an error.
pub async fn delete_missing<S: Subject>(subject: &S) {
    subject.del(b"key").await.expect("del");
    assert_missing(subject, b"key").await;
}

/// A deleted key can be set again.
pub async fn set_deleted<S: Subject>(subject: &S) {
    set(subject, b"key", b"value").await;
    subject.del(b"key").await.expect("del");
    set(subject, b"key", b"again").await;
    assert_value(subject, b"key", b"again").await;
}

/// A value may be empty.
pub async fn empty_value<S: Subject>(subject: &S) {
    set(subject, b"key", b"").await;
    assert_value(subject, b"key", b"").await;
    assert_eq!(
        subject.get_or(b"key", b"default").await.expect("get_or"),
        ""
    );
}

/// Keys that differ in any byte are different keys.
pub async fn any_byte_in_keys<S: Subject>(subject: &S) {
    let mut keys: Vec<Vec<u8>> = (0..=255_u8).map(|byte| vec![byte]).collect();
    keys.extend(
        [
            &b".."[..],
            b"a/b",
            b"a/",
            b"/a",
            b"%41",
            b"A%",
            b"~64",
            b"a b",
            b"a\xff",
            b"a\xfe",
        ]
        .map(Vec::from),
    );
    for key in &keys {
        set(subject, key, &[b"value of ", &key[..]].concat()).await;
    }
    for key in &keys {
        assert_value(subject, key, &[b"value of ", &key[..]].concat()).await;
    }
}

/// The longest key is accepted.
pub async fn longest_key<S: Subject>(subject: &S) {
    let key = vec![0xfe; Key::MAX_BYTES];
    set(subject, &key, b"value").await;
    assert_value(subject, &key, b"value").await;
    assert_missing(subject, &key[1..]).await;
}

/// A key that is too long is refused, and nothing is stored.
pub async fn bad_keys<S: Subject>(subject: &S) {
    let key = vec![b'k'; Key::MAX_BYTES + 1];
    assert_eq!(
        subject
            .set(&key, b"value")
            .await
            .map_err(|error| error.code()),
        Err(Code::InvalidKey)
    );
    assert_eq!(
        subject.get(&key).await.map_err(|error| error.code()),
        Err(Code::InvalidKey)
    );
    assert_eq!(
        subject.del(&key).await.map_err(|error| error.code()),
        Err(Code::InvalidKey)
    );
    assert_missing(subject, &key[1..]).await;
}

/// Implements methods of [`Engine`](crate::engine::Engine) by those of the engine in a field, for test engines that
/// differ in the other methods.
///
/// ```
/// use akvs_core::engine::{Batch, Durability, Engine};
/// struct Refusing {
///     inner: akvs_core::MemoryEngine,
/// }
/// impl Engine for Refusing {
///     fn commit(&self, _: Batch, _: Durability) -> akvs_core::Result<()> {
///         Err(akvs_core::Error::not_found())
///     }
///     akvs_core::forward_engine!(
///         inner: get, page, snapshot, sync, watermark, raise_watermark, stored_bytes, capabilities
///     );
/// }
/// let engine = Refusing { inner: akvs_core::MemoryEngine::new() };
/// assert!(engine.sync().is_ok());
/// assert!(engine.commit(Batch::default(), Durability::Synced).is_err());
/// ```
#[macro_export]
macro_rules! forward_engine {
    ($inner:ident: $($method:ident),+ $(,)?) => {
        $($crate::forward_engine!(@$method $inner);)+
    };
    (@get $inner:ident) => {
        fn get(&self, table: $crate::engine::Table, key: &[u8]) -> $crate::Result<Option<::bytes::Bytes>> {
            self.$inner.get(table, key)
        }
    };
    (@page $inner:ident) => {
        fn page(&self, table: $crate::engine::Table, range: &$crate::engine::KeyRange, limit: $crate::engine::PageLimit) -> $crate::Result<Vec<(::bytes::Bytes, ::bytes::Bytes)>> {
            self.$inner.page(table, range, limit)
        }
    };
    (@snapshot $inner:ident) => {
        fn snapshot(&self) -> $crate::Result<Box<dyn $crate::engine::Snapshot>> {
            self.$inner.snapshot()
        }
    };
    (@commit $inner:ident) => {
        fn commit(&self, batch: $crate::engine::Batch, durability: $crate::engine::Durability) -> $crate::Result<()> {
            self.$inner.commit(batch, durability)
        }
    };
    (@sync $inner:ident) => {
        fn sync(&self) -> $crate::Result<()> {
            self.$inner.sync()
        }
    };
    (@watermark $inner:ident) => {
        fn watermark(&self) -> $crate::Result<$crate::Revision> {
            self.$inner.watermark()
        }
    };
    (@raise_watermark $inner:ident) => {
        fn raise_watermark(&self, revision: $crate::Revision) -> $crate::Result<()> {
            self.$inner.raise_watermark(revision)
        }
    };
    (@stored_bytes $inner:ident) => {
        fn stored_bytes(&self) -> $crate::Result<u64> {
            self.$inner.stored_bytes()
        }
    };
    (@capabilities $inner:ident) => {
        fn capabilities(&self) -> $crate::engine::Capabilities {
            self.$inner.capabilities()
        }
    };
}

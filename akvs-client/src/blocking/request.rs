//! Requests: calls with options that have not been sent.
//!
//! It delegates options to the asynchronous builder. Invariant: nothing is sent before [`Request::send`].

use std::time::Duration;

use akvs_core::Revision;

use bytes::Bytes;
use serde::Serialize;

use super::Items;
use super::runtime::Runtime;
use crate::error::{Error, Result};
use crate::{
    Add, Append, Delete, Encoding, Import, ImportMode, List, Namespaces, Put, Set, Touch, Txn,
    Update,
};

/// A call that is made when it is sent. Its options are those of the asynchronous builder.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::blocking::Client::new(&serve())?.namespace("foo")?;
/// use std::time::Duration;
/// let written = namespace.set("lock", "mine").if_absent().ttl(Duration::from_secs(30)).send()?;
/// assert!(written.expires.is_some());
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a call is made only when it is sent"]
pub struct Request<B> {
    pub(super) builder: B,
    pub(super) runtime: Runtime,
}

impl<B> Request<B> {
    pub(super) fn new(runtime: &Runtime, builder: B) -> Request<B> {
        Request {
            builder,
            runtime: runtime.clone(),
        }
    }

    /// Sets options of the builder.
    ///
    /// ```
    /// # let namespace = akvs_client::blocking::Client::new("http://h")?.namespace("foo")?;
    /// let call = namespace.set("bar", &1).configure(|set| set.content_type("text/csv"));
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn configure(mut self, configure: impl FnOnce(B) -> B) -> Request<B> {
        self.builder = configure(self.builder);
        self
    }

    /// Returns the request with another builder.
    pub(super) fn map<C>(self, configure: impl FnOnce(B) -> C) -> Request<C> {
        Request::new(&self.runtime, configure(self.builder))
    }

    /// Returns an iterator of the builder's stream.
    pub(super) fn items<S>(self, stream: impl FnOnce(B) -> S) -> Items<S> {
        Items::new(&self.runtime, stream(self.builder))
    }

    /// Runs a call of the builder that does not consume it, and waits for it.
    pub(super) fn call<T, F>(&self, call: impl FnOnce(B) -> F) -> Result<T>
    where
        B: Clone,
        F: Future<Output = Result<T>> + Send + 'static,
        T: Send + 'static,
    {
        self.runtime.run(call(self.builder.clone()))?
    }

    /// Sends the request, and waits for its result.
    ///
    /// ```no_run
    /// # fn example(namespace: akvs_client::blocking::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(namespace.add("visits", 5).send()?, 5);
    /// # Ok(()) }
    /// ```
    pub fn send<T>(self) -> Result<T>
    where
        B: IntoFuture<Output = Result<T, Error>>,
        B::IntoFuture: Send + 'static,
        T: Send + 'static,
    {
        let future = self.builder.into_future();
        self.runtime.run(future)?
    }
}

/// Delegates methods of a request to its builder, by their names and arguments.
macro_rules! builder_methods {
    ($builder:ident $(<$($of:ident),+>)?: $($name:ident($($argument:ident: $type:ty),*)),+ $(,)?) => {
        impl $(<$($of),+>)? Request<$builder $(<$($of),+>)?> {
            $(
                #[doc = concat!("Calls [`", stringify!($builder), "::", stringify!($name), "`](crate::",
                    stringify!($builder), "::", stringify!($name), ").")]
                pub fn $name(self $(, $argument: $type)*) -> Self {
                    self.configure(|builder| builder.$name($($argument),*))
                }
            )+
        }
    };
}

builder_methods!(Set: if_absent(), if_exists(), if_revision(revision: Revision), ttl(ttl: Duration), keep_ttl(),
    content_type(text: &str), content_encoding(text: &str));
builder_methods!(Delete: if_exists(), if_revision(revision: Revision));
builder_methods!(Add: if_absent(), if_exists(), if_revision(revision: Revision), ttl(ttl: Duration));
builder_methods!(Append: if_absent(), if_exists(), if_revision(revision: Revision), ttl(ttl: Duration));
builder_methods!(Touch: if_exists(), if_revision(revision: Revision), ttl(ttl: Duration));
builder_methods!(Update<T, F>: ttl(ttl: Duration), no_ttl(), max_tries(tries: u32));
builder_methods!(List: prefix(prefix: impl AsRef<[u8]>), start(start: impl AsRef<[u8]>), end(end: impl AsRef<[u8]>), reverse(),
    limit(items: u16), values());
builder_methods!(Namespaces: prefix(prefix: impl Into<String>), limit(namespaces: u16));
builder_methods!(Txn: check_revision(key: impl AsRef<[u8]>, revision: Revision), check_absent(key: impl AsRef<[u8]>),
    check_exists(key: impl AsRef<[u8]>), set(key: impl AsRef<[u8]>, value: &(impl Serialize + ?Sized)),
    set_bytes(key: impl AsRef<[u8]>, value: impl Into<Bytes>), put(key: impl AsRef<[u8]>, put: Put),
    delete(key: impl AsRef<[u8]>), add(key: impl AsRef<[u8]>, by: i64),
    touch(key: impl AsRef<[u8]>, ttl: impl Into<Option<Duration>>));
builder_methods!(Import: mode(mode: ImportMode), encoding(encoding: Encoding));

//! Streams as iterators.
//!
//! It owns the wait for an item. It does not know the items. Invariant: the stream is polled only while an item is
//! awaited.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;

use futures_util::Stream;

use super::runtime::Runtime;
use crate::error::Result;

/// The items of a stream, as a blocking iterator.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::blocking::Client::new(&serve())?.namespace("foo")?;
/// use akvs_client::Change;
/// namespace.set("bar", &1).send()?;
/// for change in namespace.watch(|watch| watch.from_state()) {
///     if let Change::Synced { .. } = change? {
///         break;
///     }
/// }
/// # Ok(()) }
/// ```
#[must_use = "nothing happens before an item is requested"]
pub struct Items<S> {
    /// `None` after the end, and after a panic.
    stream: Option<S>,
    runtime: Runtime,
}

impl<S> Items<S> {
    pub(super) fn new(runtime: &Runtime, stream: S) -> Items<S> {
        Items {
            stream: Some(stream),
            runtime: runtime.clone(),
        }
    }
}

impl<S, T> Iterator for Items<S>
where
    S: Stream<Item = Result<T>> + Unpin + Send + 'static,
    T: Send + 'static,
{
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        let mut stream = self.stream.take()?;
        let next = self.runtime.run(async move {
            let item = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await;
            (item, stream)
        });
        match next {
            Ok((item, stream)) => {
                self.stream = item.is_some().then_some(stream);
                item
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl<S> fmt::Debug for Items<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}

//! An item: what lists and watches tell of a key.
//!
//! It owns what users see of it. It does not know how items are written. Fields may be added, so that none is to be
//! taken for the last.

use std::time::SystemTime;

use akvs_core::Revision;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// What is stored under a key, as lists and watches tell it.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// namespace.set_bytes("bar", "hello").content_type("text/plain").await?;
/// let page = namespace.list().values().page().await?;
/// let item = &page.items[0];
/// assert_eq!((&item.key[..], item.value.as_deref()), (&b"bar"[..], Some(&b"hello"[..])));
/// assert_eq!((&item.content_type[..], item.size, item.expires), ("text/plain", 5, None));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Item {
    /// The key.
    pub key: Bytes,
    /// The change that wrote it.
    pub revision: Revision,
    /// The value, if it was asked for by [`List::values`](crate::List::values) or
    /// [`Watch::values`](crate::Watch::values). A watch leaves out a large value that has been overwritten before it was
    /// sent; the newer one is told later.
    pub value: Option<Bytes>,
    /// How many bytes the value has.
    pub size: u64,
    /// What its writer said it is, or `application/octet-stream`.
    pub content_type: String,
    /// How its writer said it is encoded. The client never decodes it.
    pub content_encoding: Option<String>,
    /// When it was written, by the server's clock.
    pub modified: Option<SystemTime>,
    /// From when on it is gone, to the millisecond, by the server's clock; none if it stays.
    pub expires: Option<SystemTime>,
}

impl Item {
    /// The value, read as JSON; none if no value came.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("primes", &[2, 3, 5]).await?;
    /// let page = namespace.list().values().page().await?;
    /// assert_eq!(page.items[0].json::<Vec<u32>>()?, Some(vec![2, 3, 5]));
    /// # Ok(()) }
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let value = self.value.as_ref();
        let read = value.map(|value| serde_json::from_slice(value));
        read.transpose()
            .map_err(|error| Error::decode(&self.key, error))
    }
}

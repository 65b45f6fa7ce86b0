//! The items of lists and watches.
//!
//! It does not know the format of items on the wire. The type is non-exhaustive: fields may be added.

use std::time::SystemTime;

use akvs_core::Revision;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A key with its metadata, and its value if requested.
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
    /// The revision of the write.
    pub revision: Revision,
    /// The value, if requested by [`List::values`](crate::List::values) or [`Watch::values`](crate::Watch::values). A
    /// watch omits a large value that was overwritten before it was sent; the newer one follows.
    pub value: Option<Bytes>,
    /// The length of the value, in bytes.
    pub size: u64,
    /// The content type that its writer set, or `application/octet-stream`.
    pub content_type: String,
    /// The content encoding that its writer set. The client never decodes it.
    pub content_encoding: Option<String>,
    /// The time of the write, by the server's clock.
    pub modified: Option<SystemTime>,
    /// The expiry time, to the millisecond, by the server's clock; `None` if it does not expire.
    pub expires: Option<SystemTime>,
}

impl Item {
    /// Returns the value, decoded from JSON; `None` if the item has no value.
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

//! The stored values of transactions, with their options.
//!
//! It owns the options. It does not know keys. Invariant: an invalid option is kept as an error, and nothing is sent.

use std::fmt;
use std::time::Duration;

use akvs_api::txn::{Op, OpKind, Ttl};
use akvs_api::{TextOrBase64, media_type, ttl};
use akvs_core::FieldValue;
use bytes::Bytes;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::wire::json;

/// A value that a [`Txn`](crate::Txn) stores, with its options.
///
/// ```
/// use std::time::Duration;
/// use akvs_client::Put;
/// let session = Put::json(&["ann"]).ttl(Duration::from_secs(60));
/// let page = Put::bytes("<h1>Hi</h1>").content_type("text/html");
/// ```
#[must_use = "a value is stored only by a transaction"]
pub struct Put {
    value: Result<Bytes, serde_json::Error>,
    ttl: Option<Result<String>>,
    content_type: Option<Result<String>>,
}

impl Put {
    /// Returns this value as JSON, with the content type of JSON.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.txn().put("a", akvs_client::Put::json(&[1, 2])).commit().await?;
    /// assert_eq!(namespace.get_bytes("a").await?.unwrap().content_type, "application/json");
    /// # Ok(()) }
    /// ```
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Put {
        Put {
            value: serde_json::to_vec(value).map(Bytes::from),
            ttl: None,
            content_type: Some(Ok(media_type::JSON.into())),
        }
    }

    /// Returns these bytes, unchanged.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.txn().put("a", akvs_client::Put::bytes(vec![0, 255])).commit().await?;
    /// assert_eq!(namespace.get_bytes("a").await?.unwrap().value, [0, 255][..]);
    /// # Ok(()) }
    /// ```
    pub fn bytes(value: impl Into<Bytes>) -> Put {
        Put {
            value: Ok(value.into()),
            ttl: None,
            content_type: None,
        }
    }

    /// Sets the time to live of the key, from the commit on; at least one millisecond. Without it the key does not
    /// expire, unless the namespace has a default.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let put = akvs_client::Put::json("data").ttl(std::time::Duration::from_millis(90_500));
    /// namespace.txn().put("session", put).commit().await?;
    /// assert!(namespace.get_bytes("session").await?.unwrap().expires.is_some());
    /// # Ok(()) }
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Put {
        self.ttl = Some(ttl::format(ttl).map_err(Error::from));
        self
    }

    /// Keeps the expiry time of the key, if it has one. The last call of this and [`ttl`](Self::ttl) counts.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("a", &1).ttl(std::time::Duration::from_secs(60)).await?;
    /// namespace.txn().put("a", akvs_client::Put::json(&2).keep_ttl()).commit().await?;
    /// assert!(namespace.get_bytes("a").await?.unwrap().expires.is_some());
    /// # Ok(()) }
    /// ```
    pub fn keep_ttl(mut self) -> Put {
        self.ttl = Some(Ok(ttl::KEEP.into()));
        self
    }

    /// Sets the content type of the value, returned by reads: 1 to 255 visible ASCII characters.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let put = akvs_client::Put::bytes("a,b").content_type("text/csv");
    /// namespace.txn().put("a", put).commit().await?;
    /// assert_eq!(namespace.get_bytes("a").await?.unwrap().content_type, "text/csv");
    /// # Ok(()) }
    /// ```
    pub fn content_type(mut self, content_type: &str) -> Put {
        let field = FieldValue::new(content_type.to_owned());
        let text = field.map(|field| field.as_str().to_owned());
        self.content_type = Some(text.map_err(Error::from));
        self
    }

    /// Returns the operation, without its key.
    pub(super) fn op(self, key: &[u8]) -> Result<Op> {
        let value = self.value.map_err(|error| Error::encode(key, error))?;
        let (value, value64) = json::into_owned_pair(TextOrBase64::from_value(&value));
        Ok(Op {
            value,
            value64,
            ttl: self.ttl.transpose()?.map(Ttl),
            content_type: self.content_type.transpose()?,
            ..super::op(OpKind::Set)
        })
    }
}

impl fmt::Debug for Put {
    /// Omits the value, which must not be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Put")
            .field("ttl", &self.ttl)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

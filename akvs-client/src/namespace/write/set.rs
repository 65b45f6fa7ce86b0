//! The store of a value, with its metadata, conditions and time to live.
//!
//! It owns the options of a plain write. It does not own its request. Invariant: nothing is sent before it is awaited.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::namespace::write::{Write, conditions, if_absent, sent, ttl};
use crate::{Written, wire};

/// A write of a value, sent when it is awaited.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use std::time::Duration;
/// let write = namespace.set("lock", "mine").if_absent().ttl(Duration::from_secs(30));
/// assert!(namespace.get_bytes("lock").await?.is_none());
/// let written = write.await?;
/// assert!(written.expires.is_some());
///
/// let error = namespace.set("lock", "yours").if_absent().await.unwrap_err();
/// assert!(error.is_precondition_failed());
///
/// let mine = written.revision.expect("a revision");
/// namespace.set("lock", "still mine").if_revision(mine).keep_ttl().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a write is sent only when it is awaited"]
pub struct Set(pub(crate) Write);

if_absent!(Set, "namespace.set(\"bar\", &5)");
conditions!(Set, "namespace.set(\"bar\", &5)");
ttl!(
    Set,
    "namespace.set(\"bar\", &5)",
    "Without it, the key does not expire."
);
sent!(Set => Written, |write: Write| async move {
    let (written, response) = write.send(StatusCode::CREATED).await?;
    wire::discard(response).await;
    Ok(written)
});

impl Set {
    /// Keeps the expiry time of the key, if it has one. The last call of this and [`ttl`](Self::ttl) counts.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::time::Duration;
    /// let first = namespace.set("bar", &1).ttl(Duration::from_secs(60)).await?;
    /// let second = namespace.set("bar", &2).keep_ttl().await?;
    /// assert_eq!(first.expires, second.expires);
    /// # Ok(()) }
    /// ```
    pub fn keep_ttl(self) -> Set {
        Set(self.0.keep_ttl())
    }

    /// Sets the content type of the value, returned by reads: 1 to 255 visible ASCII characters.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set_bytes("bar", "a,b").content_type("text/csv").await?;
    /// assert_eq!(namespace.get_bytes("bar").await?.unwrap().content_type, "text/csv");
    /// # Ok(()) }
    /// ```
    pub fn content_type(self, content_type: &str) -> Set {
        Set(self.0.field(CONTENT_TYPE, content_type))
    }

    /// Sets the content encoding of the value, returned by reads. Neither server nor client decodes it.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let gzipped: &[u8] = b"\x1f\x8b";
    /// namespace.set_bytes("bar", gzipped).content_encoding("gzip").await?;
    /// # Ok(()) }
    /// ```
    pub fn content_encoding(self, content_encoding: &str) -> Set {
        Set(self.0.field(CONTENT_ENCODING, content_encoding))
    }
}

//! The deletion of a key, with conditions.
//!
//! It owns the result of the call. It does not own its request. Invariant: nothing is sent before it is awaited.

use reqwest::StatusCode;

use crate::error::Result;
use crate::namespace::write::{Write, conditions, sent};
use crate::{Written, wire};

/// A deletion, sent when it is awaited. It returns whether the key existed; false also if the token may not read, which
/// [`written`](Self::written) distinguishes.
///
/// It is [repeated](crate::RetryPolicy) if it fails. If an earlier try deleted the key, the last one finds no key and
/// returns false: only a deletion with [`if_revision`](Self::if_revision) reports an unknown outcome.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// let seen = namespace.set("bar", &1).await?.revision.expect("a revision");
/// namespace.set("bar", &2).await?;
/// let error = namespace.del("bar").if_revision(seen).await.unwrap_err();
/// assert!(error.is_precondition_failed() && error.current_revision() > Some(seen));
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a removal is sent only when it is awaited"]
pub struct Delete(pub(crate) Write);

conditions!(Delete, "namespace.del(\"bar\")");
sent!(Delete => bool, |write: Write| async move {
    let (written, response) = write.send(StatusCode::OK).await?;
    wire::discard(response).await;
    Ok(written.existed)
});

impl Delete {
    /// Deletes the key, and returns the whole result.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// namespace.set("bar", &1).await?;
    /// let removed = namespace.del("bar").written().await?;
    /// assert!(removed.existed && !removed.write_only && removed.revision.is_some());
    /// # Ok(()) }
    /// ```
    pub async fn written(self) -> Result<Written> {
        let (written, response) = self.0.send(StatusCode::OK).await?;
        wire::discard(response).await;
        Ok(written)
    }
}

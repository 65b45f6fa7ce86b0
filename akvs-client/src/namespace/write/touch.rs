//! The change of a key's expiry time alone.
//!
//! It owns the result of the call. It does not own its request. Invariant: nothing is sent before it is awaited.

use akvs_core::Code;
use reqwest::StatusCode;

use crate::error::Error;
use crate::namespace::write::{Write, conditions, sent, ttl};
use crate::{Written, wire};

/// A change of the expiry time alone, sent when it is awaited. It returns `None` if there is no such key.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use std::time::Duration;
/// assert!(namespace.touch("session").await?.is_none());
/// namespace.set("session", "data").await?;
/// assert!(namespace.touch("session").ttl(Duration::from_secs(60)).await?.is_some());
/// assert!(namespace.get_bytes("session").await?.unwrap().expires.is_some());
/// namespace.touch("session").await?;
/// assert!(namespace.get_bytes("session").await?.unwrap().expires.is_none());
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a write is sent only when it is awaited"]
pub struct Touch(pub(crate) Write);

conditions!(Touch, "namespace.touch(\"bar\")");
ttl!(
    Touch,
    "namespace.touch(\"bar\")",
    "Without it, the expiry time is removed."
);
sent!(Touch => Option<Written>, |write: Write| async move {
    match write.send(StatusCode::OK).await {
        Ok((written, response)) => {
            wire::discard(response).await;
            Ok(Some(written))
        }
        // Only the server's own document has the code: any other 404 may come from a proxy that lost the server.
        Err(Error::Api(problem)) if problem.code() == Some(Code::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
});

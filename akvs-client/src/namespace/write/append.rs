//! The append to a value.
//!
//! It owns the result of the call. It does not own its request. Invariant: nothing is sent before it is awaited.

use reqwest::StatusCode;

use crate::namespace::write::{Write, conditions, if_absent, sent, ttl};
use crate::{Written, wire};

/// An append, sent when it is awaited.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// namespace.set_bytes("log", "one\n").await?;
/// namespace.append("log", "two\n").await?;
/// assert_eq!(namespace.get_bytes_or("log", "").await?, "one\ntwo\n");
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a write is sent only when it is awaited"]
pub struct Append(pub(crate) Write);

if_absent!(Append, "namespace.append(\"bar\", \"5\")");
conditions!(Append, "namespace.append(\"bar\", \"5\")");
ttl!(
    Append,
    "namespace.append(\"bar\", \"5\")",
    "Without it, the expiry time is kept."
);
sent!(Append => Written, |write: Write| async move {
    let (written, response) = write.send(StatusCode::OK).await?;
    wire::discard(response).await;
    Ok(written)
});

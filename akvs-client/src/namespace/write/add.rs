//! The addition to a number.
//!
//! It owns the result of the call. It does not own its request. Invariant: nothing is sent before it is awaited.

use reqwest::StatusCode;

use crate::error::{Error, Problem};
use crate::namespace::write::{Write, conditions, if_absent, sent, ttl};
use crate::wire;

/// The maximum length of a number in a body: nineteen digits, a sign, and some room.
const MAX_NUMBER_BYTES: u64 = 64;

/// An addition, sent when it is awaited. It returns the sum.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// assert_eq!(namespace.add("visits", 5).await?, 5);
/// assert_eq!(namespace.add("visits", -2).if_exists().await?, 3);
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "a write is sent only when it is awaited"]
pub struct Add(pub(crate) Write);

if_absent!(Add, "namespace.add(\"bar\", 5)");
conditions!(Add, "namespace.add(\"bar\", 5)");
ttl!(
    Add,
    "namespace.add(\"bar\", 5)",
    "Without it, the expiry time is kept."
);
sent!(Add => i64, |write: Write| async move {
    let (_, response) = write.send(StatusCode::OK).await?;
    let status = response.status().as_u16();
    // The headers report that it was applied; only the sum is unknown.
    let body = wire::body(response, MAX_NUMBER_BYTES).await.map_err(Error::with_outcome_unknown)?;
    let number = std::str::from_utf8(&body).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::api(Problem::new(status, "invalid answer: expected a number")))
});

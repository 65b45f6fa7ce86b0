//! Writes that depend on the value that is there: adding to a number, appending, and changing only the deadline.
//!
//! It owns what each of them returns. It does not own how they are sent. Invariant: nothing is sent before they are
//! awaited.

use akvs_core::Code;
use reqwest::StatusCode;

use crate::error::{Error, Problem};
use crate::namespace::write::{Write, conditions, if_absent, sent, ttl};
use crate::{Written, wire};

/// What the body of a number has at most: nineteen digits and a sign, and not much around them.
const MAX_NUMBER_BYTES: u64 = 64;

/// A change of the deadline alone, sent when it is awaited; then none if there is no such key.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
/// use std::time::Duration;
/// assert!(namespace.touch("session").await?.is_none());
/// namespace.set("session", "data").await?;
/// assert!(namespace.touch("session").ttl(Duration::from_secs(60)).await?.is_some());
/// assert!(namespace.get_bytes("session").await?.unwrap().expires.is_some());
/// namespace.touch("session").await?;
/// assert!(namespace.get_bytes("session").await?.unwrap().expires.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a write is sent only when it is awaited"]
pub struct Touch(pub(crate) Write);

conditions!(Touch, "namespace.touch(\"bar\")");
ttl!(
    Touch,
    "namespace.touch(\"bar\")",
    "Without it, the deadline is removed."
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

/// An addition that is sent when it is awaited, and then gives the new value.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
/// assert_eq!(namespace.add("visits", 5).await?, 5);
/// assert_eq!(namespace.add("visits", -2).if_exists().await?, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a write is sent only when it is awaited"]
pub struct Add(pub(crate) Write);

if_absent!(Add, "namespace.add(\"bar\", 5)");
conditions!(Add, "namespace.add(\"bar\", 5)");
ttl!(
    Add,
    "namespace.add(\"bar\", 5)",
    "Without it, a deadline that is there stays."
);
sent!(Add => i64, |write: Write| async move {
    let (_, response) = write.send(StatusCode::OK).await?;
    let status = response.status().as_u16();
    // The head said that it was applied; only the sum is not known.
    let body = wire::body(response, MAX_NUMBER_BYTES).await.map_err(Error::in_doubt)?;
    let number = std::str::from_utf8(&body).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::api(Problem::new(status, "the answer has no number")))
});

/// An appending that is sent when it is awaited.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// # let namespace = akvs_client::Client::new(url)?.namespace("foo")?;
/// namespace.set_bytes("log", "one\n").await?;
/// namespace.append("log", "two\n").await?;
/// assert_eq!(namespace.get_bytes_or("log", "").await?, "one\ntwo\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a write is sent only when it is awaited"]
pub struct Append(pub(crate) Write);

if_absent!(Append, "namespace.append(\"bar\", \"5\")");
conditions!(Append, "namespace.append(\"bar\", \"5\")");
ttl!(
    Append,
    "namespace.append(\"bar\", \"5\")",
    "Without it, a deadline that is there stays."
);
sent!(Append => Written, |write: Write| async move {
    let (written, response) = write.send(StatusCode::OK).await?;
    wire::discard(response).await;
    Ok(written)
});

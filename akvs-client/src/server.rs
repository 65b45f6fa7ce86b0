//! What a server says of itself: that it is there, what it is, and how it does.
//!
//! It owns these requests and their reading. It does not know namespaces. Invariant: another program at the address is
//! never taken for a server.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};
use serde::Deserialize;

use crate::error::{Error, Result, protocol_error};
use crate::{Client, wire};

/// The most bytes of a text that is no value.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// What serves, and within which limits.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let client = akvs_client::Client::new(&serve())?;
/// let version = client.version().await?;
/// println!("{} on {}, {}", version.version, version.engine, version.durability);
/// assert_eq!(version.limits.max_key_bytes, Some(1_024));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Version {
    /// The release.
    pub version: String,
    /// The commit that it was built from, if that is known.
    pub commit: Option<String>,
    /// What keeps the data: `disk` or `memory`.
    pub engine: String,
    /// When a write is answered: `fsync`, `interval`, or `none` where nothing is kept.
    pub durability: String,
    /// What it takes at the most.
    pub limits: Limits,
}

/// What a server takes at the most; none of what it does not say.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let url = &serve();
/// let limits = akvs_client::Client::new(url)?.version().await?.limits;
/// assert_eq!(limits.max_value_bytes, Some(16 << 20));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a key.
    pub max_key_bytes: Option<u64>,
    /// Bytes of a namespace's name.
    pub max_namespace_bytes: Option<u64>,
    /// Bytes of a value.
    pub max_value_bytes: Option<u64>,
    /// Bytes of the body of a request that is no value.
    pub max_request_bytes: Option<u64>,
    /// Items of a page.
    pub max_list_items: Option<u64>,
    /// Operations of a transaction.
    pub max_txn_ops: Option<u64>,
    /// Connections.
    pub max_connections: Option<u64>,
    /// How long the server waits for a part of a request.
    pub request_timeout: Option<Duration>,
}

#[derive(Deserialize)]
struct VersionDocument {
    version: String,
    commit: Option<String>,
    engine: String,
    durability: String,
    #[serde(default)]
    limits: LimitsDocument,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LimitsDocument {
    max_key_bytes: Option<u64>,
    max_namespace_bytes: Option<u64>,
    max_value_bytes: Option<u64>,
    max_request_bytes: Option<u64>,
    max_list_items: Option<u64>,
    max_txn_ops: Option<u64>,
    max_connections: Option<u64>,
    request_timeout_ms: Option<u64>,
}

impl Client {
    /// Asks whether there is a server; it is an error if there is none, or another program. No token is needed.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// client.ping().await?;
    /// # Ok(()) }
    /// ```
    pub async fn ping(&self) -> Result<()> {
        let response = self.get("/ping", &[StatusCode::OK]).await?;
        match &wire::body(response, MAX_TEXT_BYTES).await?[..] {
            b"pong" => Ok(()),
            _ => Err(protocol_error(
                "the answer is no pong: this is no AKVS server",
            )),
        }
    }

    /// Whether the server takes requests: not while it stops, and not once it cannot write. No token is needed.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// assert!(client.is_ready().await?);
    /// # Ok(()) }
    /// ```
    pub async fn is_ready(&self) -> Result<bool> {
        // Both are answers to what was asked, so that neither is to be asked for again.
        let success = [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE];
        let response = self.get("/readyz", &success).await?;
        let is_ready = response.status() == StatusCode::OK;
        wire::discard(response).await;
        Ok(is_ready)
    }

    /// What serves, and within which limits.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let version = client.version().await?;
    /// println!("{}", version.version);
    /// # Ok(()) }
    /// ```
    pub async fn version(&self) -> Result<Version> {
        let request = self.request(Method::GET, ["/version", "", ""])?;
        let answer = self.read_json(request, "the version", version).await?;
        answer.map_err(Error::api)
    }

    /// The server's figures, as Prometheus reads them.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let text = client.metrics().await?;
    /// println!("{text}");
    /// # Ok(()) }
    /// ```
    pub async fn metrics(&self) -> Result<String> {
        let response = self.get("/metrics", &[StatusCode::OK]).await?;
        let body = wire::body(response, MAX_TEXT_BYTES).await?;
        String::from_utf8(body.into()).map_err(|_| protocol_error("the metrics are no text"))
    }

    async fn get(&self, path: &str, success: &[StatusCode]) -> Result<Response> {
        let request = self.request(Method::GET, [path, "", ""])?;
        let answer = self.send(request, success).await?;
        answer.map_err(Error::api)
    }
}

fn version(document: VersionDocument) -> Option<Version> {
    let limits = document.limits;
    Some(Version {
        version: document.version,
        commit: document.commit,
        engine: document.engine,
        durability: document.durability,
        limits: Limits {
            max_key_bytes: limits.max_key_bytes,
            max_namespace_bytes: limits.max_namespace_bytes,
            max_value_bytes: limits.max_value_bytes,
            max_request_bytes: limits.max_request_bytes,
            max_list_items: limits.max_list_items,
            max_txn_ops: limits.max_txn_ops,
            max_connections: limits.max_connections,
            request_timeout: limits.request_timeout_ms.map(Duration::from_millis),
        },
    })
}

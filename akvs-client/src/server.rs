//! The state of a server: ping, readiness, version, metrics.
//!
//! It owns these requests and their parsing. It does not know namespaces. Invariant: another program at the address is
//! never taken for a server.

use std::time::Duration;

use reqwest::{Method, Response, StatusCode};

use crate::error::{Error, Result, protocol_error};
use crate::{Client, wire};

/// The maximum length of a text that is not a value.
const MAX_TEXT_BYTES: u64 = 64 << 20;

/// The version and the limits of a server.
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
    /// The commit that it was built from, if known.
    pub commit: Option<String>,
    /// The storage engine: `disk` or `memory`.
    pub engine: String,
    /// The durability of answered writes: `fsync`, `interval`, or `none`.
    pub durability: String,
    /// The limits.
    pub limits: Limits,
}

/// The limits of a server; `None` for those that it does not report.
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
    /// The maximum length of a key, in bytes.
    pub max_key_bytes: Option<u64>,
    /// The maximum length of a namespace's name, in bytes.
    pub max_namespace_bytes: Option<u64>,
    /// The maximum length of a value, in bytes.
    pub max_value_bytes: Option<u64>,
    /// The maximum length of a request body that is not a value, in bytes.
    pub max_request_bytes: Option<u64>,
    /// The maximum number of items of a page.
    pub max_list_items: Option<u64>,
    /// The maximum number of operations of a transaction.
    pub max_txn_ops: Option<u64>,
    /// The maximum number of connections.
    pub max_connections: Option<u64>,
    /// The time that the server waits for a part of a request.
    pub request_timeout: Option<Duration>,
}

impl Client {
    /// Checks that the server answers; another program at the address is an error. Needs no token.
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
                "unexpected answer to a ping: expected pong; the base URL may be of another program",
            )),
        }
    }

    /// Returns whether the server accepts requests: it does not while it stops, nor once it cannot write. Needs no
    /// token.
    ///
    /// ```no_run
    /// # async fn example(client: akvs_client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// assert!(client.is_ready().await?);
    /// # Ok(()) }
    /// ```
    pub async fn is_ready(&self) -> Result<bool> {
        // Both statuses answer the question, so that neither is repeated.
        let success = [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE];
        let response = self.get("/readyz", &success).await?;
        let is_ready = response.status() == StatusCode::OK;
        wire::discard(response).await;
        Ok(is_ready)
    }

    /// Returns the version and the limits of the server.
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

    /// Returns the server's metrics, in the text format of Prometheus.
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
        String::from_utf8(body.into())
            .map_err(|_| protocol_error("invalid metrics: expected UTF-8"))
    }

    async fn get(&self, path: &str, success: &[StatusCode]) -> Result<Response> {
        let request = self.request(Method::GET, [path, "", ""])?;
        let answer = self.send(request, success).await?;
        answer.map_err(Error::api)
    }
}

fn version(document: akvs_api::Version) -> Option<Version> {
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

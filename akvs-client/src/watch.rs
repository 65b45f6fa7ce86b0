//! Watches of a namespace: streams of changes.
//!
//! It owns the options of a watch and its request. `sse` has the framing, `event` and `change` the events, `resume` the
//! position, `stream` the connections. Invariant: nothing is sent before the stream is polled.

mod change;
mod event;
mod resume;
mod sse;
mod stream;

pub use change::Change;
pub use stream::WatchStream;

use std::fmt;
use std::time::Duration;

use akvs_api::{base64url, param};
use akvs_core::{Code, Error as CoreError, Key, Revision};
use reqwest::{Method, RequestBuilder};

use crate::Client;
use crate::error::Result;
use resume::{ResumeState, Start};

/// The time of three heartbeats of the server.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// A byte of a value has at most six bytes in JSON, `\u0000`.
const ESCAPED_BYTES: u64 = 6;
/// The room of an event for everything but the value.
const EVENT_OVERHEAD_BYTES: u64 = 64 << 10;
/// The maximum size of a transaction, if that is more than the maximum of an event.
const MAX_TRANSACTION_BYTES: usize = 64 << 20;

/// A watch, started when its [`stream`](Self::stream) is polled.
///
/// Without [`since`](Self::since) or [`from_state`](Self::from_state) it reports the changes after the server's answer.
///
/// A watch survives broken connections and restarts of the server: it reconnects, with a backoff from 100 milliseconds
/// to 5 seconds, and resumes at its position. **It reports no change twice, and skips none silently.** The changes of a
/// transaction are reported when all of them were received. A watch ends, with an error, only where a retry would not
/// help: the request is refused (400, 401, 403, 404), the answer violates the contract, or the missed changes are no
/// longer in the server's history ([`Code::HistoryGone`](crate::Code::HistoryGone)). The last case does not end a watch
/// [`from_state`](Self::from_state). While the server cannot be reached, the watch waits; use a timeout around
/// [`WatchStream::next`] to bound that.
///
/// The timeout of the [`Client`](crate::ClientBuilder::timeout) is for single requests and does not end a watch.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use akvs_client::Change;
///
/// let first = namespace.set("user/1", "Ann").await?.revision.expect("a revision");
/// namespace.set("cart/1", "apples").await?;
/// namespace.set("user/1", "Anne").await?;
///
/// let mut changes = namespace.watch().prefix("user/").since(first).values().stream();
/// let Some(Change::Set(stored)) = changes.next().await.transpose()? else {
///     panic!("there is nothing else")
/// };
/// assert_eq!(stored.key, "user/1");
/// assert_eq!(stored.json()?, Some("Anne".to_owned()));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a watch begins only when its stream is polled"]
pub struct Watch {
    target: Target,
    prefix: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    start: Start,
    values: bool,
}

impl Watch {
    /// Returns a watch of the namespace with this path, which begins with `/kv`.
    pub(crate) fn new(client: &Client, namespace_path: &str) -> Watch {
        let path = namespace_path.strip_prefix("/kv").unwrap_or(namespace_path);
        Watch {
            target: Target {
                client: client.clone(),
                path: path.into(),
                query: String::new(),
                idle_timeout: IDLE_TIMEOUT,
            },
            prefix: None,
            key: None,
            start: Start::Now,
            values: false,
        }
    }

    /// Watches only keys with this prefix, and the drop of the namespace.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut changes = namespace.watch().prefix("user/").stream();
    /// let first = changes.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn prefix(mut self, prefix: impl AsRef<[u8]>) -> Watch {
        self.prefix = Some(prefix.as_ref().to_vec());
        self
    }

    /// Watches only this key, and the drop of the namespace. It excludes [`prefix`](Self::prefix): with both, the
    /// stream is a single error.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut changes = namespace.watch().key(b"\xff").stream();
    /// let first = changes.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Watch {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    /// Starts with the first change after this revision. If the history does not reach back to it, the stream ends with
    /// the error [`Code::HistoryGone`](crate::Code::HistoryGone). [`Revision::ZERO`] means
    /// [`from_state`](Self::from_state). The last call of the two counts.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let known = akvs_client::Revision::new(41);
    /// let mut changes = namespace.watch().since(known).stream();
    /// # Ok(()) }
    /// ```
    pub fn since(mut self, revision: Revision) -> Watch {
        self.start = Start::After(revision);
        self
    }

    /// Starts with the state: each key as a [`Change::Set`], in the order of the keys' bytes. [`Change::Synced`]
    /// follows, with the revision of the state; then the changes. If the watch must start again, because the state was
    /// truncated or the history is gone, it reports [`Change::Reset`] first. The last call of this and
    /// [`since`](Self::since) counts.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut changes = namespace.watch().from_state().stream();
    /// let first = changes.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn from_state(mut self) -> Watch {
        self.start = Start::State;
        self
    }

    /// Includes the values, as [`Item::value`](crate::Item::value).
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut changes = namespace.watch().values().stream();
    /// let first = changes.next().await.transpose()?;
    /// # Ok(()) }
    /// ```
    pub fn values(mut self) -> Watch {
        self.values = true;
        self
    }

    /// Sets the time after which a silent connection counts as broken, and that the server may take to answer; 45
    /// seconds by default. The server sends a heartbeat every 15 seconds.
    ///
    /// ```
    /// # let namespace = akvs_client::Client::new("http://localhost:8080")?.namespace("foo")?;
    /// use std::time::Duration;
    /// let changes = namespace.watch().idle_timeout(Duration::from_secs(20)).stream();
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> Watch {
        self.target.idle_timeout = timeout;
        self
    }

    /// Returns the stream of changes. Nothing is sent before it is polled. An invalid option is its only item.
    ///
    /// ```
    /// # let namespace = akvs_client::Client::new("http://localhost:8080")?.namespace("foo")?;
    /// fn is_stream<S: futures_util::Stream + Send + Unpin + 'static>(_: &S) {}
    /// let changes = namespace.watch().stream();
    /// is_stream(&changes);
    /// # Ok::<(), akvs_client::Error>(())
    /// ```
    pub fn stream(self) -> WatchStream {
        let mut target = self.target.clone();
        let max_bytes = target.max_event_bytes().max(MAX_TRANSACTION_BYTES);
        let resume = ResumeState::new(self.start, max_bytes);
        match self.query() {
            Ok(query) => {
                target.query = query;
                WatchStream::new(target, resume)
            }
            Err(error) => WatchStream::with_error(target, resume, error),
        }
    }

    /// Returns the query without the position. Bytes are in base64url, which no proxy changes.
    fn query(&self) -> Result<String> {
        let mut query = String::new();
        if self.key.is_some() && self.prefix.is_some() {
            let text = "both a key and a prefix are set: expected one of them";
            return Err(CoreError::new(Code::InvalidRequest, text).into());
        }
        if self.target.idle_timeout.is_zero() {
            let text = "invalid idle timeout 0: expected more than 0";
            return Err(CoreError::new(Code::InvalidRequest, text).into());
        }
        if let Some(key) = &self.key {
            Key::check(key)?;
            add(&mut query, param::KEY64, &base64url::encode(key));
        }
        if let Some(prefix) = &self.prefix
            && !prefix.is_empty()
        {
            // A prefix longer than a key matches none.
            Key::check(prefix)?;
            add(&mut query, param::PREFIX64, &base64url::encode(prefix));
        }
        if self.values {
            add(&mut query, param::VALUES, "true");
        }
        Ok(query)
    }
}

/// Adds a parameter whose value needs no escapes.
fn add(query: &mut String, name: &str, value: &str) {
    query.extend(["&", name, "=", value]);
}

/// The request of every connection, without the position.
#[derive(Clone)]
struct Target {
    client: Client,
    /// The namespace, after a slash.
    path: Box<str>,
    /// The parameters, each after an ampersand.
    query: String,
    idle_timeout: Duration,
}

impl Target {
    fn request(&self, since: Option<Revision>) -> Result<RequestBuilder> {
        let mut query = self.query.clone();
        if let Some(since) = since {
            add(&mut query, param::SINCE, &since.to_string());
        }
        // The first ampersand, if there is one, becomes the question mark.
        if !query.is_empty() {
            query.replace_range(..1, "?");
        }
        let path = ["/watch", &self.path, &query];
        self.client.request(Method::GET, path)
    }

    /// Returns the maximum length of an event.
    fn max_event_bytes(&self) -> usize {
        let value = self.client.max_value_bytes();
        let bytes = value
            .saturating_mul(ESCAPED_BYTES)
            .saturating_add(EVENT_OVERHEAD_BYTES);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("client", &self.client)
            .field("namespace", &self.path)
            .field("idle_timeout", &self.idle_timeout)
            .finish_non_exhaustive()
    }
}

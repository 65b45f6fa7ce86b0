//! Watching a namespace: what to watch, from where on, and then a stream of changes.
//!
//! It owns the choices of a watch and the request that they make. Its parts own the rest: `sse` the form of the
//! stream, `event` and `change` what is told, `resume` what was told already, `stream` the connections. Invariant: nothing is sent before the stream is polled.

mod change;
mod event;
mod resume;
mod sse;
mod stream;

pub use change::Change;
pub use stream::WatchStream;

use std::fmt;
use std::time::Duration;

use akvs_core::{Code, Error as CoreError, Key, Revision};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::{Method, RequestBuilder};

use crate::Client;
use crate::error::Result;
use resume::{ResumeState, Start};

/// Three heartbeats of the server.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// A byte of a value is at most six in JSON, `\u0000`.
const ESCAPED_BYTES: u64 = 6;
/// What an event may hold besides its value.
const EVENT_OVERHEAD_BYTES: u64 = 64 << 10;
/// What a transaction may hold, where that is more than one event may.
const MAX_TRANSACTION_BYTES: usize = 64 << 20;

/// A watch that begins when its [`stream`](Self::stream) is polled.
///
/// Without [`since`](Self::since) or [`from_state`](Self::from_state) it tells what changes from now on, which is when
/// the server answers.
///
/// A watch outlives connections and servers: whatever fails, it connects anew, after 100 milliseconds at first and 5
/// seconds at last, and goes on from where it was. **It tells no change twice, and skips none in silence.** The changes
/// of a transaction are told when all of them are there. It ends, with an error, only where asking again would not help:
/// the request is refused (400, 401, 403, 404), the answer is not of this contract, or the changes that it missed
/// meanwhile are not in the server's history any more ([`Code::HistoryGone`](crate::Code::HistoryGone)). The last one
/// does not end a watch [`from_state`](Self::from_state). As long as the server cannot be reached, it waits; who does
/// not want to, puts a timeout around [`WatchStream::next`].
///
/// The timeout of the [`Client`](crate::ClientBuilder::timeout) is for single exchanges and does not end a watch.
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
    /// A watch of the namespace whose path is `/kv` and then this.
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

    /// Tells only of keys that begin with these bytes, and of the whole namespace being dropped.
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

    /// Tells only of this key, and of the whole namespace being dropped. It does not go together with
    /// [`prefix`](Self::prefix): then the stream begins, and ends, with an error.
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

    /// Begins with the first change after this revision. Where the history does not reach back to it, the stream
    /// gives an error of [`Code::HistoryGone`](crate::Code::HistoryGone) and ends. After [`Revision::ZERO`] come all
    /// changes that there ever were, so that it means [`from_state`](Self::from_state); of the two the last one counts.
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

    /// Begins with the state: each key that there is as a [`Change::Set`], in the order of the keys' bytes. Then comes
    /// [`Change::Synced`], which says that now all of them were told and of which revision they are; and then what
    /// changes. Where it must begin anew, because the state was cut off before its end or because the history is gone,
    /// it says [`Change::Reset`] first. Of this and [`since`](Self::since) the last one counts.
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

    /// Tells the values too, in [`Item::value`](crate::Item::value).
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

    /// How long a connection may be silent before it counts as broken, and the server may take to answer; 45 seconds
    /// by default. The server says something every 15 seconds.
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

    /// The changes. Nothing is sent before it is polled; a choice that is not valid is its first item, and its last.
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

    /// All of the query but the place. Bytes go in base64url, which nothing on the way can take for something else.
    fn query(&self) -> Result<String> {
        let mut query = String::new();
        if self.key.is_some() && self.prefix.is_some() {
            let text = "a watch is of a key or of a prefix, not of both";
            return Err(CoreError::new(Code::InvalidRequest, text).into());
        }
        if self.target.idle_timeout.is_zero() {
            let text = "an idle timeout is longer than nothing";
            return Err(CoreError::new(Code::InvalidRequest, text).into());
        }
        if let Some(key) = &self.key {
            Key::check(key)?;
            query.push_str("&key64=");
            BASE64_URL_SAFE_NO_PAD.encode_string(key, &mut query);
        }
        if let Some(prefix) = &self.prefix
            && !prefix.is_empty()
        {
            // What is too long for a key is the beginning of none.
            Key::check(prefix)?;
            query.push_str("&prefix64=");
            BASE64_URL_SAFE_NO_PAD.encode_string(prefix, &mut query);
        }
        if self.values {
            query.push_str("&values=true");
        }
        Ok(query)
    }
}

/// What is asked for on every connection, but for the place.
#[derive(Clone)]
struct Target {
    client: Client,
    /// The namespace, with a slash before it.
    path: Box<str>,
    /// Each parameter with an ampersand before it.
    query: String,
    idle_timeout: Duration,
}

impl Target {
    fn request(&self, since: Option<Revision>) -> Result<RequestBuilder> {
        let mut query = self.query.clone();
        if let Some(since) = since {
            query = format!("{query}&since={since}");
        }
        // The first ampersand, if there is one, makes room for the question mark.
        if !query.is_empty() {
            query.replace_range(..1, "?");
        }
        let path = ["/watch", &self.path, &query];
        self.client.request(Method::GET, path)
    }

    /// What is held of an event at most.
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

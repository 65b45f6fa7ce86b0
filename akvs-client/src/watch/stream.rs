//! The stream of changes, over consecutive connections.
//!
//! It owns connections, waits, and which errors end a watch. It does not know the meaning of events. Invariant: it
//! works only while it is polled; its state is kept between polls, so that it is cancel safe.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use akvs_api::media_type::EVENT_STREAM;
use akvs_core::{Code, Revision};
use bytes::Bytes;
use futures_util::Stream;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::time::{sleep, timeout};

use super::Target;
use super::change::Change;
use super::resume::{Next, ResumeState};
use super::sse::{Parser, TooLong};
use crate::error::{Error, Result, is_transient, protocol_error};
use crate::retry::{Backoff, retry_after};
use crate::wire;

const ACCEPTED: HeaderValue =
    HeaderValue::from_static("text/event-stream, application/problem+json");
/// Overrides the timeout of a request, which does not apply to a watch. Timers are limited to about two years; a
/// connection that old is replaced.
const NO_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The changes of a namespace, from [`Watch::stream`](crate::Watch::stream).
///
/// It is a [`Stream`], with a [`next`](Self::next) that needs no extension trait. It ends only after an error. Dropping
/// it closes the connection.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/serve.rs"));
/// # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let namespace = akvs_client::Client::new(&serve())?.namespace("foo")?;
/// use akvs_client::Change;
/// let first = namespace.set("bar", &1).await?.revision.expect("a revision");
/// namespace.del("bar").await?;
/// let mut changes = namespace.watch().since(first).stream();
/// let change = changes.next().await.expect("a stream without an end")?;
/// assert!(matches!(change, Change::Deleted { key, .. } if key == "bar"));
/// # Ok(()) }
/// ```
#[must_use = "a watch begins only when its stream is polled"]
pub struct WatchStream {
    target: Target,
    resume: ResumeState,
    backoff: Backoff,
    state: State,
}

enum State {
    Closed,
    Busy(Task),
    Open(Box<Open>),
    Ended,
}

/// A connection, with bytes that are not parsed yet.
struct Open {
    response: Response,
    parser: Parser,
    bytes: Bytes,
}

type Task = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The result of a task.
enum Outcome {
    Waited,
    Connected(Response),
    Read(Box<Open>),
    /// A failure to retry, after the wait that the server requests.
    Failed(Option<Duration>),
    /// A failure that ends the watch.
    Refused(Error),
}

impl WatchStream {
    pub(super) fn new(target: Target, resume: ResumeState) -> WatchStream {
        WatchStream {
            target,
            resume,
            backoff: Backoff::default(),
            state: State::Closed,
        }
    }

    /// Returns a stream with this error as its only item.
    pub(super) fn with_error(target: Target, resume: ResumeState, error: Error) -> WatchStream {
        let state = State::Busy(Box::pin(async { Outcome::Refused(error) }));
        WatchStream {
            state,
            ..WatchStream::new(target, resume)
        }
    }

    /// Returns the next change; `None` after an error. It is cancel safe: a dropped future (`select!`, a timeout) loses
    /// nothing.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut changes = namespace.watch().key("a").prefix("b").stream();
    /// assert!(changes.next().await.unwrap().is_err());
    /// assert!(changes.next().await.is_none());
    /// # Ok(()) }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Change>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Returns the revision up to which all changes were returned: [`since`](crate::Watch::since) resumes there, in
    /// another process too. It advances also while only other keys change. `None` before the server sent its revision,
    /// and within the state.
    ///
    /// ```no_run
    /// # async fn example(namespace: akvs_client::Namespace) -> Result<(), Box<dyn std::error::Error>> {
    /// let changes = namespace.watch().stream();
    /// println!("{:?}", changes.revision());
    /// # Ok(()) }
    /// ```
    pub fn revision(&self) -> Option<Revision> {
        self.resume.position()
    }

    /// Advances by an outcome. After an error the state stays `Ended`.
    fn step(&mut self, outcome: Outcome) -> Result<State> {
        match outcome {
            Outcome::Waited => self.connect(),
            Outcome::Connected(response) => {
                self.resume.on_connected();
                Ok(State::Open(Box::new(Open {
                    response,
                    parser: Parser::new(self.target.max_event_bytes()),
                    bytes: Bytes::new(),
                })))
            }
            Outcome::Read(open) => {
                self.backoff.reset();
                Ok(State::Open(open))
            }
            Outcome::Failed(retry_after) => Ok(self.wait(retry_after)),
            Outcome::Refused(error) if error.code() == Some(Code::HistoryGone) => {
                self.resume.on_history_gone(error)?;
                Ok(self.wait(None))
            }
            Outcome::Refused(error) => Err(error),
        }
    }

    fn connect(&self) -> Result<State> {
        let request = self.target.request(self.resume.since())?;
        let headers = HeaderMap::from_iter([(ACCEPT, ACCEPTED)]);
        let request = request.headers(headers).timeout(NO_TIMEOUT);
        let answer = timeout(self.target.idle_timeout, open(request));
        Ok(State::Busy(Box::pin(async {
            answer.await.unwrap_or(Outcome::Failed(None))
        })))
    }

    fn wait(&mut self, retry_after: Option<Duration>) -> State {
        let wait = self.backoff.wait(fastrand::f64(), retry_after);
        State::Busy(Box::pin(async move {
            sleep(wait).await;
            Outcome::Waited
        }))
    }

    /// Parses the received bytes, up to the first piece that yields a change; then reads more.
    fn parse(&mut self, mut open: Box<Open>) -> Result<State> {
        while self.resume.is_empty() {
            match open.parser.next(&mut open.bytes) {
                Ok(Some(piece)) => match self.resume.on_event(&piece)? {
                    Next::Read => {}
                    Next::Restart => return Ok(self.wait(None)),
                },
                Ok(None) => return Ok(self.read(open)),
                Err(TooLong) => {
                    let limit = self.target.max_event_bytes();
                    let text = format!("watch event too long: expected at most {limit} bytes");
                    return Err(protocol_error(text));
                }
            }
        }
        Ok(State::Open(open))
    }

    fn read(&self, mut open: Box<Open>) -> State {
        let idle_timeout = self.target.idle_timeout;
        State::Busy(Box::pin(async move {
            match timeout(idle_timeout, open.response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    open.bytes = bytes;
                    Outcome::Read(open)
                }
                // Whether it failed, ended or timed out: the rest is requested again.
                Ok(Ok(None) | Err(_)) | Err(_) => Outcome::Failed(None),
            }
        }))
    }
}

impl Stream for WatchStream {
    type Item = Result<Change>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Change>>> {
        let this = self.get_mut();
        loop {
            if let Some(change) = this.resume.pop() {
                return Poll::Ready(Some(Ok(change)));
            }
            let next = match std::mem::replace(&mut this.state, State::Ended) {
                State::Ended => return Poll::Ready(None),
                State::Closed => this.connect(),
                State::Open(open) => this.parse(open),
                State::Busy(mut task) => match task.as_mut().poll(context) {
                    Poll::Ready(outcome) => this.step(outcome),
                    Poll::Pending => {
                        this.state = State::Busy(task);
                        return Poll::Pending;
                    }
                },
            };
            match next {
                Ok(state) => this.state = state,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl fmt::Debug for WatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchStream")
            .field("target", &self.target)
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

/// Requests the stream.
async fn open(request: RequestBuilder) -> Outcome {
    let response = match request.send().await.map_err(Error::from) {
        Ok(response) => response,
        Err(error) if error.is_transient() => return Outcome::Failed(None),
        Err(error) => return Outcome::Refused(error),
    };
    let status = response.status();
    if status == StatusCode::OK {
        return match is_event_stream(response.headers()) {
            true => Outcome::Connected(response),
            false => Outcome::Refused(protocol_error(
                "invalid answer to a watch: expected text/event-stream",
            )),
        };
    }
    // Unlike a call, a watch also survives internal errors of the server.
    let failed = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    if failed || is_transient(status) {
        return Outcome::Failed(retry_after(response.headers()));
    }
    match wire::problem(response).await {
        Ok(problem) => Outcome::Refused(Error::api(problem)),
        Err(_) => Outcome::Failed(None),
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let media_type = wire::text_field(headers, CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case(EVENT_STREAM)
}

//! HTTP/2 (RFC 9113), with the same limits as HTTP/1.1.
//!
//! | module | owns |
//! | --- | --- |
//! | `long_targets` | targets that are too long |
//! | `memory` | the memory of the requests of a connection |
//! | `hpack` | the position of the target in compressed fields |
//! | `linger` | the end of a connection after an error |
//! | `data` | the unsent bytes of an answer |
//! | `request` | conversion of requests for actix |
//! | `response` | an answer as frames, within the client's windows |
//! | `stream` | one request from its head to the end of its answer |
//! | `frames` | the state of the frames on the wire |
//!
//! The `h2` crate implements the protocol; actix's own service sets none of its limits. All requests of a connection are
//! polled with it and end with it. Invariants: the requests, the unread bytes and the heads of a connection are bounded;
//! memory beyond that of a connection of HTTP/1.1 counts towards the limits of all connections; a client that takes too
//! long is cut off.

mod data;
mod frames;
mod hpack;
mod linger;
mod long_targets;
mod memory;
mod request;
mod response;
mod stream;

use std::cell::RefCell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{Request, Response};
use actix_server::GracefulShutdownSignal;
use actix_service::Service;
use actix_web::body::{BoxBody, MessageBody};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use h2::Reason;
use h2::server::{Builder, Connection, SendResponse};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use self::data::DataPiece;
use self::frames::{FrameState, FrameStream};
use self::long_targets::TargetFilter;
use self::memory::ConnectionMemory;
use crate::transport::connection::{ConnectionState, MAX_HEAD_BYTES, Timeouts};
use crate::transport::resources::Resources;

/// The maximum number of requests in flight on a connection.
const MAX_STREAMS: u32 = 128;
/// The maximum of unread bytes of a body.
const STREAM_WINDOW: u32 = 256 << 10;
/// The maximum of unread bytes of all bodies of a connection.
const CONNECTION_WINDOW: u32 = 512 << 10;
/// The maximum of unsent bytes of an answer.
const SEND_BUFFER: usize = 64 << 10;
/// The number of requests that a client may cancel in addition to those that it lets end.
const MAX_CANCELLED: u32 = 256;
/// The maximum number of reset streams that are kept until the client acknowledges their end.
const MAX_RESET_STREAMS: usize = 32;
/// The maximum number of streams that a client may end by its errors.
const MAX_ERRORS: usize = 256;
/// The time that a client has to notice that the connection ends.
const LINGER: Duration = Duration::from_secs(1);
/// The maximum length of a frame.
const FRAME: u32 = 16 << 10;

/// The service of a connection.
pub(crate) struct Http2Service<S> {
    pub(crate) app: Rc<S>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) connection: Rc<ConnectionState>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) timeouts: Timeouts,
    /// Completes when the server stops.
    pub(crate) ending: GracefulShutdownSignal,
}

/// Serves a connection to its end.
pub(crate) async fn serve<T, S, B>(stream: T, served: Http2Service<S>) -> Result<(), DispatchError>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request>,
    S::Response: Into<Response<B>>,
    S::Error: Into<Response<BoxBody>>,
    B: MessageBody,
{
    let watch = Rc::new(FrameState::default());
    let blocks = TargetFilter::new(stream, Rc::clone(&watch));
    let stream = Rc::new(RefCell::new(blocks));
    let watched = FrameStream::new(Rc::clone(&stream), Rc::clone(&watch));
    let handshake = builder().handshake::<_, DataPiece>(watched);
    let connection = tokio::time::timeout(served.timeouts.head, handshake)
        .await
        .map_err(|_| DispatchError::SlowRequestTimeout)?
        .map_err(failed)?;
    let idle_end = Instant::now() + served.timeouts.idle;
    let memory = Rc::new(ConnectionMemory::new(&served.resources));
    let served = Rc::new(served);
    let ending = served.ending.clone();
    let mut driver = Driver {
        connection,
        requests: FuturesUnordered::new(),
        begin: |request, respond: SendResponse<DataPiece>| {
            let (served, memory, watch) =
                (Rc::clone(&served), Rc::clone(&memory), Rc::clone(&watch));
            let stream = u32::from(respond.stream_id());
            let is_long = watch.begin(stream);
            async move {
                let request = (request, is_long);
                let outcome = stream::serve(served, memory, request, respond).await;
                watch.end(stream);
                outcome
            }
        },
        cancelled: 0,
        is_aborted: false,
        has_sent_error: false,
        timeouts: served.timeouts,
        watch: Rc::clone(&watch),
        idle_end,
        ending: Some(Box::pin(async move { ending.notified().await })),
        last: None,
        tick: Box::pin(sleep_until(idle_end)),
    };
    let ended = std::future::poll_fn(|context| driver.poll(context)).await;
    let has_sent_error = driver.is_aborted || driver.has_sent_error;
    drop(driver);
    if has_sent_error {
        linger::linger(&stream).await;
    }
    ended
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEAD_BYTES as u32)
        .max_frame_size(FRAME)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(MAX_RESET_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(Some(MAX_ERRORS));
    builder
}

fn failed(error: h2::Error) -> DispatchError {
    DispatchError::Io(std::io::Error::other(error))
}

/// The end of a request.
pub(crate) enum Outcome {
    /// The request was answered, though the client may not have read all of the answer.
    Answered,
    /// The client cancelled the request.
    Cancelled,
}

/// The future that drives a connection and its requests.
struct Driver<T, F, R> {
    connection: Connection<FrameStream<TargetFilter<T>>, DataPiece>,
    requests: FuturesUnordered<R>,
    begin: F,
    cancelled: u32,
    /// Whether the connection ends with `ENHANCE_YOUR_CALM`.
    is_aborted: bool,
    /// Whether the connection ends with another error of the client.
    has_sent_error: bool,
    timeouts: Timeouts,
    watch: Rc<FrameState>,
    /// The time at which a connection without requests ends.
    idle_end: Instant,
    ending: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// The time at which the connection is cut off after `GOAWAY`.
    last: Option<Instant>,
    tick: Pin<Box<Sleep>>,
}

impl<T, F, R> Driver<T, F, R>
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Fn(http::Request<h2::RecvStream>, SendResponse<DataPiece>) -> R,
    R: Future<Output = Outcome>,
{
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<(), DispatchError>> {
        if let Some(ending) = &mut self.ending
            && ending.as_mut().poll(context).is_ready()
        {
            self.ending = None;
            self.end();
        }
        loop {
            self.watch.resume();
            self.poll_requests(context);
            match self.connection.poll_accept(context) {
                Poll::Ready(Some(Ok((request, respond)))) => {
                    self.requests.push((self.begin)(request, respond));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.has_sent_error = !error.is_io();
                    return Poll::Ready(Err(failed(error)));
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending if self.watch.has_many_trailers() && !self.is_aborted => self.abort(),
                // The head that ended was not that of a request.
                Poll::Pending if self.watch.is_held() => {}
                Poll::Pending => break,
            }
        }
        self.poll_late(context)
    }

    fn poll_requests(&mut self, context: &mut Context<'_>) {
        let was_busy = !self.requests.is_empty();
        while let Poll::Ready(Some(outcome)) = self.requests.poll_next_unpin(context) {
            self.cancelled = match outcome {
                Outcome::Answered => self.cancelled.saturating_sub(1),
                Outcome::Cancelled => self.cancelled + 1,
            };
            if self.cancelled == MAX_CANCELLED {
                self.abort();
            }
        }
        if was_busy && self.requests.is_empty() {
            let now = Instant::now();
            self.idle_end = now + self.timeouts.idle;
            self.last = self.last.map(|last| last.max(now + LINGER));
        }
    }

    /// Ends the connection at once, because its client requests too much.
    fn abort(&mut self) {
        if !std::mem::replace(&mut self.is_aborted, true) {
            self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
    }

    /// Sends `GOAWAY`: no further request is accepted.
    fn end(&mut self) {
        if self.last.is_none() {
            self.last = Some(Instant::now() + LINGER);
            self.connection.graceful_shutdown();
        }
    }

    /// Completes when the client has taken too long.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<Result<(), DispatchError>> {
        loop {
            let is_idle = self.requests.is_empty();
            let head = self
                .watch
                .head_since()
                .map(|since| since + self.timeouts.head);
            let write = self
                .watch
                .full_since()
                .map(|since| since + self.timeouts.stall);
            let idle = Some(self.idle_end).filter(|_| is_idle && self.last.is_none());
            let last = self.last.filter(|_| is_idle);
            let now = Instant::now();
            if [head, write, last]
                .into_iter()
                .flatten()
                .any(|end| end <= now)
            {
                return Poll::Ready(Err(DispatchError::SlowRequestTimeout));
            }
            if idle.is_some_and(|end| end <= now) {
                self.end();
                // So that the connection sends `GOAWAY`.
                context.waker().wake_by_ref();
                continue;
            }
            let next = [head, write, idle, last].into_iter().flatten().min();
            let Some(next) = next else {
                return Poll::Pending;
            };
            if self.tick.deadline() > next || self.tick.is_elapsed() {
                self.tick.as_mut().reset(next);
            }
            std::task::ready!(self.tick.as_mut().poll(context));
        }
    }
}

//! The requests of a connection: how many were passed on, how many are answered, and what ends the connection.
//!
//! The stream below the HTTP framework and the middleware above it share this, and nothing else does. All of it is of
//! one thread.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_http::{ConnectionType, HttpMessage, ResponseHead};
use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::Version;
use bytes::Bytes;

use super::Refusal;
use crate::metrics::ConnectionGuard;
use crate::request::body::BodyFault;
use crate::response::memory::{SLICE_BYTES, Shared};

/// So many slices of an answer go out before the worker's other tasks get their turn.
const SLICES_IN_A_ROW: usize = 8;

/// What is known of the requests of a connection.
#[derive(Default)]
pub(super) struct RequestTracker {
    /// Requests that were passed on.
    passed: Cell<u64>,
    /// Requests that were answered to the last byte.
    answered: Cell<u64>,
    under_way: Cell<usize>,
    /// Whether the answer to the request that was passed on last has begun.
    is_begun: Cell<bool>,
    /// Whether the connection ends with the answer that is under way.
    is_closing: Cell<bool>,
    /// The answer to the request that was passed on last, which is none.
    refusal: Cell<Option<Box<Refusal>>>,
    /// Why the body of the request that is under way ends early.
    fault: BodyFault,
    /// The task that waits for the end of all requests that are under way.
    waiter: Cell<Option<Waker>>,
}

impl RequestTracker {
    /// Notes that one more request is passed on.
    pub(super) fn count_request(&self) {
        self.passed.set(self.passed.get() + 1);
        self.is_begun.set(false);
    }

    /// Notes that in place of a request this is to be answered.
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refusal.set(Some(Box::new(refusal)));
        self.is_closing.set(true);
        self.count_request();
    }

    /// Notes that the body of the request that is under way is cut off, and why.
    pub(super) fn cut_body(&self, fault: &'static str) {
        self.fault.set(fault);
        self.is_closing.set(true);
    }

    /// Why the body of the request that is under way ends early.
    pub(super) fn fault(&self) -> BodyFault {
        self.fault.clone()
    }

    /// Notes that no request follows the one that is passed on.
    pub(super) fn close(&self) {
        self.is_closing.set(true);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    /// Whether every request that was passed on is answered.
    pub(super) fn is_answered(&self) -> bool {
        self.passed.get() == self.answered.get()
    }

    /// Whether the answer to the request that was passed on last has begun.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun.get()
    }

    /// Whether a request is being answered.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.get() > 0
    }

    /// Wakes this task once every request is answered.
    pub(super) fn wake_when_answered(&self, waker: &Waker) {
        self.waiter.set(Some(waker.clone()));
    }
}

/// A connection, as its requests know it.
pub(crate) struct ConnectionState {
    progress: Rc<RequestTracker>,
    is_owner: bool,
    is_local: bool,
    _open: ConnectionGuard,
}

/// A request that is under way, until the last byte of its answer is given out.
pub(crate) struct RequestGuard(Rc<RequestTracker>);

impl ConnectionState {
    /// A connection whose requests are counted here.
    pub(super) fn new(
        progress: Rc<RequestTracker>,
        is_owner: bool,
        open: ConnectionGuard,
    ) -> ConnectionState {
        ConnectionState {
            progress,
            is_owner,
            is_local: false,
            _open: open,
        }
    }

    /// A connection that tells its requests apart by itself, as HTTP/2 does.
    pub(crate) fn for_http2(is_owner: bool, open: ConnectionGuard) -> ConnectionState {
        ConnectionState::new(Rc::default(), is_owner, open)
    }

    /// One more request, or what to answer to what is none.
    pub(crate) fn begin_request(&self) -> (RequestGuard, Option<Box<Refusal>>) {
        let progress = &self.progress;
        progress.under_way.set(progress.under_way.get() + 1);
        (RequestGuard(Rc::clone(progress)), progress.refusal.take())
    }

    /// Whether it came over the socket that only the owner of the data may open.
    pub(crate) fn is_owner(&self) -> bool {
        self.is_owner
    }

    /// The same, of a connection over a Unix socket or not, which no browser has.
    pub(crate) fn with_local(self, is_local: bool) -> ConnectionState {
        ConnectionState { is_local, ..self }
    }

    /// Whether it came over a Unix socket.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// The connection of a request, where it has many at once. One that has not is the request's `conn_data`.
    pub(crate) fn from_http2(request: &impl HttpMessage) -> Option<Rc<ConnectionState>> {
        request.extensions().get::<Rc<ConnectionState>>().cloned()
    }

    /// What the connection of a request answers, or none where it is of no connection, as in the test of a route.
    pub(crate) fn with<T>(
        request: &HttpRequest,
        question: impl FnOnce(&ConnectionState) -> T,
    ) -> Option<T> {
        if let Some(connection) = request.conn_data::<ConnectionState>() {
            return Some(question(connection));
        }
        ConnectionState::from_http2(request)
            .as_deref()
            .map(question)
    }
}

impl RequestGuard {
    /// How the answer leaves its connection: as the request asked for, or closed.
    pub(crate) fn set_connection_type(&self, head: &mut ResponseHead) {
        // A head that is used again still has the version of the answer before, which would speak for it.
        head.version = Version::HTTP_11;
        self.0.is_begun.set(true);
        if self.0.is_closing() {
            head.set_connection_type(ConnectionType::Close);
        } else if head.connection_type() == ConnectionType::Close {
            self.0.close();
        }
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let progress = &self.0;
        progress.under_way.set(progress.under_way.get() - 1);
        progress.answered.set(progress.answered.get() + 1);
        if progress.is_answered()
            && let Some(waiter) = progress.waiter.take()
        {
            waiter.wake();
        }
    }
}

/// The body of an answer, which is under way for as long as this is there. It goes out in slices, because whoever sends
/// it copies what it gets: not more of it is ever copied than is on its way to the socket.
pub(crate) struct Answer {
    body: Body,
    /// What is left of a part of the body that is longer than a slice.
    rest: Bytes,
    slices: usize,
    /// The memory that is counted for it.
    _held: Option<Box<Shared>>,
    _under_way: Option<RequestGuard>,
}

enum Body {
    Some(BoxBody),
    /// None, of an answer to HEAD over HTTP/1.1.
    None,
}

impl Answer {
    pub(crate) fn new(
        body: BoxBody,
        held: Option<Box<Shared>>,
        under_way: Option<RequestGuard>,
    ) -> Answer {
        Answer {
            body: Body::Some(body),
            rest: Bytes::new(),
            slices: 0,
            _held: held,
            _under_way: under_way,
        }
    }

    /// The body of an answer that has none, and whose head says by itself how long it would be.
    pub(crate) fn to_head(under_way: Option<RequestGuard>) -> Answer {
        Answer {
            body: Body::None,
            rest: Bytes::new(),
            slices: 0,
            _held: None,
            _under_way: under_way,
        }
    }
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        match &self.body {
            Body::Some(body) => body.size(),
            // So that actix adds nothing to the head.
            Body::None => BodySize::Stream,
        }
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.slices >= SLICES_IN_A_ROW {
            self.slices = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.rest.is_empty() {
            let part = match &mut self.body {
                Body::Some(body) => std::task::ready!(Pin::new(body).poll_next(context)),
                Body::None => None,
            };
            match part {
                Some(Ok(part)) if part.len() >= SLICE_BYTES => self.rest = part,
                part => return Poll::Ready(part),
            }
        }
        self.slices += 1;
        let most = self.rest.len().min(SLICE_BYTES);
        Poll::Ready(Some(Ok(self.rest.split_to(most))))
    }
}

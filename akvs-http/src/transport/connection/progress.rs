//! The requests of a connection: how many were passed on to actix, how many are answered, and whether the connection ends.
//!
//! The stream below actix and the service of requests above it share this state, on one thread.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use actix_http::{ConnectionType, HttpMessage, ResponseHead};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::Version;
use bytes::Bytes;

use super::Refusal;
use crate::metrics::ConnectionGuard;
use crate::request::body::BodyFault;
use crate::request::message::Request;
use crate::response::memory::{SLICE_BYTES, Shared};

/// The number of slices of an answer that are sent before the worker's other tasks get their turn.
const SLICES_IN_A_ROW: usize = 8;

/// The state of the requests of a connection.
#[derive(Default)]
pub(super) struct RequestTracker {
    /// The number of requests that were passed on.
    passed: Cell<u64>,
    /// The number of requests that were answered to the last byte.
    answered: Cell<u64>,
    /// The number of requests that have reached the service and are not answered.
    in_flight: Cell<usize>,
    /// Whether the answer to the last request has begun.
    is_begun: Cell<bool>,
    /// Whether the connection ends with the current answer.
    is_closing: Cell<bool>,
    /// The refusal that answers the request passed on last.
    refusal: Cell<Option<Box<Refusal>>>,
    /// The reason why the body of the current request was cut off.
    fault: BodyFault,
    /// The task that waits until all requests are answered.
    waiter: Cell<Option<Waker>>,
}

impl RequestTracker {
    /// Counts a request that is passed on.
    pub(super) fn count_request(&self) {
        self.passed.set(self.passed.get() + 1);
        self.is_begun.set(false);
    }

    /// Counts a request that is answered with this refusal.
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.refusal.set(Some(Box::new(refusal)));
        self.is_closing.set(true);
        self.count_request();
    }

    /// Records that the body of the current request was cut off, and the reason.
    pub(super) fn cut_body(&self, fault: &'static str) {
        self.fault.set(fault);
        self.is_closing.set(true);
    }

    /// Returns the reason why the body of the current request was cut off.
    pub(super) fn fault(&self) -> BodyFault {
        self.fault.clone()
    }

    /// Records that the connection ends with the answer to the last request.
    pub(super) fn close(&self) {
        self.is_closing.set(true);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    /// Returns whether every request that was passed on is answered.
    pub(super) fn is_answered(&self) -> bool {
        self.passed.get() == self.answered.get()
    }

    /// Returns whether the answer to the last request has begun.
    pub(super) fn is_begun(&self) -> bool {
        self.is_begun.get()
    }

    /// Returns whether a request has reached the service and is not answered.
    pub(super) fn is_in_flight(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// Wakes this task once every request is answered.
    pub(super) fn wake_when_answered(&self, waker: &Waker) {
        self.waiter.set(Some(waker.clone()));
    }
}

/// The state of a connection that its requests see.
pub(crate) struct ConnectionState {
    progress: Rc<RequestTracker>,
    is_owner: bool,
    is_local: bool,
    _open: ConnectionGuard,
}

/// A guard that counts a request as in flight until the last byte of its answer is sent.
pub(crate) struct RequestGuard(Rc<RequestTracker>);

impl ConnectionState {
    /// Returns the state of a connection whose requests are counted here.
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

    /// Returns the state of a connection of HTTP/2, which distinguishes its requests itself.
    pub(crate) fn for_http2(is_owner: bool, open: ConnectionGuard) -> ConnectionState {
        ConnectionState::new(Rc::default(), is_owner, open)
    }

    /// Counts a request as in flight; returns the refusal that answers it, if there is one.
    pub(crate) fn begin_request(&self) -> (RequestGuard, Option<Box<Refusal>>) {
        let progress = &self.progress;
        progress.in_flight.set(progress.in_flight.get() + 1);
        (RequestGuard(Rc::clone(progress)), progress.refusal.take())
    }

    /// Returns whether the connection uses the admin socket.
    pub(crate) fn is_owner(&self) -> bool {
        self.is_owner
    }

    /// Sets whether the connection uses a Unix socket, which no browser can.
    pub(crate) fn with_local(self, is_local: bool) -> ConnectionState {
        ConnectionState { is_local, ..self }
    }

    /// Returns whether the connection uses a Unix socket.
    pub(crate) fn is_local(&self) -> bool {
        self.is_local
    }

    /// Returns the connection of a request of HTTP/2. That of a request of HTTP/1.1 is its `conn_data`.
    pub(crate) fn from_http2(request: &impl HttpMessage) -> Option<Rc<ConnectionState>> {
        request.extensions().get::<Rc<ConnectionState>>().cloned()
    }

    /// Applies a function to the connection of a request; returns none without a connection, as in the test of a route.
    pub(crate) fn with<T>(
        request: &Request,
        read: impl FnOnce(&ConnectionState) -> T,
    ) -> Option<T> {
        if let Some(connection) = request.conn_data::<ConnectionState>() {
            return Some(read(connection));
        }
        ConnectionState::from_http2(request).as_deref().map(read)
    }
}

impl RequestGuard {
    /// Sets whether the connection stays open after the answer.
    pub(crate) fn set_connection_type(&self, head: &mut ResponseHead) {
        // actix reuses the head of an earlier answer, whose version would decide the default.
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
        progress.in_flight.set(progress.in_flight.get() - 1);
        progress.answered.set(progress.answered.get() + 1);
        if progress.is_answered()
            && let Some(waiter) = progress.waiter.take()
        {
            waiter.wake();
        }
    }
}

/// The body of an answer. Its request is in flight until this is dropped. It is sent in slices, because actix copies each
/// part into its write buffer.
pub(crate) struct Answer {
    body: Body,
    /// The rest of a part of the body that is longer than a slice.
    rest: Bytes,
    slices: usize,
    /// The reserved memory of the body.
    _held: Option<Box<Shared>>,
    _guard: Option<RequestGuard>,
}

enum Body {
    Some(BoxBody),
    /// The body of an answer to HEAD over HTTP/1.1.
    None,
}

impl Answer {
    pub(crate) fn new(
        body: BoxBody,
        held: Option<Box<Shared>>,
        guard: Option<RequestGuard>,
    ) -> Answer {
        Answer {
            body: Body::Some(body),
            rest: Bytes::new(),
            slices: 0,
            _held: held,
            _guard: guard,
        }
    }

    /// Returns the body of an answer to HEAD, whose `Content-Length` is set already.
    pub(crate) fn to_head(guard: Option<RequestGuard>) -> Answer {
        Answer {
            body: Body::None,
            rest: Bytes::new(),
            slices: 0,
            _held: None,
            _guard: guard,
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
        let length = self.rest.len().min(SLICE_BYTES);
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}

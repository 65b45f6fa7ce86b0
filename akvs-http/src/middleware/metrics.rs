//! The middleware around every request: it counts, times and logs requests, runs the guard, adds the standing header
//! fields, and reserves the memory of large responses.
//!
//! A response counts when its head is ready, without waiting for a streamed body. A request whose client closes the
//! connection before counts as abandoned. The answer to bytes that are not a request passes here, too.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::ConnectionType;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::{Error, HttpMessage};
use futures_util::future::LocalBoxFuture;

use crate::metrics::{Labels, WorkerCounters};
use crate::middleware::{access_log, guard};
use crate::request::body;
use crate::response::memory::{ResponseMemory, ResponseReservation, SMALL_BYTES, Shared};
use crate::response::{fields, problem};
use crate::state::State;
use crate::transport::connection::{Answer, ConnectionState, RequestGuard};

/// The middleware of one worker.
pub(crate) struct MetricsMiddleware(Rc<Worker>);

/// The counters of a worker. They stay on its thread, so that holding them costs a request nothing.
struct Worker {
    counters: Arc<WorkerCounters>,
    state: Arc<State>,
}

impl MetricsMiddleware {
    /// Returns a middleware with these counters and the clock of the registry.
    pub(crate) fn new(counters: Arc<WorkerCounters>, state: Arc<State>) -> MetricsMiddleware {
        MetricsMiddleware(Rc::new(Worker { counters, state }))
    }
}

impl<S> Transform<S, ServiceRequest> for MetricsMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    S::Future: Unpin,
{
    type Response = ServiceResponse<Answer>;
    type Error = Error;
    type Transform = MetricsService<S>;
    type InitError = ();
    type Future = Ready<Result<MetricsService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(MetricsService {
            service,
            worker: Rc::clone(&self.0),
        }))
    }
}

/// The middleware around the service of a connection.
pub(crate) struct MetricsService<S> {
    service: S,
    worker: Rc<Worker>,
}

impl<S> Service<ServiceRequest> for MetricsService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
    S::Future: Unpin,
{
    type Response = ServiceResponse<Answer>;
    type Error = Error;
    type Future = RequestFuture<S::Future>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let start = self.worker.state.registry.elapsed();
        let connection = request.conn_data::<ConnectionState>();
        let stream_connection = match connection {
            Some(_) => None,
            None => ConnectionState::from_http2(&request),
        };
        let connection = connection.or(stream_connection.as_deref());
        let is_owner = connection.is_some_and(ConnectionState::is_owner);
        let route = self.worker.state.routes.find(request.path(), is_owner);
        let labels = Labels::new(route, request.head());
        let body_bytes = if labels.has_body() {
            body::content_length(request.headers()).unwrap_or(0)
        } else {
            0
        };
        self.worker.counters.begin(body_bytes);
        let (guard, refusal) = connection.map(ConnectionState::begin_request).unzip();
        let checked = guard::check(request.head(), route, connection, &self.worker.state);
        RequestFuture {
            in_flight: Some(InFlight {
                worker: Rc::clone(&self.worker),
                labels,
                start,
                guard,
            }),
            answer: match (refusal.flatten(), checked) {
                (Some(refusal), _) => {
                    let response = refusal.response();
                    PendingAnswer::Rejected(Some(request.into_response(response)))
                }
                (None, Ok(())) => PendingAnswer::Served(self.service.call(request)),
                (None, Err(error)) => PendingAnswer::Refusing(Box::pin(refuse(request, error))),
            },
        }
    }
}

/// Returns the response of a request that is in flight until the response is sent.
fn answer(
    response: ServiceResponse,
    held: Option<Box<Shared>>,
    guard: Option<RequestGuard>,
) -> ServiceResponse<Answer> {
    let request = response.request();
    let version = request.version();
    // In HTTP/2 the sender of the answer knows that it is to HEAD.
    let is_head = request.method() == Method::HEAD && version <= Version::HTTP_11;
    response.map_body(|head, body| {
        if version < Version::HTTP_11 && body.size() == BodySize::Stream {
            // HTTP/1.0 has no chunks (RFC 9112, section 6.1): the end of the connection is the end of the body.
            head.no_chunking(true);
            head.set_connection_type(ConnectionType::Close);
        }
        if let Some(guard) = &guard {
            guard.set_connection_type(head);
        }
        if !is_head || body.size() == BodySize::None {
            return Answer::new(body, held, guard);
        }
        if let BodySize::Sized(bytes) = body.size() {
            let length = HeaderValue::from(bytes);
            head.headers_mut().insert(CONTENT_LENGTH, length);
        }
        head.no_chunking(true);
        Answer::to_head(guard)
    })
}

/// Reserves the memory of a large response that is ready as a whole. If too little is left, a read gets an error; the
/// result of a write is always sent.
fn hold(
    response: ServiceResponse,
    memory: &ResponseMemory,
) -> (ServiceResponse, Option<Box<Shared>>) {
    match response.response().body().size() {
        BodySize::Sized(bytes) if bytes > SMALL_BYTES as u64 => {}
        BodySize::Sized(_) | BodySize::None | BodySize::Stream => return (response, None),
    }
    let method = response.request().method();
    let (is_head, is_read) = (method == Method::HEAD, method == Method::GET);
    let (request, mut response) = response.into_parts();
    // Reserved by a route that knew the size before.
    let reserved = response.extensions_mut().remove::<ResponseReservation>();
    let (response, body) = response.into_parts();
    let bytes = match body.try_into_bytes() {
        Ok(bytes) if !is_head => bytes,
        Ok(bytes) => {
            let response = response.set_body(BoxBody::new(bytes));
            return (ServiceResponse::new(request, response), None);
        }
        // A body that is made while it is sent has a reservation of its own.
        Err(body) => {
            let response = response.set_body(body);
            return (ServiceResponse::new(request, response), None);
        }
    };
    match memory.share(&bytes, reserved) {
        Err(error) if is_read => {
            let response = problem::respond(&request, &error);
            (ServiceResponse::new(request, response), None)
        }
        held => {
            let response = response.set_body(BoxBody::new(bytes));
            let held = held.ok().map(Box::new);
            (ServiceResponse::new(request, response), held)
        }
    }
}

/// Answers a request that reaches no handler. Its content is discarded first, so that the connection can be used again.
async fn refuse(mut request: ServiceRequest, error: akvs_core::Error) -> ServiceResponse {
    let mut payload = request.take_payload();
    body::discard(request.request(), &mut payload).await;
    let response = problem::respond(request.request(), &error);
    request.into_response(response)
}

/// A request in flight.
pub(crate) struct RequestFuture<F> {
    /// None once the request was counted.
    in_flight: Option<InFlight>,
    answer: PendingAnswer<F>,
}

enum PendingAnswer<F> {
    Served(F),
    Refusing(LocalBoxFuture<'static, ServiceResponse>),
    /// None once it was returned.
    Rejected(Option<ServiceResponse>),
}

/// A request that is counted as in flight.
struct InFlight {
    worker: Rc<Worker>,
    labels: Labels,
    start: Duration,
    /// None if the request has no connection, as in tests of a route, or was refused.
    guard: Option<RequestGuard>,
}

impl<F> Future for RequestFuture<F>
where
    F: Future<Output = Result<ServiceResponse, Error>> + Unpin,
{
    type Output = Result<ServiceResponse<Answer>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = match &mut self.answer {
            PendingAnswer::Served(answer) => std::task::ready!(Pin::new(answer).poll(context)),
            PendingAnswer::Refusing(answer) => Ok(std::task::ready!(answer.as_mut().poll(context))),
            PendingAnswer::Rejected(response) => match response.take() {
                Some(response) => Ok(response),
                None => return Poll::Pending,
            },
        };
        let in_flight = self.in_flight.take();
        Poll::Ready(match answered {
            Ok(response) => {
                let (mut response, held) = match &in_flight {
                    Some(request) => hold(response, &request.worker.state.response_memory),
                    None => (response, None),
                };
                fields::complete(&mut response);
                if let Some(request) = &in_flight {
                    let size = response.response().body().size();
                    let took = request.end(response.status(), size);
                    access_log::log(&response, size, took);
                }
                let guard = in_flight.and_then(|request| request.guard);
                Ok(answer(response, held, guard))
            }
            Err(error) => {
                if let Some(request) = &in_flight {
                    request.end(error.as_response_error().status_code(), BodySize::None);
                }
                Err(error)
            }
        })
    }
}

impl InFlight {
    /// Counts the answer, and returns the time that it took.
    fn end(&self, status: StatusCode, size: BodySize) -> Duration {
        let Worker { counters, state } = &*self.worker;
        let took = state.registry.elapsed().saturating_sub(self.start);
        let bytes = match size {
            BodySize::Sized(bytes) if !self.labels.is_head() => bytes,
            BodySize::Sized(_) | BodySize::None | BodySize::Stream => 0,
        };
        counters.answer(self.labels, status, took, bytes);
        took
    }
}

impl<F> Drop for RequestFuture<F> {
    fn drop(&mut self) {
        if let Some(request) = &self.in_flight {
            request.worker.counters.abandon();
        }
    }
}

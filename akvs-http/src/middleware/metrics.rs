//! The middleware around every request: it counts, times and logs requests, runs the guard, and reserves the memory of
//! large responses.
//!
//! It returns the id of a request and changes nothing else. A response counts when its head is ready, without waiting for
//! a body that is streamed. A request whose client goes away before counts as abandoned. Bytes that are no request are
//! answered here, too.

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

/// The counters of a worker. They never leave its thread, so that a request can hold them at no cost.
struct Worker {
    cells: Arc<WorkerCounters>,
    state: Arc<State>,
}

impl MetricsMiddleware {
    /// Counts with these counters, by the clock of the registry.
    pub(crate) fn new(cells: Arc<WorkerCounters>, state: Arc<State>) -> MetricsMiddleware {
        MetricsMiddleware(Rc::new(Worker { cells, state }))
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
        let of_stream = match connection {
            Some(_) => None,
            None => ConnectionState::from_http2(&request),
        };
        let connection = connection.or(of_stream.as_deref());
        let is_owner = connection.is_some_and(ConnectionState::is_owner);
        let route = self.worker.state.routes.find(request.path(), is_owner);
        let labels = Labels::new(route, request.head());
        let body_bytes = match labels.has_body() {
            true => body::content_length(request.headers()).unwrap_or(0),
            false => 0,
        };
        self.worker.cells.begin(body_bytes);
        let (under_way, refusal) = connection.map(ConnectionState::begin_request).unzip();
        let checked = guard::check(request.head(), route, connection, &self.worker.state);
        RequestFuture {
            flight: Some(InFlight {
                worker: Rc::clone(&self.worker),
                labels,
                start,
                under_way,
            }),
            answer: match (refusal.flatten(), checked) {
                (Some(refusal), _) => {
                    let response = refusal.response();
                    Answered::Rejected(Some(request.into_response(response)))
                }
                (None, Ok(())) => Answered::Served(self.service.call(request)),
                (None, Err(error)) => Answered::Refusing(Box::pin(refuse(request, error))),
            },
        }
    }
}

/// Makes the response of a request that is in flight until the response is sent.
fn answer(
    response: ServiceResponse,
    held: Option<Box<Shared>>,
    under_way: Option<RequestGuard>,
) -> ServiceResponse<Answer> {
    let request = response.request();
    let version = request.version();
    // In HTTP/2 an answer to HEAD is known as one where it is sent.
    let is_head = request.method() == Method::HEAD && version <= Version::HTTP_11;
    response.map_body(|head, body| {
        if version < Version::HTTP_11 && body.size() == BodySize::Stream {
            // It knows no chunks (RFC 9112, section 6.1): the end of the connection is the end of the body.
            head.no_chunking(true);
            head.set_connection_type(ConnectionType::Close);
        }
        if let Some(under_way) = &under_way {
            under_way.set_connection_type(head);
        }
        if !is_head || body.size() == BodySize::None {
            return Answer::new(body, held, under_way);
        }
        if let BodySize::Sized(bytes) = body.size() {
            let length = HeaderValue::from(bytes);
            head.headers_mut().insert(CONTENT_LENGTH, length);
        }
        head.no_chunking(true);
        Answer::to_head(under_way)
    })
}

/// Reserves the memory of a large response that is ready as a whole. If there is none, a read gets an error instead; the
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
    // By a route that knew how large it would be.
    let reserved = response.extensions_mut().remove::<ResponseReservation>();
    let (response, body) = response.into_parts();
    let bytes = match body.try_into_bytes() {
        Ok(bytes) if !is_head => bytes,
        Ok(bytes) => {
            let response = response.set_body(BoxBody::new(bytes));
            return (ServiceResponse::new(request, response), None);
        }
        // It is made as it is sent, and counts for itself.
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
    flight: Option<InFlight>,
    answer: Answered<F>,
}

enum Answered<F> {
    Served(F),
    Refusing(LocalBoxFuture<'static, ServiceResponse>),
    /// None once it was given out.
    Rejected(Option<ServiceResponse>),
}

struct InFlight {
    worker: Rc<Worker>,
    labels: Labels,
    start: Duration,
    /// None where it is of no connection, as in tests of a route, or was refused.
    under_way: Option<RequestGuard>,
}

impl<F> Future for RequestFuture<F>
where
    F: Future<Output = Result<ServiceResponse, Error>> + Unpin,
{
    type Output = Result<ServiceResponse<Answer>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = match &mut self.answer {
            Answered::Served(answer) => std::task::ready!(Pin::new(answer).poll(context)),
            Answered::Refusing(answer) => Ok(std::task::ready!(answer.as_mut().poll(context))),
            Answered::Rejected(response) => match response.take() {
                Some(response) => Ok(response),
                None => return Poll::Pending,
            },
        };
        let flight = self.flight.take();
        Poll::Ready(match answered {
            Ok(response) => {
                let (mut response, held) = match &flight {
                    Some(flight) => hold(response, &flight.worker.state.response_memory),
                    None => (response, None),
                };
                fields::complete(&mut response);
                if let Some(flight) = &flight {
                    let size = response.response().body().size();
                    let took = flight.end(response.status(), size);
                    access_log::log(&response, size, took);
                    access_log::give_back_id(&mut response);
                }
                let under_way = flight.and_then(|flight| flight.under_way);
                Ok(answer(response, held, under_way))
            }
            Err(error) => {
                if let Some(flight) = &flight {
                    flight.end(error.as_response_error().status_code(), BodySize::None);
                }
                Err(error)
            }
        })
    }
}

impl InFlight {
    /// Counts the answer; how long it took.
    fn end(&self, status: StatusCode, size: BodySize) -> Duration {
        let Worker { cells, state } = &*self.worker;
        let took = state.registry.elapsed().saturating_sub(self.start);
        let bytes = match size {
            BodySize::Sized(bytes) if !self.labels.is_head() => bytes,
            BodySize::Sized(_) | BodySize::None | BodySize::Stream => 0,
        };
        cells.answer(self.labels, status, took, bytes);
        took
    }
}

impl<F> Drop for RequestFuture<F> {
    fn drop(&mut self) {
        if let Some(flight) = &self.flight {
            flight.worker.cells.abandon();
        }
    }
}

//! The service of requests. It surrounds the actix application: it counts, times and logs requests, runs the guard, adds
//! the standing header fields, and reserves the memory of large responses.
//!
//! Requests for one key do not pass the application, whose routing costs as much as all the rest of such a request. Their
//! rows of the route table, their handlers and all of the above are the same.
//!
//! A response counts when its head is ready, without waiting for a streamed body. A request whose client closes the
//! connection before counts as abandoned. The answer to bytes that are not a request passes here, too.

mod answer;

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_http::Response;
use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use futures_util::future::LocalBoxFuture;

use crate::metrics::{Labels, WorkerCounters};
use crate::middleware::{access_log, guard};
use crate::request::body;
use crate::request::message::Request;
use crate::response::{fields, problem};
use crate::router;
use crate::state::State;
use crate::transport::connection::{Answer, ConnectionState, RequestGuard};

/// Makes the services of the requests of one worker.
pub(crate) struct RequestServices(Rc<Worker>);

/// The counters of a worker. They stay on its thread, so that holding them costs a request nothing.
struct Worker {
    counters: Arc<WorkerCounters>,
    state: Arc<State>,
}

impl RequestServices {
    /// Returns services with these counters and the clock of the registry.
    pub(crate) fn new(counters: Arc<WorkerCounters>, state: Arc<State>) -> RequestServices {
        RequestServices(Rc::new(Worker { counters, state }))
    }
}

impl<S> Transform<S, actix_http::Request> for RequestServices
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = HttpResponse>,
    S::Future: Unpin,
{
    type Response = Response<Answer>;
    type Error = HttpResponse;
    type Transform = RequestService<S>;
    type InitError = ();
    type Future = Ready<Result<RequestService<S>, ()>>;

    fn new_transform(&self, app: S) -> Self::Future {
        let worker = Rc::clone(&self.0);
        ready(Ok(RequestService { app, worker }))
    }
}

/// The service of requests around an application.
pub(crate) struct RequestService<S> {
    app: S,
    worker: Rc<Worker>,
}

impl<S> Service<actix_http::Request> for RequestService<S>
where
    S: Service<actix_http::Request, Response = ServiceResponse, Error = HttpResponse>,
    S::Future: Unpin,
{
    type Response = Response<Answer>;
    type Error = HttpResponse;
    type Future = RequestFuture<S::Future>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), HttpResponse>> {
        self.app.poll_ready(context)
    }

    fn call(&self, request: actix_http::Request) -> Self::Future {
        let state = &self.worker.state;
        let start = state.registry.elapsed();
        let connection = request.conn_data::<ConnectionState>();
        let stream_connection = match connection {
            Some(_) => None,
            None => ConnectionState::from_http2(&request),
        };
        let connection = connection.or(stream_connection.as_deref());
        let is_owner = connection.is_some_and(ConnectionState::is_owner);
        let route = state.routes.find(request.path(), is_owner);
        let labels = Labels::new(route, request.head());
        let body_bytes = if labels.has_body() {
            body::content_length(&request.head().headers).unwrap_or(0)
        } else {
            0
        };
        self.worker.counters.begin(body_bytes);
        let (guard, refusal) = connection.map(ConnectionState::begin_request).unzip();
        let checked = guard::check(request.head(), route, connection, state);
        RequestFuture {
            in_flight: Some(InFlight {
                worker: Rc::clone(&self.worker),
                labels,
                start,
                guard,
            }),
            answer: match (refusal.flatten(), checked) {
                (Some(refusal), _) => {
                    let rejected = (Request::Direct(request), refusal.response());
                    PendingAnswer::Direct(Box::pin(ready(rejected)))
                }
                (None, Err(error)) => PendingAnswer::Direct(Box::pin(refuse(request, error))),
                (None, Ok(())) if route.has_key => {
                    let answer = router::serve_key(route, request, Arc::clone(state));
                    PendingAnswer::Direct(Box::pin(answer))
                }
                (None, Ok(())) => PendingAnswer::Routed(self.app.call(request)),
            },
        }
    }
}

/// Refuses a request that its route would misunderstand.
async fn refuse(
    mut request: actix_http::Request,
    error: akvs_core::Error,
) -> (Request, HttpResponse) {
    let mut payload = request.take_payload();
    let request = Request::Direct(request);
    body::discard(&request, &mut payload).await;
    let response = problem::respond(&request, &error);
    (request, response)
}

/// A request in flight.
pub(crate) struct RequestFuture<F> {
    /// None once the request was counted.
    in_flight: Option<InFlight>,
    answer: PendingAnswer<F>,
}

enum PendingAnswer<F> {
    /// The request has passed the application.
    Routed(F),
    /// Boxed, so that an idle connection keeps no room for it.
    Direct(LocalBoxFuture<'static, (Request, HttpResponse)>),
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
    F: Future<Output = Result<ServiceResponse, HttpResponse>> + Unpin,
{
    type Output = Result<Response<Answer>, HttpResponse>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = match &mut self.answer {
            PendingAnswer::Direct(answer) => Ok(std::task::ready!(answer.as_mut().poll(context))),
            PendingAnswer::Routed(answer) => {
                let answered = std::task::ready!(Pin::new(answer).poll(context));
                answered.map(|response| {
                    let (request, response) = response.into_parts();
                    (Request::Routed(request), response)
                })
            }
        };
        let in_flight = self.in_flight.take();
        Poll::Ready(match answered {
            Ok((request, response)) => {
                let (mut response, held) = match &in_flight {
                    Some(in_flight) => {
                        let memory = &in_flight.worker.state.response_memory;
                        answer::hold(&request, response, memory)
                    }
                    None => (response, None),
                };
                fields::complete(&request, response.headers_mut());
                if let Some(in_flight) = &in_flight {
                    let size = response.body().size();
                    let took = in_flight.end(response.status(), size);
                    access_log::log(&request, response.status(), size, took);
                }
                let guard = in_flight.and_then(|request| request.guard);
                Ok(answer::finish(&request, response, held, guard))
            }
            Err(response) => {
                if let Some(in_flight) = &in_flight {
                    in_flight.end(response.status(), BodySize::None);
                }
                Err(response)
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

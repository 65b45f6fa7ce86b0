//! `Expect: 100-continue` (RFC 9110, section 10.1.1): a client that asks before it sends a body is told at once where
//! nobody would take it. All else the routes judge, once they have the request.

use std::sync::Arc;

use actix_http::{HttpMessage, Request, Response};
use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use akvs_core::{Code, Error, Result};

use crate::auth::AuthRequest;
use crate::middleware::guard;
use crate::request::body;
use crate::response::problem;
use crate::route::BodyLimit;
use crate::state::State;
use crate::transport::connection::ConnectionState;

/// Asks for the body, unless it is refused.
pub(crate) async fn invite(
    request: Request,
    state: Arc<State>,
) -> std::result::Result<Request, Rejected> {
    match judge(&request, &state) {
        Ok(()) => Ok(request),
        Err(error) => Err(Rejected {
            challenge: problem::challenge(request.headers()),
            error,
        }),
    }
}

fn judge(request: &Request, state: &State) -> Result<()> {
    let of_stream = ConnectionState::of_stream(request);
    let asker = request
        .conn_data::<ConnectionState>()
        .or(of_stream.as_deref());
    let is_owner = asker.is_some_and(ConnectionState::is_owner);
    let route = state.routes.find(request.path(), is_owner);
    guard::judge(request.head(), route, asker, state)?;
    if route.body.is_read() {
        let asking = AuthRequest {
            method: request.method(),
            headers: request.headers(),
            is_owner,
        };
        let now = || state.registry.now();
        state.authenticator.admit(&asking, now)?;
    }
    let limits = match route.body {
        BodyLimit::Stream => return Ok(()),
        // Content that no handler reads is bounded all the same.
        BodyLimit::None => BodyLimit::Request,
        limit => limit,
    };
    let limits = limits.limits(&state.value_limits);
    let announced = body::announced(request.headers());
    limits.map_or(Ok(()), |limits| limits.check(announced))
}

/// That a body is not wanted.
pub(crate) struct Rejected {
    error: Error,
    challenge: &'static str,
}

impl From<Rejected> for Response<BoxBody> {
    fn from(Rejected { error, challenge }: Rejected) -> Response<BoxBody> {
        let (status, _) = problem::status(error.code());
        let mut response = Response::build(status);
        if error.code() == Code::Unauthorized {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        response
            .insert_header((CONTENT_TYPE, problem::PROBLEM_JSON))
            .force_close()
            .body(problem::document(&error))
            .map_into_boxed_body()
    }
}

//! The checks of a request with `Expect: 100-continue` before the server asks for its content: all checks that need only
//! the head. The handlers do the rest.

use actix_http::{HttpMessage, Request};
use akvs_core::Result;

use crate::auth::AuthRequest;
use crate::middleware::guard;
use crate::request::body;
use crate::route::BodyLimit;
use crate::state::State;
use crate::transport::connection::ConnectionState;

/// Returns the error of a request whose content the server does not want.
pub(crate) fn check(request: &Request, state: &State) -> Result<()> {
    let stream_connection = ConnectionState::from_http2(request);
    let connection = request
        .conn_data::<ConnectionState>()
        .or(stream_connection.as_deref());
    let is_owner = connection.is_some_and(ConnectionState::is_owner);
    let route = state.routes.find(request.path(), is_owner);
    guard::check(request.head(), route, connection, state)?;
    if route.body.is_read() {
        let auth_request = AuthRequest {
            method: request.method(),
            headers: request.headers(),
            is_owner,
        };
        let now = || state.registry.now();
        state.authenticator.admit(&auth_request, now)?;
    }
    let limits = match route.body {
        BodyLimit::Stream => return Ok(()),
        // Content that no handler reads has a limit, too.
        BodyLimit::None | BodyLimit::Request => BodyLimit::Request,
        BodyLimit::Value | BodyLimit::Fixed(_) => route.body,
    };
    let limits = limits.limits(&state.value_limits);
    let announced = body::content_length(request.headers());
    limits.map_or(Ok(()), |limits| limits.check(announced))
}

//! The checks of every request before its handler: its host, and header fields that its route does not support and must
//! not ignore.
//!
//! | request | rejected |
//! | --- | --- |
//! | for one key | nothing: the handler evaluates preconditions |
//! | `GET` of a document that has an `ETag` (`/`, `/openapi.json`) | nothing: the same |
//! | any other | preconditions (RFC 9110, section 13.1), but not `If-Range` without `Range`, which must be ignored (section 13.1.5) |
//! | any with content | `Content-Range`: the content is only a part (RFC 9110, section 14.5) |
//! | any with `AKVS-Route` | a path of another route: the base URL of the client is wrong |
//! | any to a server without tokens, over TCP | a host name that may belong to another site |
//!
//! Fields are not checked if the request is rejected for another reason (RFC 9110, section 13.2.1).

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{
    CONTENT_RANGE, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use akvs_api::{header, route};
use akvs_core::{Code, Error, Result};

use crate::auth::AuthRequest;
use crate::request::path;
use crate::route::{Preconditions, Route};
use crate::state::State;
use crate::transport::connection::ConnectionState;

/// The field with the name of the route that the client means.
const AKVS_ROUTE: HeaderName = HeaderName::from_static(header::ROUTE);
static PRECONDITIONS: [HeaderName; 5] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    IF_RANGE,
];

/// Rejects a request that its route would misunderstand.
pub(crate) fn check(
    head: &RequestHead,
    route: &Route,
    connection: Option<&ConnectionState>,
    state: &State,
) -> Result<()> {
    if !connection.is_some_and(ConnectionState::is_local) && state.authenticator.is_open() {
        state.hosts.check(head)?;
    }
    check_route(head, route)?;
    let is_owner = connection.is_some_and(ConnectionState::is_owner);
    let Some(error) = unsupported_field(head, route) else {
        return Ok(());
    };
    let auth_request = AuthRequest {
        method: &head.method,
        headers: &head.headers,
        is_owner,
    };
    match state
        .authenticator
        .admit(&auth_request, || state.registry.now())
    {
        Ok(_) => Err(error),
        // The route answers with the error of the token.
        Err(_) => Ok(()),
    }
}

/// Rejects a request whose client means another route than that of its path: its base URL is wrong. With `http://host/kv`,
/// for example, a transaction would be stored as the value of a key.
fn check_route(head: &RequestHead, route: &Route) -> Result<()> {
    let Some(expected) = head.headers.get(AKVS_ROUTE) else {
        return Ok(());
    };
    let found = route.name;
    if expected == found {
        return Ok(());
    }
    let expected = expected.as_bytes().escape_ascii();
    let text = format!(
        "no such path: the client expects the route \"{expected}\", but the path belongs to \"{found}\"; check its base URL"
    );
    Err(path::no_such_path(text))
}

/// Returns the error of a field that the route does not support and that must not be ignored.
fn unsupported_field(head: &RequestHead, route: &Route) -> Option<Error> {
    let RequestHead {
        method, headers, ..
    } = head;
    let is_evaluated_by_handler = route.preconditions == Preconditions::Handler;
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    // A method that the route does not have gets 405 from the route.
    if is_evaluated_by_handler && is_read || !route.allows(method) {
        return None;
    }
    if !is_read && headers.contains_key(CONTENT_RANGE) {
        let text = "unsupported field: Content-Range: a body is stored as a whole";
        return Some(invalid(text.to_owned(), &CONTENT_RANGE));
    }
    if is_evaluated_by_handler {
        return None;
    }
    precondition(headers).map(|name| unconditional(name, route))
}

fn precondition(headers: &HeaderMap) -> Option<&'static HeaderName> {
    PRECONDITIONS
        .iter()
        .filter(|name| **name != IF_RANGE || headers.contains_key(RANGE))
        .find(|name| headers.contains_key(*name))
}

fn unconditional(name: &HeaderName, route: &Route) -> Error {
    let way_out = if route.name == route::TXN {
        "; use the checks of the transaction"
    } else {
        ""
    };
    let text =
        format!("unsupported field: {name}: only requests for one key have preconditions{way_out}");
    invalid(text, name)
}

fn invalid(text: String, name: &HeaderName) -> Error {
    Error::new(Code::InvalidRequest, text).with("field", name.as_str())
}

//! What is checked of every request before its route sees it, in one place so that no route can forget it: the host that
//! it names, and header fields that the route has no answer to and that must not be ignored.
//!
//! | request | what is refused |
//! | --- | --- |
//! | about one key | nothing: its route judges preconditions |
//! | `GET` of a document that has an `ETag` (`/`, `/openapi.json`) | nothing: the same |
//! | every other one | preconditions (RFC 9110, section 13.1) |
//! | every one that writes or asks by a body | `Content-Range`: the body is a part only (RFC 9110, section 14.5) |
//! | every one with `AKVS-Route` | a path of another route: the client's base URL is wrong |
//! | every one to a server without tokens, over TCP | a host that a page of another site may have as its own |
//!
//! A field of a request that is refused for another reason anyway is not checked (RFC 9110, section 13.2.1).

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{
    CONTENT_RANGE, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};
use akvs_core::{Code, Error, Result};

use crate::auth::AuthRequest;
use crate::request::path;
use crate::route::{Preconditions, Route};
use crate::state::State;
use crate::transport::connection::ConnectionState;

/// By this field a client may say which route it means: the name that it has in the metrics; `key64` for a key in
/// base64url; `export_all` and `import_all` where it names no namespace.
const AKVS_ROUTE: HeaderName = HeaderName::from_static("akvs-route");
static PRECONDITIONS: [HeaderName; 5] = [
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
    IF_RANGE,
];

/// Refuses what the route of a request would ignore.
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
    let Some(refused) = unsupported_field(head, route) else {
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
        Ok(_) => Err(refused),
        // The route says so.
        Err(_) => Ok(()),
    }
}

/// Refuses a request whose client means another route than the one that its path has here: its base URL is wrong, such
/// as `http://host/kv`, under which a transaction would be stored as the value of a key.
fn check_route(head: &RequestHead, route: &Route) -> Result<()> {
    let Some(meant) = head.headers.get(AKVS_ROUTE) else {
        return Ok(());
    };
    let found = route.name;
    if meant == found {
        return Ok(());
    }
    let meant = meant.as_bytes().escape_ascii();
    let text = format!(
        "no such path: the client expects the route \"{meant}\", but the path belongs to \"{found}\"; check its base URL"
    );
    Err(path::no_such_path(text))
}

/// The error of a field that has no meaning here, and whose sender would be deceived were it ignored.
fn unsupported_field(head: &RequestHead, route: &Route) -> Option<Error> {
    let RequestHead {
        method, headers, ..
    } = head;
    let is_evaluated_by_handler = route.preconditions == Preconditions::Handler;
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    // A route that has no answer to the method is left to say so.
    if is_evaluated_by_handler && is_read || !route.allows(method) {
        return None;
    }
    if !is_read && headers.contains_key(CONTENT_RANGE) {
        let text = "unsupported field: Content-Range: a body is stored as a whole";
        return Some(invalid(text.to_owned(), &CONTENT_RANGE));
    }
    match is_evaluated_by_handler {
        true => None,
        false => precondition(headers).map(|name| unconditional(name, route)),
    }
}

fn precondition(headers: &HeaderMap) -> Option<&'static HeaderName> {
    PRECONDITIONS
        .iter()
        .find(|name| headers.contains_key(*name))
}

fn unconditional(name: &HeaderName, route: &Route) -> Error {
    let way_out = if route.name == "txn" {
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

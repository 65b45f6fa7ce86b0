//! What is judged of every request before its route sees it, in one place so that no route can forget it: the host that
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
//! A field of a request that is refused for another reason anyway is not judged (RFC 9110, section 13.2.1).

use actix_web::dev::RequestHead;
use actix_web::http::Method;
use actix_web::http::header::{
    CONTENT_RANGE, HeaderMap, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE,
};
use akvs_core::{Code, Error, Result};

use crate::auth::AuthRequest;
use crate::metrics::Route;
use crate::request::path;
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
pub(crate) fn judge(
    head: &RequestHead,
    route: Route,
    asker: Option<&ConnectionState>,
    state: &State,
) -> Result<()> {
    if !asker.is_some_and(ConnectionState::is_local) && state.authenticator.is_open() {
        state.hosts.check(head)?;
    }
    check_route(head, route)?;
    let is_owner = asker.is_some_and(ConnectionState::is_owner);
    let Some(refused) = foreign_field(head, route, is_owner) else {
        return Ok(());
    };
    let asking = AuthRequest {
        method: &head.method,
        headers: &head.headers,
        is_owner,
    };
    match state.authenticator.admit(&asking, || state.registry.now()) {
        Ok(_) => Err(refused),
        // The route says so.
        Err(_) => Ok(()),
    }
}

/// Refuses a request whose client means another route than the one that its path has here: its base URL is wrong, such
/// as `http://host/kv`, under which a transaction would be stored as the value of a key.
fn check_route(head: &RequestHead, route: Route) -> Result<()> {
    let Some(meant) = head.headers.get(AKVS_ROUTE) else {
        return Ok(());
    };
    let path = head.uri.path();
    let found = match route {
        Route::Key | Route::LongPoll if path::has_base64_key(path) => "key64",
        Route::Key | Route::LongPoll => Route::Key.as_str(),
        Route::Export if path == "/export" => "export_all",
        Route::Import if path == "/import" => "import_all",
        Route::Namespace
        | Route::Namespaces
        | Route::Settings
        | Route::Watch
        | Route::Txn
        | Route::Get
        | Route::Export
        | Route::Import
        | Route::Ping
        | Route::Livez
        | Route::Readyz
        | Route::Metrics
        | Route::Version
        | Route::Whoami
        | Route::Openapi
        | Route::Root
        | Route::Other => route.as_str(),
    };
    if meant == found {
        return Ok(());
    }
    let meant = meant.as_bytes().escape_ascii();
    let text = format!(
        "no such path: the client means the route \"{meant}\", but this is a path of \"{found}\"; check its base URL"
    );
    Err(path::no_such_path(text))
}

/// The error of a field that has no meaning here, and whose sender would be deceived were it ignored.
fn foreign_field(head: &RequestHead, route: Route, is_owner: bool) -> Option<Error> {
    let RequestHead {
        method, headers, ..
    } = head;
    let is_judged_by_route = matches!(
        route,
        Route::Key | Route::LongPoll | Route::Openapi | Route::Root
    );
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if is_judged_by_route && is_read {
        return None;
    }
    if !does_something(route, is_owner, head.uri.path(), method) {
        return None;
    }
    if !is_read && headers.contains_key(CONTENT_RANGE) {
        let text = "content-range is not taken: a body is stored as a whole, never as a part; expected a request \
                    without it";
        return Some(invalid(text.to_owned(), &CONTENT_RANGE));
    }
    match is_judged_by_route {
        true => None,
        false => precondition(headers).map(|name| unconditional(name, route)),
    }
}

/// Whether a route has an answer to a method of its own; one that has none is left to say so.
fn does_something(route: Route, is_owner: bool, path: &str, method: &Method) -> bool {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match route {
        Route::Key | Route::LongPoll => is_read || matches!(*method, Method::POST | Method::DELETE),
        Route::Namespace => {
            is_read || matches!(*method, Method::PUT | Method::PATCH | Method::DELETE)
        }
        Route::Namespaces
        | Route::Settings
        | Route::Watch
        | Route::Export
        | Route::Ping
        | Route::Livez
        | Route::Readyz
        | Route::Metrics
        | Route::Version
        | Route::Whoami
        | Route::Openapi
        | Route::Root => is_read,
        Route::Txn | Route::Get | Route::Import => *method == Method::POST,
        // Any other path there is not.
        Route::Other => {
            let is_asked = is_read || matches!(*method, Method::POST | Method::PUT);
            is_owner && is_asked && path.starts_with("/admin/")
        }
    }
}

fn precondition(headers: &HeaderMap) -> Option<&'static HeaderName> {
    PRECONDITIONS
        .iter()
        .find(|name| headers.contains_key(*name))
}

fn unconditional(name: &HeaderName, route: Route) -> Error {
    let way_out = if route == Route::Txn {
        "; conditions of a transaction are its checks"
    } else {
        ""
    };
    let text = format!(
        "{name} is not taken here: only a request about one key has preconditions{way_out}"
    );
    invalid(text, name)
}

fn invalid(text: String, name: &HeaderName) -> Error {
    Error::new(Code::InvalidRequest, text).with("field", name.as_str())
}

//! `GET /`: what this is, and what can be asked of it: the admin page for browsers, a text for others.

use actix_web::http::Method;
use actix_web::http::header::{ETAG, HeaderValue, VARY};
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::Result;

use crate::request::{body, conditions, negotiate};
use crate::response::problem;
use crate::state::State;
use crate::ui::page;

const ALLOW: &str = "GET, HEAD, OPTIONS";
const VARY_ACCEPT: HeaderValue = HeaderValue::from_static("accept");
const PATHS: &str = "\
GET POST DELETE   /kv/{namespace}/{key}   a value
GET               /kv                     namespaces
GET PUT PATCH DELETE  /kv/{namespace}     keys of a namespace; replace or change its settings; drop it
GET               /settings/{namespace}   its settings
POST              /get/{namespace}        many keys at once
POST              /txn/{namespace}        many changes at once, all or nothing
GET               /watch/{namespace}      what changes
GET               /export/{namespace}     all of it, as NDJSON
POST              /import/{namespace}     the same, back
GET               /metrics                for Prometheus
GET               /version                what serves, and its limits
GET               /whoami                 what the caller may do
GET               /openapi.json           all of this, for programs
GET               /ping /livez /readyz    how it is
";

/// `GET /`, for who is let in.
pub(crate) async fn serve(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    body::discard(&request, &mut payload).await;
    answer(&request, &state).unwrap_or_else(|error| {
        let mut response = problem::respond(&request, &error);
        // Who accepts HTML may get the page.
        response.headers_mut().insert(VARY, VARY_ACCEPT);
        response
    })
}

fn answer(request: &HttpRequest, state: &State) -> Result<HttpResponse> {
    match *request.method() {
        Method::GET | Method::HEAD => shown(request, state),
        _ => Ok(problem::method_not_allowed(request, ALLOW)),
    }
}

/// The page to whom wants HTML. It needs no token, which a browser cannot send when it goes somewhere: all that the page
/// shows comes from elsewhere. The text needs one, as all else does.
fn shown(request: &HttpRequest, state: &State) -> Result<HttpResponse> {
    if negotiate::prefers_html(request) {
        return page::answer(request);
    }
    state.admit(request)?;
    let version = state.build_info.version;
    let etag = format!("\"{version}\"");
    let mut response = match conditions::of_document(request.headers(), &etag)? {
        true => HttpResponse::NotModified().finish(),
        false => HttpResponse::Ok()
            .content_type(problem::TEXT)
            .body(format!("akvs {version}\n\n{PATHS}")),
    };
    let headers = response.headers_mut();
    headers.insert(VARY, VARY_ACCEPT);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

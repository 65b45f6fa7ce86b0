//! `GET /openapi.json`: all that can be asked of the server, for programs.

use actix_web::body;
use actix_web::http::header::{
    CACHE_CONTROL, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::Result;

use crate::app::State;
use crate::openapi::document;
use crate::problem;

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// `GET /openapi.json`, for who is let in.
pub(crate) async fn serve(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    crate::body::discard(&request, &mut payload).await;
    answer(&request, &state).unwrap_or_else(|error| problem::respond(&request, &error))
}

fn answer(request: &HttpRequest, state: &State) -> Result<HttpResponse> {
    state.admit(request)?;
    Ok(match *request.method() {
        Method::GET | Method::HEAD => shown(request),
        _ => problem::other_method(request, ALLOW),
    })
}

fn shown(request: &HttpRequest) -> HttpResponse {
    let document = document();
    let mut response = match is_known(request.headers(), &document.etag) {
        true => HttpResponse::with_body(StatusCode::NOT_MODIFIED, body::None::new())
            .map_into_boxed_body(),
        false => HttpResponse::Ok()
            .content_type("application/json")
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(document.text.clone()),
    };
    let headers = response.headers_mut();
    // Another release may say something else.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        headers.insert(ETAG, etag);
    }
    response
}

/// Whether the client has this document already (`If-None-Match`, compared weakly).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH);
    let mut tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

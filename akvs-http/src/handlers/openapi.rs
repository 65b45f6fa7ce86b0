//! `GET /openapi.json`: all that can be asked of the server, for programs.

use actix_web::body;
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::Result;

use crate::openapi::document;
use crate::request::conditions;
use crate::response::problem;
use crate::state::State;

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// `GET /openapi.json`, for who is let in.
pub(crate) async fn serve(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    crate::request::body::discard(&request, &mut payload).await;
    answer(&request, &state).unwrap_or_else(|error| problem::respond(&request, &error))
}

fn answer(request: &HttpRequest, state: &State) -> Result<HttpResponse> {
    state.admit(request)?;
    match *request.method() {
        Method::GET | Method::HEAD => shown(request),
        _ => Ok(problem::method_not_allowed(request, ALLOW)),
    }
}

fn shown(request: &HttpRequest) -> Result<HttpResponse> {
    let document = document();
    let mut response = match conditions::of_document(request.headers(), &document.etag)? {
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
    Ok(response)
}

//! `GET /openapi.json`: the description of the API.

use actix_web::HttpResponse;
use actix_web::body;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ETAG, HeaderValue};
use akvs_core::Result;

use super::document;
use crate::context::Context;
use crate::request::conditions;

/// `GET /openapi.json`.
pub(crate) async fn serve(context: Context<'_>) -> Result<HttpResponse> {
    let document = document();
    let is_known = conditions::for_document(context.request.headers(), &document.etag)?;
    let mut response = if is_known {
        HttpResponse::with_body(StatusCode::NOT_MODIFIED, body::None::new()).map_into_boxed_body()
    } else {
        HttpResponse::Ok()
            .content_type(akvs_api::media_type::JSON)
            .body(document.text.clone())
    };
    let headers = response.headers_mut();
    // Another release has another document.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

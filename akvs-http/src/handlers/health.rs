//! `GET /ping` and `GET /livez`: checks that the process answers.

use actix_web::HttpResponse;
use akvs_core::Result;

use crate::context::Context;
use crate::response::problem;

/// `GET /ping`: answers `pong`.
pub(crate) async fn ping(_: Context<'_>) -> Result<HttpResponse> {
    Ok(text("pong"))
}

/// `GET /livez`: answers `ok` while the process runs.
pub(crate) async fn livez(_: Context<'_>) -> Result<HttpResponse> {
    Ok(text("ok"))
}

/// Returns a response with a short text.
pub(super) fn text(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type(problem::TEXT).body(text)
}

//! `GET /ping` and `GET /livez`: that the process answers.

use actix_web::HttpResponse;
use akvs_core::Result;

use crate::context::Context;
use crate::response::problem;

/// `GET /ping` → `pong`.
pub(crate) async fn ping(_: Context<'_>) -> Result<HttpResponse> {
    Ok(text("pong"))
}

/// `GET /livez`: the process answers.
pub(crate) async fn livez(_: Context<'_>) -> Result<HttpResponse> {
    Ok(text("ok"))
}

/// A response with a short text.
pub(super) fn text(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type(problem::TEXT).body(text)
}

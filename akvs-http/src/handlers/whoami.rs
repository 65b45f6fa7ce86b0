//! `GET /whoami`: the caller's token and its rights.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use akvs_core::Result;

use crate::context::Context;

/// `GET /whoami`.
pub(crate) async fn serve(context: Context<'_>) -> Result<HttpResponse> {
    context.no_query()?;
    Ok(HttpResponse::Ok()
        // The answer differs between callers, and after a change of the tokens.
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(context.identity()?.whoami()))
}

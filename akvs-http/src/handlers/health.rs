//! What says how the server is: `/ping`, `/livez`, `/readyz`.

use actix_web::HttpResponse;
use akvs_core::{Code, Error, Result};

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

/// `GET /readyz`: writes are taken. 503 as soon as draining starts, or once a commit has failed.
pub(crate) async fn readyz(context: Context<'_>) -> Result<HttpResponse> {
    let state = context.state;
    if state.is_draining() {
        return Err(Error::new(Code::Closing, "the server is stopping"));
    }
    if !state.registry.is_writable() {
        let text = "no write is taken, because a commit failed; the log says why";
        return Err(Error::new(Code::Unavailable, text));
    }
    Ok(text("ok"))
}

fn text(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type(problem::TEXT).body(text)
}

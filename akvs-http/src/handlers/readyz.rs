//! `GET /readyz`: whether the server takes writes.

use actix_web::HttpResponse;
use akvs_core::{Code, Error, Result};

use super::health::text;
use crate::context::Context;

/// `GET /readyz`: writes are taken. 503 as soon as draining starts, or once a commit has failed.
pub(crate) async fn serve(context: Context<'_>) -> Result<HttpResponse> {
    let state = context.state;
    if state.is_draining() {
        return Err(Error::new(Code::Closing, "the server is stopping"));
    }
    if !state.registry.is_writable() {
        let text = "the server rejects writes because a commit failed; see the log";
        return Err(Error::new(Code::Unavailable, text));
    }
    Ok(text("ok"))
}

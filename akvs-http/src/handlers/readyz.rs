//! `GET /readyz`: checks that the server accepts writes.

use actix_web::HttpResponse;
use akvs_core::{Code, Error, Result};

use super::health::text;
use crate::context::Context;

/// `GET /readyz`: answers 503 once the server is draining or a commit has failed.
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

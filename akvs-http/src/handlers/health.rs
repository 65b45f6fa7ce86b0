//! What says how the server is: `/ping`, `/livez`, `/readyz`.

use actix_web::http::Method;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::{Code, Error};

use crate::request::body;
use crate::response::problem;
use crate::state::State;

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// `GET /ping` → `pong`.
pub(crate) async fn ping(request: HttpRequest, payload: Payload) -> HttpResponse {
    read_only(&request, payload, || text("pong")).await
}

/// `GET /livez`: the process answers.
pub(crate) async fn livez(request: HttpRequest, payload: Payload) -> HttpResponse {
    read_only(&request, payload, || text("ok")).await
}

/// `GET /readyz`: writes are taken. 503 as soon as draining starts, or once a commit has failed.
pub(crate) async fn readyz(
    request: HttpRequest,
    payload: Payload,
    state: web::Data<State>,
) -> HttpResponse {
    read_only(&request, payload, || {
        let refused = |code, text: &str| problem::respond(&request, &Error::new(code, text));
        if state.is_draining() {
            refused(Code::Closing, "the server is stopping")
        } else if !state.registry.is_writable() {
            refused(
                Code::Unavailable,
                "no write is taken, because a commit failed; the log says why",
            )
        } else {
            text("ok")
        }
    })
    .await
}

async fn read_only(
    request: &HttpRequest,
    mut payload: Payload,
    answer: impl FnOnce() -> HttpResponse,
) -> HttpResponse {
    body::discard(request, &mut payload).await;
    match *request.method() {
        Method::GET | Method::HEAD => answer(),
        _ => problem::method_not_allowed(request, ALLOW),
    }
}

fn text(text: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type(problem::TEXT).body(text)
}

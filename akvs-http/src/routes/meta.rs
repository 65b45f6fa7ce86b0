//! What says how the server is: `/ping`, `/livez`, `/readyz`.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::{Code, Error};

use crate::app::State;
use crate::problem;

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// `GET /ping` → `pong`.
pub(crate) async fn ping(request: HttpRequest) -> HttpResponse {
    read_only(&request, || text("pong"))
}

/// `GET /livez`: the process answers.
pub(crate) async fn livez(request: HttpRequest) -> HttpResponse {
    read_only(&request, || text("ok"))
}

/// `GET /readyz`: writes are taken. 503 as soon as draining starts, or once a commit has failed.
pub(crate) async fn readyz(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    read_only(&request, || {
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
}

fn read_only(request: &HttpRequest, answer: impl FnOnce() -> HttpResponse) -> HttpResponse {
    match *request.method() {
        Method::GET | Method::HEAD => answer(),
        Method::OPTIONS => HttpResponse::NoContent()
            .insert_header(("allow", ALLOW))
            .finish(),
        _ => problem::method_not_allowed(request, ALLOW),
    }
}

fn text(text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; charset=utf-8")
        .body(text)
}

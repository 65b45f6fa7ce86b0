//! `GET /whoami`: who the caller is to the server, and what it may.

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::Result;

use crate::request::{body, query};
use crate::response::problem;
use crate::state::State;

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// `GET /whoami`, for who is let in.
pub(crate) async fn serve(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    body::discard(&request, &mut payload).await;
    answer(&request, &state).unwrap_or_else(|error| problem::respond(&request, &error))
}

fn answer(request: &HttpRequest, state: &State) -> Result<HttpResponse> {
    let grant = state.admit(request)?;
    match *request.method() {
        Method::GET | Method::HEAD => {
            query::none(request.query_string())?;
            Ok(HttpResponse::Ok()
                .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
                // It is another one for another caller, and after a change of the tokens.
                .insert_header((CACHE_CONTROL, "no-store"))
                .json(grant.identity()))
        }
        _ => Ok(problem::method_not_allowed(request, ALLOW)),
    }
}

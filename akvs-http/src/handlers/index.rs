//! `GET /`: the admin page for browsers, a list of the routes for other clients.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{ETAG, HeaderValue, VARY};
use akvs_core::Result;

use crate::context::Context;
use crate::request::message::Request;
use crate::request::{conditions, negotiate};
use crate::response::problem;
use crate::route::{Access, Route};
use crate::state::State;
use crate::ui::page;

const VARY_ACCEPT: HeaderValue = HeaderValue::from_static("accept");

/// `GET /`: the page for a client that prefers HTML, else the list.
pub(crate) async fn serve(context: Context<'_>) -> Result<HttpResponse> {
    let Context { request, state, .. } = context;
    Ok(answer(request, state).unwrap_or_else(|error| {
        let mut response = problem::respond(request, &error);
        // A client that accepts HTML may get the page.
        response.headers_mut().insert(VARY, VARY_ACCEPT);
        response
    }))
}

/// The page needs no token, because a browser does not send one with a navigation; it contains no data. The list needs a
/// token.
fn answer(request: &Request, state: &State) -> Result<HttpResponse> {
    if negotiate::prefers_html(request) {
        return page::answer(request);
    }
    state.admit(request)?;
    let version = state.build_info.version;
    let etag = format!("\"{version}\"");
    let mut response = if conditions::for_document(request.headers(), &etag)? {
        HttpResponse::NotModified().finish()
    } else {
        HttpResponse::Ok()
            .content_type(problem::TEXT)
            .body(format!("akvs {version}\n\n{}", list(state.routes.rows)))
    };
    let headers = response.headers_mut();
    headers.insert(VARY, VARY_ACCEPT);
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    Ok(response)
}

/// Returns the routes, one per line.
fn list(routes: &[Route]) -> String {
    let mut text = String::new();
    for route in routes {
        if route.access == Access::Owner {
            continue;
        }
        let methods = route.methods.iter().map(|(method, _)| method.as_str());
        let methods = methods.filter(|method| *method != Method::HEAD.as_str());
        let methods = methods.collect::<Vec<&str>>().join(" ");
        let (path, summary) = (route.path, route.summary);
        // Writing to a string never fails.
        let _ = writeln!(text, "{methods:<22} {path:<27} {summary}");
    }
    text
}

//! `GET /watch/{namespace}`: the changes of a namespace as server-sent events.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use akvs_api::media_type::EVENT_STREAM;
use akvs_core::{Code, Error, Namespace, Result};
use akvs_server::Filter;
use bytes::Bytes;
use futures_util::stream;

use crate::auth::Resource;
use crate::context::Context;
use crate::request::query;
use crate::response::sse::Events;

/// Makes nginx, and proxies that know its field, pass events on at once.
const NO_BUFFERING: (&str, &str) = ("x-accel-buffering", "no");

/// `GET /watch/{namespace}?prefix=&key=&since=&values=true`.
pub(crate) async fn serve(context: Context<'_, Namespace>) -> Result<HttpResponse> {
    let Context {
        request,
        state,
        path: ref name,
        ..
    } = context;
    let last_event = match request.headers().get("last-event-id") {
        Some(id) => Some(id.to_str().map_err(|_| {
            let text = "invalid last-event-id: expected a revision";
            Error::new(Code::InvalidRequest, text).with("parameter", "last-event-id")
        })?),
        None => None,
    };
    let options = query::parse_watch(request.query_string(), last_event)?;
    let (start, values) = (options.start, options.values);
    let resource = match &options.filter {
        Filter::All => Resource::All(name.clone()),
        Filter::Prefix(prefix) => Resource::Prefix(name.clone(), prefix.clone()),
        Filter::Key(key) => Resource::Key(name.clone(), key.clone()),
    };
    let authorization = context.authorization(resource)?;
    let watch = state.registry.watch(name, options).await?;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((CONTENT_TYPE, EVENT_STREAM))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(NO_BUFFERING);
    Ok(match *request.method() {
        // Of unknown length, as a GET is.
        Method::HEAD => {
            response.streaming(stream::empty::<std::result::Result<Bytes, Infallible>>())
        }
        _ => {
            let holds = state.holds(authorization);
            response.streaming(Events::new(
                watch,
                start,
                values,
                state.streams(),
                state.heartbeat,
                holds,
            ))
        }
    })
}

//! The answer of a handler, made ready to be sent.

use actix_http::{ConnectionType, Response};
use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{CONTENT_LENGTH, HeaderValue};
use actix_web::http::{Method, Version};

use crate::request::message::Request;
use crate::response::memory::{ResponseMemory, ResponseReservation, SMALL_BYTES, Shared};
use crate::response::problem;
use crate::transport::connection::{Answer, RequestGuard};

/// Reserves the memory of a large response that is ready as a whole. If too little is left, a read gets an error; the
/// result of a write is always sent.
pub(super) fn hold(
    request: &Request,
    response: HttpResponse,
    memory: &ResponseMemory,
) -> (HttpResponse, Option<Box<Shared>>) {
    match response.body().size() {
        BodySize::Sized(bytes) if bytes > SMALL_BYTES as u64 => {}
        BodySize::Sized(_) | BodySize::None | BodySize::Stream => return (response, None),
    }
    let method = request.method();
    let (is_head, is_read) = (method == Method::HEAD, method == Method::GET);
    let (mut response, body) = response.into_parts();
    // Reserved by a route that knew the size before.
    let reserved = response.extensions_mut().remove::<ResponseReservation>();
    let bytes = match body.try_into_bytes() {
        Ok(bytes) if !is_head => bytes,
        Ok(bytes) => return (response.set_body(BoxBody::new(bytes)), None),
        // A body that is made while it is sent has a reservation of its own.
        Err(body) => return (response.set_body(body), None),
    };
    match memory.share(&bytes, reserved) {
        Err(error) if is_read => (problem::respond(request, &error), None),
        held => {
            let response = response.set_body(BoxBody::new(bytes));
            (response, held.ok().map(Box::new))
        }
    }
}

/// Returns the response to a request that is in flight until the response is sent.
pub(super) fn finish(
    request: &Request,
    response: HttpResponse,
    held: Option<Box<Shared>>,
    guard: Option<RequestGuard>,
) -> Response<Answer> {
    let version = request.version();
    // In HTTP/2 the sender of the answer knows that it is to HEAD.
    let is_head = request.method() == Method::HEAD && version <= Version::HTTP_11;
    Response::from(response).map_body(|head, body| {
        if version < Version::HTTP_11 && body.size() == BodySize::Stream {
            // HTTP/1.0 has no chunks (RFC 9112, section 6.1): the end of the connection is the end of the body.
            head.no_chunking(true);
            head.set_connection_type(ConnectionType::Close);
        }
        if let Some(guard) = &guard {
            guard.set_connection_type(head);
        }
        if !is_head || body.size() == BodySize::None {
            return Answer::new(body, held, guard);
        }
        if let BodySize::Sized(bytes) = body.size() {
            let length = HeaderValue::from(bytes);
            head.headers_mut().insert(CONTENT_LENGTH, length);
        }
        head.no_chunking(true);
        Answer::to_head(guard)
    })
}

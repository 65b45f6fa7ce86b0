//! Header fields of every answer, put in where all answers pass, so that no route can forget them: what caches may do
//! with it, and that no page of another site may load it.

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue};

const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
/// May be kept, but is asked for again before each use: values change at any time (RFC 9111, section 5.2.2.4).
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// Is not kept: much data, or what is for the owner alone.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Puts in what a route did not say itself.
pub(crate) fn complete<B>(response: &mut ServiceResponse<B>) {
    let request = response.request();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_owners = is_read && request.uri().path().starts_with("/admin/");
    let headers = response.headers_mut();
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, SAME_ORIGIN);
    // Other answers are never taken from a cache unless they ask for it (RFC 9110, section 9.2.3).
    if is_read && !headers.contains_key(CACHE_CONTROL) {
        let choice = if is_owners { NO_STORE } else { NO_CACHE };
        headers.insert(CACHE_CONTROL, choice);
    }
}

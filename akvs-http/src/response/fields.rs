//! The standing header fields of every answer, which the metrics middleware adds, so that no route can forget them.

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue};

const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
/// The answer may be cached, but must be validated before each use, because values change (RFC 9111, section 5.2.2.4).
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// The answer must not be cached: it is large, or for the owner only.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Adds the fields that a route did not set.
pub(crate) fn complete<B>(response: &mut ServiceResponse<B>) {
    let request = response.request();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_admin = is_read && request.uri().path().starts_with("/admin/");
    let headers = response.headers_mut();
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, SAME_ORIGIN);
    // Caches do not store answers to other methods unless they have such a field (RFC 9110, section 9.2.3).
    if is_read && !headers.contains_key(CACHE_CONTROL) {
        let choice = if is_admin { NO_STORE } else { NO_CACHE };
        headers.insert(CACHE_CONTROL, choice);
    }
}

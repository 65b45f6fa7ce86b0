//! The standing header fields: those of every answer, whichever part of the server makes it.
//!
//! The service of requests adds them to the answers of handlers. Answers that do not pass it, to refused content and to
//! bytes that are not a request, add them here, too.

use actix_web::http::Method;
use actix_web::http::header::{
    CACHE_CONTROL, CROSS_ORIGIN_RESOURCE_POLICY, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};

use crate::request::message::Request;
use crate::request::request_id::{REQUEST_ID, client_id};

/// The fields of an answer that is written as text.
pub(crate) const STANDING_TEXT: &str =
    "cross-origin-resource-policy: same-origin\r\nx-content-type-options: nosniff\r\n";

const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// The answer may be cached, but must be validated before each use, because values change (RFC 9111, section 5.2.2.4).
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// The answer must not be cached: it is large, or for the owner only.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The standing fields of an answer; by default those of an answer without a request.
#[derive(Default)]
pub(crate) struct StandingFields {
    cache_control: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
}

impl StandingFields {
    /// Returns the fields of the answer to a request.
    pub(crate) fn new(method: &Method, path: &str, headers: &HeaderMap) -> StandingFields {
        // Caches do not store answers to other methods unless they have such a field (RFC 9110, section 9.2.3).
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let is_admin = path.starts_with("/admin/");
        StandingFields {
            cache_control: is_read.then_some(if is_admin { NO_STORE } else { NO_CACHE }),
            request_id: client_id(headers).cloned(),
        }
    }

    /// Adds the fields; a `Cache-Control` that is set already stays.
    pub(crate) fn add_to(self, headers: &mut HeaderMap) {
        headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, SAME_ORIGIN);
        headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if let Some(cache_control) = self.cache_control
            && !headers.contains_key(CACHE_CONTROL)
        {
            headers.insert(CACHE_CONTROL, cache_control);
        }
        if let Some(id) = self.request_id {
            headers.insert(REQUEST_ID, id);
        }
    }
}

/// Adds the standing fields to the answer to a request.
pub(crate) fn complete(request: &Request, headers: &mut HeaderMap) {
    let fields = StandingFields::new(request.method(), request.uri().path(), request.headers());
    fields.add_to(headers);
}

//! The access log, and what a request is called in the log.
//!
//! A line has no query, no header and no value, so that no secret and nothing that is stored comes into the log; keys
//! do, they are paths. A path has no space and no control character, or it would not have been taken.

use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::BodySize;
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, http::Method};
use log::Level;

const TARGET: &str = "akvs_http::access";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A client's longer id is not taken.
const ID_BYTES: usize = 128;

/// An id that was made for a request.
#[derive(Clone)]
struct Made(String);

/// Writes a line for an answered request, if somebody wants to read it.
pub(crate) fn log<B>(response: &ServiceResponse<B>, size: BodySize, took: Duration) {
    if !log::log_enabled!(target: TARGET, Level::Debug) {
        return;
    }
    let request = response.request();
    let bytes = match size {
        _ if request.method() == Method::HEAD => "0".into(),
        BodySize::None => "0".into(),
        BodySize::Sized(bytes) => bytes.to_string(),
        // Nobody knows yet.
        BodySize::Stream => "-".to_owned(),
    };
    log::debug!(
        target: TARGET,
        "method={} path={} status={} bytes={bytes} micros={} id={}",
        request.method(),
        request.uri().path(),
        response.status().as_u16(),
        took.as_micros(),
        request_id(request),
    );
}

/// What a request is called in the log: as its client says, or else by a name that is made for it.
pub(crate) fn request_id(request: &HttpRequest) -> String {
    if let Some(id) = clients_id(request.headers()).and_then(|id| id.to_str().ok()) {
        return id.to_owned();
    }
    let mut extensions = request.extensions_mut();
    if let Some(Made(id)) = extensions.get() {
        return id.clone();
    }
    let id = format!("{:016x}", fastrand::u64(..));
    extensions.insert(Made(id.clone()));
    id
}

/// Gives a client the id of its request back, if it chose one.
pub(crate) fn give_back_id<B>(response: &mut ServiceResponse<B>) {
    if let Some(id) = clients_id(response.request().headers()).cloned() {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

/// The id that a client chose, if it is visible ASCII of a sane length, and the only one.
fn clients_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut ids = headers.get_all(&REQUEST_ID);
    let id = ids.next()?;
    let is_sane = (1..=ID_BYTES).contains(&id.len())
        && id.as_bytes().iter().all(u8::is_ascii_graphic)
        && ids.next().is_none();
    is_sane.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_a_sane_id_is_taken() {
        let longest = "x".repeat(ID_BYTES);
        for good in ["1", "a-b_c:d/e", "\"{}~!", &longest] {
            let request = TestRequest::default().insert_header((REQUEST_ID, good));
            assert_eq!(request_id(&request.to_http_request()), good);
        }
        for bad in ["", "a b", "a\tb", "é", &format!("{longest}x")] {
            let bad = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            let request = TestRequest::default().insert_header((REQUEST_ID, bad));
            assert_eq!(request_id(&request.to_http_request()).len(), 16);
        }
        let twice = TestRequest::default()
            .append_header((REQUEST_ID, "a"))
            .append_header((REQUEST_ID, "b"));
        assert_eq!(request_id(&twice.to_http_request()).len(), 16);
    }

    #[test]
    fn a_request_keeps_the_id_that_was_made_for_it() {
        let request = TestRequest::default().to_http_request();
        let id = request_id(&request);
        assert_eq!(request_id(&request), id);
        let other = TestRequest::default().to_http_request();
        assert_ne!(request_id(&other), id);
    }
}

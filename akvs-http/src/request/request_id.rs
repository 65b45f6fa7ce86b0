//! The id of a request in the log: `X-Request-Id`, or a generated one.

use actix_http::HttpMessage;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::message::Request;

/// The field with the id that a client chose.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The maximum length of a client's id; a longer one is ignored.
const MAX_ID_BYTES: usize = 128;

/// An id that was generated for a request.
#[derive(Clone)]
struct GeneratedId(String);

/// Returns the id that the client chose, or an id that is generated once for the request.
pub(crate) fn request_id(request: &Request) -> String {
    if let Some(id) = client_id(request.headers()).and_then(|id| id.to_str().ok()) {
        return id.to_owned();
    }
    let mut extensions = request.extensions_mut();
    if let Some(GeneratedId(id)) = extensions.get() {
        return id.clone();
    }
    let id = format!("{:016x}", fastrand::u64(..));
    extensions.insert(GeneratedId(id.clone()));
    id
}

/// Returns the id that a client chose, if it is the only one, visible ASCII and not too long.
pub(crate) fn client_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut ids = headers.get_all(&REQUEST_ID);
    let id = ids.next()?;
    let is_valid = (1..=MAX_ID_BYTES).contains(&id.len())
        && id.as_bytes().iter().all(u8::is_ascii_graphic)
        && ids.next().is_none();
    is_valid.then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn only_a_valid_id_is_accepted() {
        let longest = "x".repeat(MAX_ID_BYTES);
        for good in ["1", "a-b_c:d/e", "\"{}~!", &longest] {
            let request = TestRequest::default().insert_header((REQUEST_ID, good));
            assert_eq!(request_id(&request.to_http_request().into()), good);
        }
        for bad in ["", "a b", "a\tb", "é", &format!("{longest}x")] {
            let bad = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            let request = TestRequest::default().insert_header((REQUEST_ID, bad));
            assert_eq!(request_id(&request.to_http_request().into()).len(), 16);
        }
        let twice = TestRequest::default()
            .append_header((REQUEST_ID, "a"))
            .append_header((REQUEST_ID, "b"));
        assert_eq!(request_id(&twice.to_http_request().into()).len(), 16);
    }

    #[test]
    fn a_request_keeps_its_generated_id() {
        let request = TestRequest::default().to_http_request().into();
        let id = request_id(&request);
        assert_eq!(request_id(&request), id);
        let other = TestRequest::default().to_http_request().into();
        assert_ne!(request_id(&other), id);
    }
}

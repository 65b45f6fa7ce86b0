//! Problem documents for the errors that actix answers without a body, to bytes that are not a request.
//!
//! actix has no hook for them, so the document is added to the bytes of the response. No other response has such a form,
//! because the server's own errors have a body.

use actix_web::http::StatusCode;
use akvs_core::{Code, Error};

use crate::response::fields::STANDING_TEXT;
use crate::response::problem;

const VERSION: &str = "HTTP/1.1 ";
const NO_BODY: &str = "content-length: 0\r\n";
const END: &str = "\r\n\r\n";
/// A length that no such response exceeds.
const MAX_BYTES: usize = 1_024;

/// Returns these bytes with a problem document, if they are such a response.
pub(crate) fn with_problem_body(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(bytes).ok()?;
    let is_head = head.len() <= MAX_BYTES && head.find(END) == head.len().checked_sub(END.len());
    let status = head.strip_prefix(VERSION).filter(|_| is_head)?.get(..3)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    let (before, after) = head.split_once(NO_BODY)?;
    let document = problem::document_with_status(&reason(status)?, status);
    let (length, media_type) = (document.len(), problem::PROBLEM_JSON);
    let fields =
        format!("content-length: {length}\r\ncontent-type: {media_type}\r\n{STANDING_TEXT}");
    // actix closes the connection, but may not send the field.
    let close = if head.contains("\r\nconnection: ") {
        ""
    } else {
        "connection: close\r\n"
    };
    Some([before, close, &fields, after, &document].concat().into())
}

/// Returns the error of a status; none for a status that actix does not use. Most errors are refused before they reach actix.
fn reason(status: StatusCode) -> Option<Error> {
    let text = match status {
        StatusCode::BAD_REQUEST => "malformed request: expected HTTP/1.1",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "the head of the request is too large",
        _ => return None,
    };
    Some(Error::new(Code::InvalidRequest, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_without_a_body_gets_a_document() {
        let own = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npong";
        let refusal = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let answer = with_problem_body(refusal.as_bytes()).unwrap();
        let text = std::str::from_utf8(&answer).unwrap();
        let (head, body) = text.rsplit_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-length: "));
        assert!(head.ends_with("connection: close"), "{head}");
        assert!(head.contains(&format!(": {}\r\n", body.len())), "{head}");
        let document: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&document["status"], &document["code"]),
            (&400.into(), &"invalid_request".into())
        );
        for other in [
            own,
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 17\r\n\r\n",
            &format!("{own}{refusal}"),
            &format!("{refusal}{own}"),
            "\r\n\r\n",
            "",
        ] {
            assert_eq!(with_problem_body(other.as_bytes()), None, "{other}");
        }
    }
}

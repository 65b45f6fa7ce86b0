//! Errors as HTTP: the one table from code to status, and the problem documents (RFC 9457).

use actix_web::http::header::{
    ALLOW, AUTHORIZATION, ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use akvs_api::problem::{MISSING, RETRY_AFTER_S, REVISION};
use akvs_api::{Problem, header};
use akvs_core::{Code, Error};
use serde_json::Value;

pub(crate) use akvs_api::media_type::{PROBLEM_JSON, TEXT};

use crate::request::negotiate;
use crate::request::request_id::request_id;

const AKVS_MISSING: HeaderName = HeaderName::from_static(header::MISSING);

/// The status and the title of a code: the table of the contract.
pub(crate) fn status(code: Code) -> (StatusCode, &'static str) {
    match code {
        Code::InvalidKey => (StatusCode::BAD_REQUEST, "Invalid key"),
        Code::InvalidNamespace => (StatusCode::BAD_REQUEST, "Invalid namespace"),
        Code::InvalidRequest => (StatusCode::BAD_REQUEST, "Invalid request"),
        Code::ConfirmationRequired => (StatusCode::BAD_REQUEST, "Confirmation required"),
        Code::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
        Code::Forbidden => (StatusCode::FORBIDDEN, "Forbidden"),
        Code::NotFound => (StatusCode::NOT_FOUND, "Not Found"),
        Code::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
        Code::Conflict => (StatusCode::CONFLICT, "Conflict"),
        Code::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "Precondition failed"),
        Code::HistoryGone => (StatusCode::GONE, "History gone"),
        Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Too large"),
        Code::RangeNotSatisfiable => (StatusCode::RANGE_NOT_SATISFIABLE, "Range not satisfiable"),
        Code::MisdirectedRequest => (StatusCode::MISDIRECTED_REQUEST, "Misdirected request"),
        Code::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "Overloaded"),
        Code::Closing => (StatusCode::SERVICE_UNAVAILABLE, "Closing"),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Unavailable"),
        Code::OutcomeUnknown => (StatusCode::GATEWAY_TIMEOUT, "Outcome unknown"),
        Code::QuotaExceeded => (StatusCode::INSUFFICIENT_STORAGE, "Quota exceeded"),
        Code::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "Storage full"),
        Code::Storage => (StatusCode::INTERNAL_SERVER_ERROR, "Storage failed"),
        Code::Corrupted => (StatusCode::INTERNAL_SERVER_ERROR, "Stored data damaged"),
    }
}

/// The response to an error: a problem document, or the original's text where the contract has one.
pub(crate) fn respond(request: &HttpRequest, error: &Error) -> HttpResponse {
    let (status, title) = status(error.code());
    if matches!(
        error.code(),
        Code::Storage | Code::Corrupted | Code::OutcomeUnknown
    ) {
        let source = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        let (method, path, id) = (request.method(), request.uri().path(), request_id(request));
        log::error!("{method} {path}: {error} {source} id={id}");
    }
    let mut response = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = error
            .context()
            .get(RETRY_AFTER_S)
            .and_then(Value::as_u64)
            .unwrap_or(1);
        response.insert_header((RETRY_AFTER, seconds));
    }
    if error.code() == Code::Unauthorized {
        let challenge = challenge(request.headers());
        response.insert_header((WWW_AUTHENTICATE, challenge));
    }
    if let Some(revision) = error.context().get(REVISION).and_then(Value::as_u64) {
        response.insert_header((ETAG, format!("\"{revision}\"")));
    }
    if error.code() == Code::NotFound {
        let missing = error.context().get(MISSING).and_then(Value::as_str);
        response.insert_header((AKVS_MISSING, missing.unwrap_or(header::MISSING_KEY)));
    }
    // The original's two texts; a client that asks for JSON gets the document.
    if matches!(error.code(), Code::NotFound | Code::MethodNotAllowed) {
        response.insert_header((VARY, "accept"));
        if !negotiate::lists_json(request) {
            return response.content_type(TEXT).body(title);
        }
    }
    response.content_type(PROBLEM_JSON).body(document(error))
}

/// What is said to who presented no token, or one that is not good (RFC 6750, section 3).
pub(crate) fn challenge(headers: &HeaderMap) -> &'static str {
    match headers.contains_key(AUTHORIZATION) {
        true => "Bearer realm=\"akvs\", error=\"invalid_token\"",
        false => "Bearer realm=\"akvs\"",
    }
}

/// The problem document of an error (RFC 9457, section 3).
pub(crate) fn document(error: &Error) -> String {
    let (status, title) = status(error.code());
    document_with(error, status, title)
}

/// The same, of an answer whose status is not ours to choose.
pub(crate) fn document_with(error: &Error, status: StatusCode, title: &str) -> String {
    let document = Problem::new(error, status.as_u16(), title);
    // A document of texts and JSON values can always be written.
    serde_json::to_string(&document).unwrap_or_default()
}

/// The response to a method that a path has no answer of its own to: which ones it has, or that this is none of them.
pub(crate) fn method_not_allowed(request: &HttpRequest, allow: &'static str) -> HttpResponse {
    if *request.method() == Method::OPTIONS {
        return HttpResponse::NoContent()
            .insert_header((ALLOW, allow))
            .finish();
    }
    let message = format!(
        "{} is not allowed here; allowed are {allow}",
        request.method()
    );
    let mut response = respond(request, &Error::new(Code::MethodNotAllowed, message));
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::{BodySize, MessageBody};
    use actix_web::test::TestRequest;
    use serde_json::json;

    #[test]
    fn every_code_has_an_error_status_and_a_title() {
        for code in Code::ALL {
            let (status, title) = status(code);
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{code}"
            );
            assert!(!title.is_empty(), "{code}");
        }
    }

    #[test]
    fn the_context_cannot_replace_a_standard_member() {
        let error = Error::new(Code::TooLarge, "too large")
            .with("status", 200)
            .with("limit", 8);
        let response = respond(&TestRequest::default().to_http_request(), &error);
        assert_eq!(response.status(), 413);
        let body = response.into_body().try_into_bytes().unwrap();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&document["status"], &document["limit"]),
            (&json!(413), &json!(8))
        );
        assert_eq!(document["type"], "urn:akvs:problem:too_large");
    }

    #[test]
    fn the_original_texts_have_no_newline() {
        let response = respond(
            &TestRequest::default().to_http_request(),
            &Error::not_found(),
        );
        assert_eq!(response.body().size(), BodySize::Sized(9));
    }
}

//! Errors as HTTP: the table from code to status, and the problem documents (RFC 9457).

use actix_web::HttpResponse;
use actix_web::http::header::{
    ALLOW, AUTHORIZATION, ETAG, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE,
};
use actix_web::http::{Method, StatusCode};
use akvs_api::problem::{MISSING, RETRY_AFTER_S, REVISION, title};
use akvs_api::{Problem, header};
use akvs_core::{Code, Error};
use serde_json::Value;

pub(crate) use akvs_api::media_type::{PROBLEM_JSON, TEXT};

use crate::request::message::Request;
use crate::request::negotiate;
use crate::request::request_id::request_id;

const AKVS_MISSING: HeaderName = HeaderName::from_static(header::MISSING);

/// Returns the status of a code: the table of the contract.
pub(crate) fn status(code: Code) -> StatusCode {
    match code {
        Code::InvalidKey
        | Code::InvalidNamespace
        | Code::InvalidRequest
        | Code::ConfirmationRequired => StatusCode::BAD_REQUEST,
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::Conflict => StatusCode::CONFLICT,
        Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::HistoryGone => StatusCode::GONE,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RangeNotSatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
        Code::MisdirectedRequest => StatusCode::MISDIRECTED_REQUEST,
        Code::Overloaded | Code::Closing | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
        Code::QuotaExceeded | Code::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        Code::Storage | Code::Corrupted => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Returns the response to an error: a problem document, or the plain text of a 404 or 405.
pub(crate) fn respond(request: &Request, error: &Error) -> HttpResponse {
    let status = status(error.code());
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
    // Two errors are plain text, except to clients that list JSON.
    if matches!(error.code(), Code::NotFound | Code::MethodNotAllowed) {
        response.insert_header((VARY, "accept"));
        if !negotiate::lists_json(request) {
            return response.content_type(TEXT).body(title(error.code()));
        }
    }
    response.content_type(PROBLEM_JSON).body(document(error))
}

/// Returns the challenge to a request with an invalid token, or without a token (RFC 6750, section 3).
pub(crate) fn challenge(headers: &HeaderMap) -> &'static str {
    if headers.contains_key(AUTHORIZATION) {
        "Bearer realm=\"akvs\", error=\"invalid_token\""
    } else {
        "Bearer realm=\"akvs\""
    }
}

/// Returns the problem document of an error (RFC 9457, section 3).
pub(crate) fn document(error: &Error) -> String {
    document_with_status(error, status(error.code()))
}

/// Returns the problem document of an error that has another status than its code, such as a head that is too large.
pub(crate) fn document_with_status(error: &Error, status: StatusCode) -> String {
    let document = Problem::new(error, status.as_u16());
    // The derived serializer of a document does not fail.
    serde_json::to_string(&document).unwrap_or_default()
}

/// Returns the response to a method that the path does not have: the list of methods to `OPTIONS`, else 405.
pub(crate) fn method_not_allowed(request: &Request, allow: &'static str) -> HttpResponse {
    if *request.method() == Method::OPTIONS {
        return HttpResponse::NoContent()
            .insert_header((ALLOW, allow))
            .finish();
    }
    let message = format!(
        "unsupported method {}: expected one of {allow}",
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
            let status = status(code);
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{code}"
            );
            assert!(!title(code).is_empty(), "{code}");
        }
    }

    #[test]
    fn the_context_cannot_replace_a_standard_member() {
        let error = Error::new(Code::TooLarge, "too large")
            .with("status", 200)
            .with("limit", 8);
        let response = respond(&TestRequest::default().to_http_request().into(), &error);
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
    fn the_plain_texts_have_no_newline() {
        let response = respond(
            &TestRequest::default().to_http_request().into(),
            &Error::not_found(),
        );
        assert_eq!(response.body().size(), BodySize::Sized(9));
    }
}

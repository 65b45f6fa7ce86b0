//! The answer to bytes that are not a request: its status and its problem.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder};
use akvs_core::{Code, Error};

use super::head::{MAX_FIELDS, MAX_HEAD_BYTES, MAX_TARGET_BYTES};
use crate::response::fields::StandingFields;
use crate::response::problem;

/// A refusal of bytes that are not a valid request.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: Error,
}

impl Refusal {
    /// Returns the refusal of a request that violates HTTP/1.1.
    pub(crate) fn malformed(text: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            error: Error::new(Code::InvalidRequest, text.into()),
        }
    }

    /// Returns the refusal of a head that did not arrive in time.
    pub(super) fn late() -> Refusal {
        let text = "the head of the request did not arrive in time (limits.header_timeout)";
        Refusal {
            status: StatusCode::REQUEST_TIMEOUT,
            error: Error::new(Code::InvalidRequest, text).with("setting", "limits.header_timeout"),
        }
    }

    /// Returns the refusal of a head with too many fields or bytes.
    pub(crate) fn large_head() -> Refusal {
        let text = format!(
            "the head of the request has more than {MAX_FIELDS} fields, or more than {MAX_HEAD_BYTES} bytes"
        );
        Refusal {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            error: Error::new(Code::InvalidRequest, text).with("limit", MAX_HEAD_BYTES),
        }
    }

    /// Returns the refusal of more than this many bytes of empty lines before a request.
    pub(super) fn blank(limit: usize) -> Refusal {
        let text = format!("more than {limit} bytes of empty lines: expected a request");
        Refusal {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            error: Error::new(Code::InvalidRequest, text).with("limit", limit),
        }
    }

    /// Returns the refusal of a target that is too long.
    pub(crate) fn long_target() -> Refusal {
        let text = format!("the request target has more than {MAX_TARGET_BYTES} bytes");
        Refusal {
            status: StatusCode::URI_TOO_LONG,
            error: Error::new(Code::InvalidRequest, text).with("limit", MAX_TARGET_BYTES),
        }
    }

    /// Returns the refusal of a request whose head or answer needs more memory than is left.
    pub(crate) fn overloaded(error: Error) -> Refusal {
        Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error,
        }
    }

    /// Returns the answer.
    pub(crate) fn response(&self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status);
        if self.error.code() == Code::Overloaded {
            response.insert_header((RETRY_AFTER, 1));
        }
        let mut response = response
            .insert_header((CONTENT_TYPE, problem::PROBLEM_JSON))
            .body(problem::document_with_status(&self.error, self.status));
        StandingFields::default().add_to(response.headers_mut());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::MessageBody;
    use akvs_api::problem::title;
    use serde_json::Value;

    #[test]
    fn a_refusal_has_the_title_of_its_code_whatever_its_status_is() {
        for refusal in [
            Refusal::malformed("malformed"),
            Refusal::late(),
            Refusal::large_head(),
            Refusal::blank(1),
            Refusal::long_target(),
            Refusal::overloaded(Error::new(Code::Overloaded, "overloaded")),
        ] {
            let body = refusal.response().into_body().try_into_bytes().unwrap();
            let document: Value = serde_json::from_slice(&body).unwrap();
            let code = Code::parse(document["code"].as_str().unwrap()).unwrap();
            assert_eq!(document["title"], title(code), "{refusal:?}");
            assert_eq!(document["status"], refusal.status.as_u16());
        }
    }
}

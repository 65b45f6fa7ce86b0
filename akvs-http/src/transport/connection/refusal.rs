//! The answer to bytes that are no request: its status and its problem.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, HttpResponseBuilder};
use akvs_core::{Code, Error};

use super::head::{MAX_FIELDS, MAX_HEAD_BYTES, MAX_TARGET_BYTES};
use crate::response::problem;

/// Why bytes are no request.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: Error,
}

impl Refusal {
    /// A request that is not written as HTTP/1.1 demands.
    pub(crate) fn malformed(text: impl Into<String>) -> Refusal {
        Refusal {
            status: StatusCode::BAD_REQUEST,
            error: Error::new(Code::InvalidRequest, text.into()),
        }
    }

    /// A head that did not come in time.
    pub(super) fn late() -> Refusal {
        let text = "the head of the request did not arrive in time (limits.header_timeout)";
        Refusal {
            status: StatusCode::REQUEST_TIMEOUT,
            error: Error::new(Code::InvalidRequest, text).with("setting", "limits.header_timeout"),
        }
    }

    /// A head with too much in it.
    pub(crate) fn large_head() -> Refusal {
        let text = format!(
            "the head of the request has more than {MAX_FIELDS} fields, or more than {MAX_HEAD_BYTES} bytes"
        );
        Refusal {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            error: Error::new(Code::InvalidRequest, text).with("limit", MAX_HEAD_BYTES),
        }
    }

    /// More than so many bytes of empty lines where a head is expected.
    pub(super) fn blank(limit: usize) -> Refusal {
        let text = format!("more than {limit} bytes of empty lines: expected a request");
        Refusal {
            status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            error: Error::new(Code::InvalidRequest, text).with("limit", limit),
        }
    }

    /// A target that is too long.
    pub(crate) fn long_target() -> Refusal {
        let text = format!("the request target has more than {MAX_TARGET_BYTES} bytes");
        Refusal {
            status: StatusCode::URI_TOO_LONG,
            error: Error::new(Code::InvalidRequest, text).with("limit", MAX_TARGET_BYTES),
        }
    }

    /// A request, or an answer, for which there is no memory.
    pub(crate) fn overloaded(error: Error) -> Refusal {
        Refusal {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error,
        }
    }

    /// Its answer.
    pub(crate) fn response(&self) -> HttpResponse {
        let mut title = self.status.canonical_reason().unwrap_or_default();
        let mut response = HttpResponseBuilder::new(self.status);
        if self.error.code() == Code::Overloaded {
            title = problem::status(Code::Overloaded).1;
            response.insert_header((RETRY_AFTER, 1));
        }
        response
            .insert_header((CONTENT_TYPE, problem::PROBLEM_JSON))
            .body(problem::document_with(&self.error, self.status, title))
    }
}

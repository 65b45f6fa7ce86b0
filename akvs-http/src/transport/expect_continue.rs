//! `Expect: 100-continue` (RFC 9110, section 10.1.1): a client that waits before it sends content gets an error at once if
//! the server does not want the content.

use std::sync::Arc;

use actix_http::{HttpMessage, Request, Response};
use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use akvs_core::{Code, Error};

use crate::response::fields::StandingFields;
use crate::response::problem;
use crate::transport::resources::Resources;

/// Accepts the content of a request, or rejects the request.
pub(crate) async fn accept_body(
    request: Request,
    resources: Arc<Resources>,
) -> Result<Request, Rejected> {
    match (resources.expectation)(&request) {
        Ok(()) => Ok(request),
        Err(error) => Err(Rejected {
            challenge: problem::challenge(request.headers()),
            fields: StandingFields::new(request.method(), request.path(), request.headers()),
            error,
        }),
    }
}

/// A request whose content the server does not want.
pub(crate) struct Rejected {
    error: Error,
    challenge: &'static str,
    fields: StandingFields,
}

impl From<Rejected> for Response<BoxBody> {
    fn from(rejected: Rejected) -> Response<BoxBody> {
        let Rejected {
            error,
            challenge,
            fields,
        } = rejected;
        let status = problem::status(error.code());
        let mut response = Response::build(status);
        if error.code() == Code::Unauthorized {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        let mut response = response
            .insert_header((CONTENT_TYPE, problem::PROBLEM_JSON))
            .force_close()
            .body(problem::document(&error))
            .map_into_boxed_body();
        fields.add_to(response.headers_mut());
        response
    }
}

//! Errors: the one schema of all problem documents, and one reusable response for each status.

use std::collections::BTreeMap;

use akvs_api::problem::{title, type_uri};
use akvs_core::Code;
use serde_json::{Value, json};
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};

use super::responses::{header, plain, tag, text_header};
use super::{parameters, schemas};
use crate::response::problem;
use crate::response::problem::{PROBLEM_JSON, TEXT};

/// The name of the schema.
pub(super) const PROBLEM: &str = "Problem";

/// Returns the name of the reusable response of a status.
fn name(status: u16) -> String {
    format!("problem-{status}")
}

/// Returns a reference to the reusable response of a status.
pub(super) fn reference(status: u16) -> RefOr<Response> {
    RefOr::Ref(Ref::from_response_name(name(status)))
}

/// Returns the reusable responses: one for each status of the table of codes, with all its codes.
pub(super) fn responses() -> Vec<(String, Response)> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL {
        let status = problem::status(code).as_u16();
        by_status.entry(status).or_default().push(code);
    }
    let all = by_status.iter();
    all.map(|(&status, codes)| (name(status), response(codes)))
        .collect()
}

/// Returns the schema of a problem document (RFC 9457). It is the same for all statuses, and `code` is not an enumeration,
/// because a client must be able to read the codes of a newer server.
pub(super) fn schema() -> Object {
    let codes = Code::ALL.iter().map(|code| Value::from(code.as_str()));
    let code = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .description(Some(
            "The code, for programs. Later versions may add codes.",
        ))
        .examples(codes);
    let text = || RefOr::from(Object::with_type(Type::String));
    let number = || RefOr::from(parameters::number());
    let schema = schemas::described(&[
        ("type", text(), true),
        ("title", text(), true),
        (
            "status",
            parameters::integer(Some(400), Some(599)).into(),
            true,
        ),
        ("detail", text(), true),
        ("code", code.into(), true),
        ("revision", number(), false),
        ("limit", number(), false),
        ("setting", text(), false),
        ("field", text(), false),
        ("key", text(), false),
        ("key64", text(), false),
    ]);
    schema
        .description(Some(
            "An error (RFC 9457). Further members may give details.",
        ))
        .build()
}

fn response(codes: &[Code]) -> Response {
    let titles: Vec<&str> = codes.iter().map(|code| title(*code)).collect();
    let codes_text: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let mut response = plain(&format!(
        "{} ({})",
        titles.join(", "),
        codes_text.join(", ")
    ));
    // Two errors are plain text. Generated clients read an answer as its first known media type, and send no `Accept`,
    // which is answered with the text.
    if let [Code::NotFound | Code::MethodNotAllowed] = codes {
        response = response.content(TEXT, Content::new(Some(Object::with_type(Type::String))));
    }
    let response = response.content(PROBLEM_JSON, document(codes));
    let response = codes
        .iter()
        .fold(response, |response, code| with_fields_of(*code, response));
    response.build()
}

/// Returns the problem document with an example for each code.
fn document(codes: &[Code]) -> Content {
    let examples = codes.iter().map(|code| {
        let (status, title) = (problem::status(*code), title(*code));
        let example = json!({
            "type": type_uri(*code),
            "title": title,
            "status": status.as_u16(),
            "detail": title,
            "code": code.as_str(),
        });
        let example = ExampleBuilder::new().value(Some(example)).build();
        (code.as_str(), example)
    });
    ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(PROBLEM)))
        .examples_from_iter(examples)
        .build()
}

/// Adds the header fields of a code.
fn with_fields_of(code: Code, response: ResponseBuilder) -> ResponseBuilder {
    match code {
        Code::Unauthorized => response.header(
            "WWW-Authenticate",
            text_header(
                "The scheme, and the error if the request had a token (RFC 6750, section 3).",
            ),
        ),
        Code::MethodNotAllowed => response.header("Allow", text_header("The methods of the path.")),
        Code::Overloaded | Code::Closing | Code::Unavailable => response.header(
            "Retry-After",
            header(
                parameters::integer(Some(0), None),
                "The number of seconds after which a new attempt may succeed.",
            ),
        ),
        Code::PreconditionFailed => response.header("ETag", tag()),
        Code::RangeNotSatisfiable => response
            .header("ETag", tag())
            .header("Content-Range", text_header("`bytes */<length>`.")),
        Code::InvalidKey
        | Code::InvalidNamespace
        | Code::InvalidRequest
        | Code::ConfirmationRequired
        | Code::Forbidden
        | Code::NotFound
        | Code::Conflict
        | Code::HistoryGone
        | Code::MisdirectedRequest
        | Code::TooLarge
        | Code::OutcomeUnknown
        | Code::QuotaExceeded
        | Code::StorageFull
        | Code::Storage
        | Code::Corrupted => response,
    }
}

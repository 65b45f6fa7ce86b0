//! What is answered: bodies, header fields, and one reusable response for each status of a problem.

use std::collections::BTreeMap;

use akvs_core::Code;
use serde_json::Value;
use utoipa::openapi::content::Content;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Header, Ref, RefOr};

use super::parameters::{self, DATE_TIME};
use super::schemas;
use crate::problem::{self, PROBLEM_JSON, TEXT};

/// `ETag: "<revision>"`.
const TAG: &str = "^\"[0-9]+\"$";

/// The name of the reusable response of a status.
pub(super) fn name(status: u16) -> String {
    format!("problem-{status}")
}

/// The same, to HEAD.
pub(super) fn head_name(status: u16) -> String {
    format!("problem-{status}-head")
}

/// The reusable responses: one for each status of the table of problems, with all codes that have it.
pub(super) fn problems() -> Vec<(String, Response)> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in Code::ALL {
        let status = problem::status(code).0.as_u16();
        by_status.entry(status).or_default().push(code);
    }
    let all = by_status.iter().flat_map(|(&status, codes)| {
        let response = of_problem(status, codes);
        let head = without_body(&response);
        [(name(status), response), (head_name(status), head)]
    });
    all.collect()
}

fn of_problem(status: u16, codes: &[Code]) -> Response {
    let titles: Vec<&str> = codes.iter().map(|code| problem::status(*code).1).collect();
    let codes_text: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let mut response = ResponseBuilder::new()
        .description(format!("{} ({})", titles.join(", "), codes_text.join(", ")))
        .content(PROBLEM_JSON, json(schemas::problem(status, codes)));
    // The original's two texts, which have no newline.
    if let [code @ (Code::NotFound | Code::MethodNotAllowed)] = codes {
        response = response.content(TEXT, fixed(problem::status(*code).1));
    }
    for code in codes {
        response = match code {
            Code::Unauthorized => response.header(
                "WWW-Authenticate",
                text_header("The scheme, and whether a token was there (RFC 6750, section 3)."),
            ),
            Code::MethodNotAllowed => {
                response.header("Allow", text_header("Which methods there are."))
            }
            Code::Overloaded => response.header(
                "Retry-After",
                header(
                    parameters::integer(Some(0), None),
                    "After so many seconds it may work.",
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
            | Code::TooLarge
            | Code::Closing
            | Code::Unavailable
            | Code::OutcomeUnknown
            | Code::QuotaExceeded
            | Code::StorageFull
            | Code::Storage
            | Code::Corrupted => response,
        };
    }
    response.build()
}

/// A response without anything of its own.
pub(super) fn plain(description: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(description)
}

/// The response to HEAD of what GET answers with.
pub(super) fn without_body(response: &Response) -> Response {
    let mut response = response.clone();
    response.content.clear();
    response
}

/// A response with one of these texts, to the byte.
pub(super) fn text(description: &str, body: &str) -> ResponseBuilder {
    plain(description).content(TEXT, fixed(body))
}

/// A response with a JSON document of the schema of this name.
pub(super) fn document(description: &str, schema: &str) -> ResponseBuilder {
    let content = Content::new(Some(Ref::from_schema_name(schema)));
    plain(description)
        .content("application/json", content)
        .header("X-Content-Type-Options", only("nosniff"))
}

/// A body of which nothing is said but its type.
pub(super) fn anything() -> Content {
    Content::new(None::<RefOr<Schema>>)
}

fn json(schema: impl Into<RefOr<Schema>>) -> Content {
    Content::new(Some(schema))
}

fn fixed(body: &str) -> Content {
    json(schemas::one_of_texts([body]))
}

/// The answer to OPTIONS.
pub(super) fn allow(methods: &str) -> Response {
    plain("The methods that there are, in the header field.")
        .header("Allow", only(methods))
        .build()
}

/// A header field of this schema.
pub(super) fn header(schema: impl Into<RefOr<Schema>>, text: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(text))
        .build()
}

/// A header field that is text.
pub(super) fn text_header(text: &str) -> Header {
    header(Object::with_type(Type::String), text)
}

/// A header field that always has this value.
pub(super) fn only(value: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(schemas::one_of_texts([value])))
        .build()
}

pub(super) fn tag() -> Header {
    header(
        parameters::pattern(TAG),
        "The revision that the answer speaks of.",
    )
}

/// What every read of a value tells.
pub(super) fn of_entry(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header("ETag", tag())
        .header(
            "Last-Modified",
            text_header("When this revision was written."),
        )
        .header("AKVS-Expires", expires())
        .header(
            "Preference-Applied",
            text_header("That the reader's wish to wait was heeded, and for how long."),
        )
}

/// What comes with a value.
pub(super) fn of_value(response: ResponseBuilder) -> ResponseBuilder {
    of_entry(response)
        .header("Accept-Ranges", only("bytes"))
        .header("X-Content-Type-Options", only("nosniff"))
        .header(
            "Content-Security-Policy",
            text_header("A stored page must not act for the site."),
        )
        .header(
            "Content-Encoding",
            text_header("As the writer said; the server neither encodes nor decodes."),
        )
        .content("*/*", anything())
}

/// What every change tells.
pub(super) fn of_change(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header(
            "ETag",
            header(
                parameters::pattern(TAG),
                "The revision of the key now; not there where nothing was changed.",
            ),
        )
        .header(
            "AKVS-Existed",
            header(
                schemas::one_of_texts(["?0", "?1"]),
                "Whether the key was there before; not there for a token that may not read.",
            ),
        )
        .header(
            "AKVS-Write-Only",
            header(
                schemas::one_of_texts(["?1"]),
                "In place of AKVS-Existed, for a token that may not read.",
            ),
        )
        .header("AKVS-Expires", expires())
}

fn expires() -> Header {
    let schema = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .pattern(Some(DATE_TIME))
        .examples([Value::from("2030-01-31T23:59:59.999Z")])
        .build();
    header(
        schema,
        "From when on the key is gone; only where it will be.",
    )
}

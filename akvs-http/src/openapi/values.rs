//! `/kv/{namespace}/{key}` and its twin for any bytes.

use akvs_core::Code;
use utoipa::openapi::Ref;
use utoipa::openapi::path::{HttpMethod, Parameter};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{Object, Type};

use super::operation::{OF_CHANGES, OperationDescription, PathDescription};
use super::parameters::{self, field, query};
use super::responses;
use crate::response::headers::DEFAULT_TYPE;
use crate::response::problem::TEXT;

const TAG: &str = "values";

/// The paths of single keys.
pub(super) fn routes() -> [PathDescription; 2] {
    let by_key = PathDescription::new("/kv/{namespace}/{key}", TAG)
        .at([parameters::namespace(), parameters::key()]);
    let by_key64 = PathDescription::new("/kv/{namespace}/~64/{key64}", TAG)
        .suffix("64")
        .at([parameters::namespace(), parameters::key64()]);
    [by_key, by_key64].map(|route| route.with(get()).with(post()).with(delete()))
}

fn get() -> OperationDescription {
    OperationDescription::new(HttpMethod::Get, "getValue", "Read a value")
        .description(
            "The value's bytes, under the media type that its writer gave it. With `Prefer: wait=N` and the revision \
             that the reader has, the answer comes when the key changes, or `304` after N seconds, 60 at the most.",
        )
        .parameters([
            parameters::if_match(),
            parameters::if_none_match(),
            parameters::if_modified_since(),
            parameters::if_unmodified_since(),
            text_field("Range", "One range of bytes; several give the whole value."),
            text_field("If-Range", "The range only of this revision, else the whole value."),
            text_field("Prefer", "`wait=N` with `If-None-Match` (RFC 7240, section 4.3)."),
        ])
        .response(200, responses::with_value_headers(responses::plain("The value.")).build())
        .response(206, part())
        .response(
            304,
            responses::with_entry_headers(responses::plain("The reader has this revision already.")).build(),
        )
        .errors([
            Code::InvalidRequest,
            Code::PreconditionFailed,
            Code::RangeNotSatisfiable,
        ])
}

fn part() -> utoipa::openapi::Response {
    responses::with_value_headers(responses::plain("A part of the value."))
        .header(
            "Content-Range",
            responses::text_header("`bytes <first>-<last>/<length>`."),
        )
        .build()
}

fn post() -> OperationDescription {
    let created = responses::text("It is set; also where it replaces a value.", "Created");
    let done = responses::plain(
        "An operation is done: `OK`, or the sum in decimal digits after `op=add`.",
    )
    .content(
        TEXT,
        utoipa::openapi::Content::new(Some(parameters::pattern("^(OK|-?[0-9]+)$"))),
    );
    OperationDescription::new(HttpMethod::Post, "setValue", "Write a value, or change the one that is there")
        .description(
            "Without `op` the body is the value. `op=add` adds the signed decimal number in the body to the one that is \
             there, `op=append` appends the body, `op=touch` sets or removes the deadline and takes no body.",
        )
        .parameters([
            query(
                "op",
                Ref::from_schema_name("WriteOperation"),
                "What is done instead of replacing the value.",
            ),
            parameters::ttl(),
            parameters::if_match(),
            field(
                "If-None-Match",
                parameters::tags(),
                "With `*` only create; else only if the key is at none of these revisions (RFC 9110, section 13.1.2).",
            ),
            parameters::if_unmodified_since(),
            field(
                "Content-Encoding",
                parameters::kept(),
                "How the value is encoded; kept and given back, as `Content-Type` is.",
            ),
        ])
        .body(value())
        .response(201, responses::with_change_headers(created).build())
        .response(200, responses::with_change_headers(done).build())
        .errors([
            Code::InvalidRequest,
            Code::Conflict,
            Code::PreconditionFailed,
        ])
        .errors(OF_CHANGES)
}

fn value() -> RequestBody {
    RequestBodyBuilder::new()
        .description(Some(
            "The value, of any media type: `Content-Type` is kept and given back. Without one, and with curl's \
             `application/x-www-form-urlencoded`, it is `application/octet-stream`.",
        ))
        // Others are left out: clients are generated from the first, or not at all.
        .content(DEFAULT_TYPE, responses::bytes())
        .build()
}

fn delete() -> OperationDescription {
    let done = responses::text("It is gone; also where it was not there.", "OK");
    OperationDescription::new(HttpMethod::Delete, "deleteValue", "Delete a key")
        .parameters([
            parameters::if_match(),
            parameters::if_none_match(),
            parameters::if_unmodified_since(),
        ])
        .response(200, responses::with_change_headers(done).build())
        .errors([Code::InvalidRequest, Code::PreconditionFailed])
        .errors(OF_CHANGES)
}

fn text_field(name: &str, text: &str) -> Parameter {
    field(name, Object::with_type(Type::String), text)
}

//! `/kv/{namespace}/{key}` and `/kv/{namespace}/~64/{key64}`.

use akvs_core::Code;
use utoipa::openapi::Ref;
use utoipa::openapi::path::{HttpMethod, Parameter};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::{Object, Type};

use super::operation::{OperationDescription, PathDescription, WRITE_ERRORS};
use super::parameters::{self, field, query};
use super::responses;
use crate::response::headers::DEFAULT_TYPE;
use crate::response::problem::TEXT;

const TAG: &str = "values";

/// Returns the paths of single keys.
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
            "The bytes of the value, with the media type of the write. With `Prefer: wait=N` and the known revision in \
             `If-None-Match`, the answer comes when the key changes, or `304` after N seconds, at most 60.",
        )
        .parameters([
            parameters::if_match(),
            parameters::if_none_match(),
            parameters::if_modified_since(),
            parameters::if_unmodified_since(),
            text_field("Range", "One range of bytes; several return the whole value."),
            text_field("If-Range", "The range only if the key is at this revision, else the whole value."),
            text_field("Prefer", "`wait=N` with `If-None-Match` (RFC 7240, section 4.3)."),
        ])
        .response(200, responses::with_value_headers(responses::plain("The value.")).build())
        .response(206, part())
        .response(
            304,
            responses::with_entry_headers(responses::plain("The key is still at this revision.")).build(),
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
    let created = responses::text(
        "The value was stored; also if it replaced another.",
        "Created",
    );
    let done = responses::plain(
        "The operation was applied: `OK`, or the sum in decimal digits for `op=add`.",
    )
    .content(
        TEXT,
        utoipa::openapi::Content::new(Some(parameters::pattern("^(OK|-?[0-9]+)$"))),
    );
    OperationDescription::new(HttpMethod::Post, "setValue", "Store a value, or change the stored value")
        .description(
            "Without `op` the body is the value. `op=add` adds the signed decimal number in the body to the stored one, \
             `op=append` appends the body, `op=touch` sets or removes the expiry and takes no body.",
        )
        .parameters([
            query(
                "op",
                Ref::from_schema_name("WriteOperation"),
                "The operation in place of setting the value.",
            ),
            parameters::ttl(),
            parameters::if_match(),
            field(
                "If-None-Match",
                parameters::tags(),
                "`*`: only if the key does not exist; else only if it is at none of these revisions (RFC 9110, section 13.1.2).",
            ),
            parameters::if_unmodified_since(),
            field(
                "Content-Encoding",
                parameters::stored_field(),
                "The encoding of the value; stored and sent with every read, as `Content-Type` is.",
            ),
        ])
        .body(value())
        .response(201, responses::with_write_headers(created).build())
        .response(200, responses::with_write_headers(done).build())
        .errors([
            Code::InvalidRequest,
            Code::Conflict,
            Code::PreconditionFailed,
        ])
        .errors(WRITE_ERRORS)
}

fn value() -> RequestBody {
    RequestBodyBuilder::new()
        .description(Some(
            "The value, of any media type: `Content-Type` is stored and sent with every read. A missing one, and \
             `application/x-www-form-urlencoded`, which curl sends, become `application/octet-stream`.",
        ))
        // Other types are left out, because generators use the first one or fail.
        .content(DEFAULT_TYPE, responses::bytes())
        .build()
}

fn delete() -> OperationDescription {
    let done = responses::text(
        "The key does not exist; also if it did not exist before.",
        "OK",
    );
    OperationDescription::new(HttpMethod::Delete, "deleteValue", "Delete a key")
        .parameters([
            parameters::if_match(),
            parameters::if_none_match(),
            parameters::if_unmodified_since(),
        ])
        .response(200, responses::with_write_headers(done).build())
        .errors([Code::InvalidRequest, Code::PreconditionFailed])
        .errors(WRITE_ERRORS)
}

fn text_field(name: &str, text: &str) -> Parameter {
    field(name, Object::with_type(Type::String), text)
}

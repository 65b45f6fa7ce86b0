//! The parts of responses: bodies and header fields.

use akvs_api::media_type;
use serde_json::Value;
use utoipa::openapi::content::Content;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::ResponseBuilder;
use utoipa::openapi::schema::{
    KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{Header, Ref, RefOr};

use super::parameters::{self, DATE_TIME};
use super::schemas;
use crate::response::headers::DEFAULT_TYPE;
use crate::response::problem::TEXT;

/// `ETag: "<revision>"`.
const TAG: &str = "^\"[0-9]+\"$";

/// Returns a response without a body or header fields.
pub(super) fn plain(description: &str) -> ResponseBuilder {
    ResponseBuilder::new().description(description)
}

/// Returns a response with exactly this text.
pub(super) fn text(description: &str, body: &str) -> ResponseBuilder {
    plain(description).content(TEXT, Content::new(Some(schemas::exactly(body))))
}

/// Returns a response with a JSON document of the schema of this name.
pub(super) fn document(description: &str, schema: &str) -> ResponseBuilder {
    let content = Content::new(Some(Ref::from_schema_name(schema)));
    plain(description)
        .content(media_type::JSON, content)
        .header("X-Content-Type-Options", only("nosniff"))
}

/// Returns a body of any bytes. Generators recognize it by this format, which is from OpenAPI 3.0.
pub(super) fn bytes() -> Content {
    let bytes = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
    Content::new(Some(bytes))
}

/// Returns a body of text.
pub(super) fn any_text() -> Content {
    Content::new(Some(Object::with_type(Type::String)))
}

/// Returns a header field of this schema.
pub(super) fn header(schema: impl Into<RefOr<Schema>>, text: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(schema))
        .description(Some(text))
        .build()
}

/// Returns a header field of text.
pub(super) fn text_header(text: &str) -> Header {
    header(Object::with_type(Type::String), text)
}

/// Returns a header field that always has this value.
pub(super) fn only(value: &str) -> Header {
    HeaderBuilder::new()
        .schema(Some(schemas::one_of_texts([value])))
        .build()
}

pub(super) fn tag() -> Header {
    header(parameters::pattern(TAG), "The current revision of the key.")
}

/// Adds the header fields of every read of a value.
pub(super) fn with_entry_headers(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header("ETag", tag())
        .header("Cache-Control", only("no-cache"))
        .header(
            "Last-Modified",
            text_header("The time at which this revision was written."),
        )
        .header("AKVS-Expires", expires())
        .header(
            "Preference-Applied",
            text_header("`wait=N`, if the request waited for a change (RFC 7240, section 3)."),
        )
}

/// Adds the header fields and the body of a value.
pub(super) fn with_value_headers(response: ResponseBuilder) -> ResponseBuilder {
    with_entry_headers(response)
        .header("Accept-Ranges", only("bytes"))
        .header("X-Content-Type-Options", only("nosniff"))
        .header(
            "Content-Security-Policy",
            text_header("Prevents a stored page from acting for the site."),
        )
        .header(
            "Content-Encoding",
            text_header("The encoding given by the write; the server neither encodes nor decodes."),
        )
        // The first type is the one that generated clients use; the actual type is that of the write.
        .content(DEFAULT_TYPE, bytes())
        .content("*/*", bytes())
}

/// Adds the header fields of every write.
pub(super) fn with_write_headers(response: ResponseBuilder) -> ResponseBuilder {
    response
        .header(
            "ETag",
            header(
                parameters::pattern(TAG),
                "The new revision of the key; absent if nothing changed.",
            ),
        )
        .header(
            "AKVS-Existed",
            header(
                schemas::one_of_texts(["?0", "?1"]),
                "Whether the key existed before; absent for a token without the right `read`.",
            ),
        )
        .header(
            "AKVS-Write-Only",
            header(
                schemas::one_of_texts(["?1"]),
                "In place of `AKVS-Existed`, for a token without the right `read`.",
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
    header(schema, "The time at which the key expires, if it does.")
}

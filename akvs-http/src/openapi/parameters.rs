//! The parameters of requests: path segments, query parameters and header fields, with their bounds.

use akvs_core::{FieldValue, Key, Namespace};
use serde_json::Value;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{
    KnownFormat, Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{RefOr, Required};

use crate::request::query::{DEFAULT_LIMIT, MAX_BOUND_BYTES, MAX_LIMIT};

/// Base64url without padding (RFC 4648, section 5), of a whole number of bytes and without stray bits at the end.
const BASE64: &str =
    "^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$";
/// RFC 3339 in UTC with milliseconds.
pub(super) const DATE_TIME: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$";
/// Seconds, or numbers with their units, one of which is not zero.
pub(super) const TIME: &str =
    "^(0*[1-9][0-9]*|([0-9]+(ms|s|m|h|d) ?)*0*[1-9][0-9]*(ms|s|m|h|d)( ?[0-9]+(ms|s|m|h|d))*)$";
pub(super) const TIME_OR_KEEP: &str = "^(keep|0*[1-9][0-9]*|([0-9]+(ms|s|m|h|d) ?)*0*[1-9][0-9]*(ms|s|m|h|d)( ?[0-9]+(ms|s|m|h|d))*)$";
/// `*`, or a list of entity tags (RFC 9110, sections 5.6.1 and 8.8.3), whose elements may be empty.
const TAGS: &str =
    "^([ \\t]*\\*[ \\t]*|[ \\t,]*(W/)?\"[ !#-~]*\"([ \\t]*,[ \\t,]*(W/)?\"[ !#-~]*\")*[ \\t,]*)$";

/// Returns the schema of a string that matches a pattern.
pub(super) fn pattern(pattern: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .pattern(Some(pattern))
        .build()
}

/// Returns the schema of a string of these numbers of characters.
pub(super) fn string(min: usize, max: Option<usize>) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length((min > 0).then_some(min))
        .max_length(max)
        .build()
}

/// Returns the schema of base64url of these numbers of bytes.
pub(super) fn base64(min: usize, max: Option<usize>) -> Object {
    let characters = |bytes: usize| (bytes * 4).div_ceil(3);
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .pattern(Some(BASE64))
        .min_length((min > 0).then(|| characters(min)))
        .max_length(max.map(characters))
        .build()
}

/// Returns the schema of an integer.
pub(super) fn integer(min: Option<isize>, max: Option<usize>) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(min)
        .maximum(max)
        .build()
}

/// Returns the schema of a revision or a count: an unsigned number of 64 bits.
pub(super) fn number() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .format(Some(SchemaFormat::Custom("uint64".to_owned())))
        .minimum(Some(0_usize))
        .maximum(Some(u64::MAX as usize))
        .build()
}

/// Returns the namespace in a path.
pub(super) fn namespace() -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .min_length(Some(1))
        .max_length(Some(Namespace::MAX_BYTES))
        .pattern(Some("^[^\\x00-\\x1f\\x7f-\\x9f]*$"));
    let text = format!(
        "UTF-8 without control characters, 1 to {} bytes, percent-encoded.",
        Namespace::MAX_BYTES
    );
    path_parameter("namespace", schema.build(), &text)
}

/// Returns the key in a path.
pub(super) fn key() -> Parameter {
    let text = format!(
        "Any bytes, 1 to {} of them, percent-encoded, with a slash as `%2F`.",
        Key::MAX_BYTES
    );
    path_parameter("key", string(1, Some(Key::MAX_BYTES)), &text)
}

/// Returns the key in a path as base64url, for keys that URL libraries or proxies would change.
pub(super) fn key64() -> Parameter {
    let text = "Any bytes in base64url without padding.";
    path_parameter("key64", base64(1, Some(Key::MAX_BYTES)), text)
}

fn path_parameter(name: &str, schema: Object, text: &str) -> Parameter {
    parameter(ParameterIn::Path, name, schema, text)
        .required(Required::True)
        .build()
}

/// Returns a query parameter.
pub(super) fn query(name: &str, schema: impl Into<RefOr<Schema>>, text: &str) -> Parameter {
    parameter(ParameterIn::Query, name, schema, text).build()
}

/// Returns a header field.
pub(super) fn field(name: &str, schema: impl Into<RefOr<Schema>>, text: &str) -> Parameter {
    parameter(ParameterIn::Header, name, schema, text).build()
}

fn parameter(
    location: ParameterIn,
    name: &str,
    schema: impl Into<RefOr<Schema>>,
    text: &str,
) -> ParameterBuilder {
    ParameterBuilder::new()
        .parameter_in(location)
        .name(name)
        .required(Required::False)
        .schema(Some(schema))
        .description(Some(text))
}

/// Returns a parameter of bytes as text, and the same as base64url.
pub(super) fn key_or_base64(
    name: &str,
    min: usize,
    max: Option<usize>,
    text: &str,
) -> [Parameter; 2] {
    let name64 = format!("{name}64");
    let text64 = format!("The same in base64url; not together with `{name}`.");
    [
        query(name, string(min, max), text),
        query(&name64, base64(min, max), &text64),
    ]
}

/// Returns a parameter of a list's range.
pub(super) fn bounds(name: &str, min: usize, text: &str) -> [Parameter; 2] {
    key_or_base64(name, min, Some(MAX_BOUND_BYTES), text)
}

/// Returns the parameters of pages.
pub(super) fn paging() -> [Parameter; 2] {
    let limit = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .minimum(Some(1_usize))
        .maximum(Some(MAX_LIMIT))
        .default(Some(Value::from(DEFAULT_LIMIT)))
        .build();
    [
        query("limit", limit, "The maximum number of items of a page."),
        query(
            "cursor",
            string(0, None),
            "The `cursor` of the previous page. Only `limit` and `values` may differ from its request.",
        ),
    ]
}

/// Returns a parameter that is `true` or `false`, the default.
pub(super) fn flag(name: &str, text: &str) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Boolean))
        .default(Some(Value::from(false)))
        .build();
    query(name, schema, text)
}

/// Returns the time to live of a write.
pub(super) fn ttl() -> Parameter {
    let text = "Seconds, or numbers with `ms`, `s`, `m`, `h` or `d`, such as `1h30m`; `keep` keeps the expiry of the key. \
        Without it a key that is set expires after the namespace's `ttl`, or never if it has none; `add` and `append` \
        keep the expiry; `touch` removes it.";
    query("ttl", pattern(TIME_OR_KEEP), text)
}

/// Returns the schema of entity tags.
pub(super) fn tags() -> Object {
    pattern(TAGS)
}

pub(super) fn if_match() -> Parameter {
    let text = "Only if the key is at one of these revisions, or with `*` if it exists (RFC 9110, section 13.1.1).";
    field("If-Match", pattern(TAGS), text)
}

pub(super) fn if_none_match() -> Parameter {
    let text = "Only if the key is at none of these revisions (RFC 9110, section 13.1.2).";
    field("If-None-Match", pattern(TAGS), text)
}

pub(super) fn if_modified_since() -> Parameter {
    let text = "Only if it was modified after this date; ignored together with `If-None-Match` (RFC 9110, section 13.1.3).";
    field("If-Modified-Since", Object::with_type(Type::String), text)
}

pub(super) fn if_unmodified_since() -> Parameter {
    let text = "Only if the key was not modified after this date, in whole seconds; ignored together with `If-Match`, which is \
        exact (RFC 9110, section 13.1.4).";
    field("If-Unmodified-Since", Object::with_type(Type::String), text)
}

/// Returns the schema of a header field that is stored with a value.
pub(super) fn stored_field() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .pattern(Some("^[ -~]*$"))
        .max_length(Some(FieldValue::MAX_BYTES))
        .build()
}

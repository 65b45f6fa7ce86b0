//! The schemas of the JSON documents. Answers with a type of their own derive their schema from it; the other documents are
//! described here.
//!
//! The server refuses unknown members of objects in requests, and the schemas say so. Objects in answers may get further
//! members.

use akvs_api::get_many::GetManyResponse;
use akvs_api::txn::{OpResult, TxnResponse};
use akvs_api::{Item, KeyList, Prefix};
use akvs_core::{Key, Namespace};
use serde_json::Value;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, Array, ArrayBuilder, Components, ComponentsBuilder, Object,
    ObjectBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

use super::parameters::{self, DATE_TIME, TIME, integer, pattern, string};
use super::problems::{self, PROBLEM};
use super::transactions;
use crate::auth::WhoamiDocument;

/// Returns the schemas that others refer to.
pub(super) fn components() -> Components {
    let own = ComponentsBuilder::new()
        .schema_from::<Item<'_>>()
        .schema_from::<Prefix<'_>>()
        .schema_from::<WhoamiDocument<'_>>()
        .schema_from::<KeyList<'_>>()
        .schema_from::<GetManyResponse<'_>>()
        .schema_from::<TxnResponse<'_>>()
        .schema_from::<OpResult<'_>>()
        .schema("Namespaces", namespaces())
        .schema("NamespaceInfo", namespace_info())
        .schema("StoredSettings", stored_settings())
        .schema("Settings", settings())
        .schema("Configured", configured())
        .schema("Deleted", object(&[("deleted", count(), true)]))
        .schema("WriteOperation", one_of_texts(["add", "append", "touch"]))
        .schema("ImportMode", one_of_texts(["merge", "create", "replace"]))
        .schema("Report", report())
        .schema("Version", version())
        .schema(PROBLEM, problems::schema());
    transactions::add(own).build()
}

pub(super) type Member = (&'static str, RefOr<Schema>, bool);

/// Returns an object in an answer.
fn object(members: &[Member]) -> Object {
    described(members).build()
}

/// Returns an object in a request, without unknown members.
pub(super) fn strict(members: &[Member]) -> Object {
    described(members)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .build()
}

pub(super) fn described(members: &[Member]) -> ObjectBuilder {
    let start = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
    members
        .iter()
        .fold(start, |object, (name, schema, is_required)| {
            let object = object.property(*name, schema.clone());
            if *is_required {
                object.required(*name)
            } else {
                object
            }
        })
}

/// Returns the schema of one of these texts.
pub(super) fn one_of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(texts))
        .build()
}

/// Returns the schema of exactly this text.
pub(super) fn exactly(text: &str) -> Object {
    // The builder has no method for the keyword, and writes extensions as they are.
    let keyword = [("const", Value::from(text))].into_iter().collect();
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .extensions(Some(keyword))
        .build()
}

pub(super) fn array(items: RefOr<Schema>, max: Option<usize>) -> RefOr<Schema> {
    let array: Array = ArrayBuilder::new().items(items).max_items(max).build();
    Schema::Array(array).into()
}

pub(super) fn reference(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

fn count() -> RefOr<Schema> {
    parameters::number().into()
}

fn text() -> RefOr<Schema> {
    string(0, None).into()
}

pub(super) fn yes() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Boolean))
        .enum_values(Some([true]))
        .into()
}

/// Returns the schema of a type or null.
fn or_null(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![kind, Type::Null]))
}

fn namespace() -> RefOr<Schema> {
    string(1, Some(Namespace::MAX_BYTES)).into()
}

fn namespaces() -> Object {
    object(&[
        ("namespaces", array(reference("NamespaceInfo"), None), true),
        ("cursor", or_null(Type::String).into(), true),
    ])
}

/// Returns the schema of a namespace in a list. A token that may not read all of its keys gets only the name.
fn namespace_info() -> Object {
    object(&[
        ("name", namespace(), true),
        ("keys", count(), false),
        ("bytes", count(), false),
        ("revision", count(), false),
        ("created", pattern(DATE_TIME).into(), false),
        ("settings", reference("StoredSettings"), false),
    ])
}

/// Returns the schema of settings in a request.
fn settings() -> Object {
    let ttl: RefOr<Schema> = AnyOfBuilder::new()
        .item(pattern(TIME))
        .item(integer(Some(1), None))
        .item(Object::with_type(Type::Null))
        .into();
    let limit: RefOr<Schema> = or_null(Type::Integer)
        .minimum(Some(0_usize))
        .maximum(Some(u64::MAX as usize))
        .into();
    strict(&[
        ("ttl", ttl, false),
        ("max_value_bytes", limit.clone(), false),
        ("max_keys", limit.clone(), false),
        ("max_bytes", limit, false),
    ])
}

/// Returns the schema of settings in an answer.
fn stored_settings() -> Object {
    let limit: RefOr<Schema> = or_null(Type::Integer)
        .minimum(Some(0_usize))
        .maximum(Some(u64::MAX as usize))
        .into();
    object(&[
        (
            "ttl",
            or_null(Type::String).pattern(Some(TIME)).into(),
            true,
        ),
        ("max_value_bytes", limit.clone(), true),
        ("max_keys", limit.clone(), true),
        ("max_bytes", limit, true),
    ])
}

/// Returns the schema of a namespace with its settings.
fn configured() -> Object {
    object(&[
        ("name", namespace(), true),
        ("settings", reference("StoredSettings"), true),
    ])
}

/// Returns the schema of the report of an import.
fn report() -> Object {
    let error = object(&[("line", count(), true), ("detail", text(), true)]);
    object(&[
        ("imported", count(), true),
        ("skipped", count(), true),
        ("deleted", count(), false),
        ("errors", array(error.into(), None), true),
        ("more_errors", count(), false),
    ])
}

fn version() -> Object {
    let limits = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Object))
        .additional_properties(Some(count()))
        .examples([Value::Object(
            [("max_key_bytes".to_owned(), Key::MAX_BYTES.into())]
                .into_iter()
                .collect(),
        )]);
    object(&[
        ("version", text(), true),
        ("commit", text(), true),
        ("engine", text(), true),
        (
            "durability",
            one_of_texts(["none", "fsync", "interval"]).into(),
            true,
        ),
        ("limits", limits.into(), true),
    ])
}

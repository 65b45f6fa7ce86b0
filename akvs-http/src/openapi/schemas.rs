//! The JSON documents. Those that are answered from a type of their own are described by that type; what is read member
//! by member, or gathered from several places, is described here.
//!
//! Objects that are read refuse members that they do not know, and say so here. Those that are answered may get more.

use akvs_core::{Code, Key, Namespace, Txn};
use serde_json::Value;
use utoipa::openapi::schema::{
    AdditionalProperties, AllOfBuilder, AnyOfBuilder, Array, ArrayBuilder, Components,
    ComponentsBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

use super::parameters::{self, DATE_TIME, TIME, base64, integer, pattern, string};
use crate::item::{Item, Prefix};
use crate::problem;
use crate::routes::{get, list, txn};

/// The schemas that others refer to.
pub(super) fn components() -> Components {
    ComponentsBuilder::new()
        .schema_from::<Item<'_>>()
        .schema_from::<Prefix<'_>>()
        .schema_from::<list::Document<'_>>()
        .schema_from::<get::Answer<'_>>()
        .schema_from::<txn::Done<'_>>()
        .schema_from::<txn::OpDone<'_>>()
        .schema("Namespaces", namespaces())
        .schema("Settings", settings())
        .schema("Configured", configured())
        .schema("Deleted", object(&[("deleted", count(), true)]))
        .schema("Transaction", transaction())
        .schema("Check", check())
        .schema("Operation", one_of(operations()))
        .schema("Keys", keys())
        .schema("Report", report())
        .schema("Version", version())
        .build()
}

type Member = (&'static str, RefOr<Schema>, bool);

/// An object that is answered.
fn object(members: &[Member]) -> Object {
    described(members).build()
}

/// An object that is read.
fn strict(members: &[Member]) -> Object {
    described(members)
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .build()
}

fn described(members: &[Member]) -> ObjectBuilder {
    let start = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
    members
        .iter()
        .fold(start, |object, (name, schema, is_required)| {
            let object = object.property(*name, schema.clone());
            match is_required {
                true => object.required(*name),
                false => object,
            }
        })
}

/// One of these texts.
pub(super) fn one_of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .enum_values(Some(texts))
        .build()
}

fn one_of(schemas: Vec<RefOr<Schema>>) -> RefOr<Schema> {
    schemas
        .into_iter()
        .fold(OneOfBuilder::new(), OneOfBuilder::item)
        .into()
}

/// An object that has exactly one of each of these lists of members, and no others.
fn alternatives(members: &[Member], lists: &[&[&str]]) -> RefOr<Schema> {
    let all = AllOfBuilder::new().item(strict(members));
    let all = lists.iter().fold(all, |all, names| {
        let required = names.iter().map(|name| {
            let object = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
            object.required(*name).into()
        });
        all.item(one_of(required.collect()))
    });
    all.into()
}

fn array(items: RefOr<Schema>, most: Option<usize>) -> RefOr<Schema> {
    let array: Array = ArrayBuilder::new().items(items).max_items(most).build();
    Schema::Array(array).into()
}

fn reference(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

fn count() -> RefOr<Schema> {
    parameters::number().into()
}

fn text() -> RefOr<Schema> {
    string(0, None).into()
}

fn yes() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Boolean))
        .enum_values(Some([true]))
        .into()
}

/// The same, or null.
fn or_null(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Array(vec![kind, Type::Null]))
}

fn namespace() -> RefOr<Schema> {
    string(1, Some(Namespace::MAX_BYTES)).into()
}

fn key_members() -> [Member; 2] {
    [
        ("key", string(1, Some(Key::MAX_BYTES)).into(), false),
        ("key64", base64(1, Some(Key::MAX_BYTES)).into(), false),
    ]
}

/// The problem document of a status (RFC 9457): what it is about may add members.
pub(super) fn problem(status: u16, codes: &[Code]) -> Object {
    let kinds: Vec<String> = codes
        .iter()
        .map(|code| format!("urn:akvs:problem:{code}"))
        .collect();
    let titles = codes.iter().map(|code| problem::status(*code).1);
    let status = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .enum_values(Some([status]));
    object(&[
        (
            "type",
            one_of_texts(kinds.iter().map(String::as_str)).into(),
            true,
        ),
        ("title", one_of_texts(titles).into(), true),
        ("status", status.into(), true),
        ("detail", text(), true),
        (
            "code",
            one_of_texts(codes.iter().map(|code| code.as_str())).into(),
            true,
        ),
    ])
}

fn namespaces() -> Object {
    // A token that may not read all keys of a namespace is told its name alone.
    let namespace = object(&[
        ("name", namespace(), true),
        ("keys", count(), false),
        ("bytes", count(), false),
        ("revision", count(), false),
        ("created", pattern(DATE_TIME).into(), false),
        ("settings", told_settings().into(), false),
    ]);
    object(&[
        ("namespaces", array(namespace.into(), None), true),
        ("cursor", or_null(Type::String).into(), true),
    ])
}

/// The settings as they are read.
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

/// The settings as they are told.
fn told_settings() -> Object {
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

/// A namespace with its settings.
fn configured() -> Object {
    object(&[
        ("name", namespace(), true),
        ("settings", told_settings().into(), true),
    ])
}

fn transaction() -> Object {
    let most = Some(Txn::MAX_OPS);
    strict(&[
        ("checks", array(reference("Check"), most), false),
        ("ops", array(reference("Operation"), most), true),
    ])
}

fn check() -> RefOr<Schema> {
    let mut members = key_members().to_vec();
    members.extend([
        ("revision", count(), false),
        ("absent", yes(), false),
        ("exists", yes(), false),
    ]);
    let lists: [&[&str]; 2] = [&["key", "key64"], &["revision", "absent", "exists"]];
    alternatives(&members, &lists)
}

/// What can be done, each with its own members.
fn operations() -> Vec<RefOr<Schema>> {
    let time = |with_keep: bool| -> RefOr<Schema> {
        let text = match with_keep {
            true => parameters::pattern(parameters::TIME_OR_KEEP),
            false => pattern(TIME),
        };
        let seconds = integer(Some(1), None);
        AnyOfBuilder::new().item(text).item(seconds).into()
    };
    let named = |name: &'static str, more: &[Member], lists: &[&[&str]]| {
        let mut members = vec![("op", RefOr::from(one_of_texts([name])), true)];
        members.extend(key_members());
        members.extend_from_slice(more);
        let lists = [&[&["key", "key64"][..]], lists].concat();
        alternatives(&members, &lists)
    };
    let content_type = parameters::kept();
    let by = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .minimum(Some(i64::MIN as isize))
        .maximum(Some(i64::MAX as isize));
    let value: [Member; 4] = [
        ("value", text(), false),
        ("value64", base64(0, None).into(), false),
        ("ttl", time(true), false),
        ("content_type", content_type.into(), false),
    ];
    vec![
        named("set", &value, &[&["value", "value64"]]),
        named("delete", &[], &[]),
        named("add", &[("by", by.into(), true)], &[]),
        named("touch", &[("ttl", time(false), false)], &[]),
    ]
}

/// The body that asks for many keys.
fn keys() -> Object {
    let named = alternatives(&key_members(), &[&["key", "key64"]]);
    let key = one_of(vec![string(1, Some(Key::MAX_BYTES)).into(), named]);
    strict(&[("keys", array(key, Some(Txn::MAX_OPS)), true)])
}

/// What became of an import.
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

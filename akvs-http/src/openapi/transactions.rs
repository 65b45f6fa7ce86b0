//! The bodies of `/txn` and `/get`, written for programs that generate types from them.
//!
//! Each operation and each check is a schema of its own, which a member with a constant value distinguishes. That exactly
//! one of a pair such as `key` and `key64` is required is only in the text, because no generator makes a usable type of a
//! schema that requires it.

use akvs_core::{Key, Txn};
use utoipa::openapi::Ref;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AnyOfBuilder, ComponentsBuilder, Discriminator, ObjectBuilder, OneOfBuilder, Schema,
    SchemaType, Type,
};

use super::parameters::{self, TIME, TIME_OR_KEEP, base64, integer, pattern, string};
use super::schemas::{self, Member, array, exactly, reference, yes};

const ONE_KEY: &str = "Exactly one of `key` and `key64` is required.";
const ONE_KEY_AND_VALUE: &str =
    "Exactly one of `key` and `key64`, and exactly one of `value` and `value64` are required.";

/// A schema with its name.
type Named = (&'static str, RefOr<Schema>);

/// Adds the schemas.
pub(super) fn add(components: ComponentsBuilder) -> ComponentsBuilder {
    let operations = operations();
    let mapping = operations.each_ref().map(|(op, (name, _))| {
        let location = Ref::from_schema_name(*name).ref_location;
        (*op, location)
    });
    let names = operations.each_ref().map(|(_, (name, _))| *name);
    let operation = one_of(&names).discriminator(Some(Discriminator::with_mapping("op", mapping)));
    let checks = checks();
    let check = one_of(&checks.each_ref().map(|(name, _)| *name));
    let named = operations.map(|(_, named)| named).into_iter().chain(checks);
    let components = named.fold(components, |components, (name, schema)| {
        components.schema(name, schema)
    });
    components
        .schema("Operation", operation)
        .schema("Check", check)
        .schema("Transaction", transaction())
        .schema("KeyName", strict(&key_members(), ONE_KEY))
        .schema("Keys", keys())
}

/// Returns an object in a request, without unknown members.
fn strict(members: &[Member], text: &str) -> RefOr<Schema> {
    let mut object = schemas::strict(members);
    object.description = Some(text.to_owned());
    object.into()
}

fn one_of(names: &[&str]) -> OneOfBuilder {
    let references = names.iter().map(|name| reference(name));
    references.fold(OneOfBuilder::new(), OneOfBuilder::item)
}

fn transaction() -> RefOr<Schema> {
    let max = Some(Txn::MAX_OPS);
    let members = [
        ("checks", array(reference("Check"), max), false),
        ("ops", array(reference("Operation"), max), true),
    ];
    strict(
        &members,
        "The operations, all of which are applied, or none if a check fails.",
    )
}

fn key_members() -> [Member; 2] {
    [
        ("key", string(1, Some(Key::MAX_BYTES)).into(), false),
        ("key64", base64(1, Some(Key::MAX_BYTES)).into(), false),
    ]
}

/// Returns an object with a key and these members.
fn about_key(members: &[Member], text: &str) -> RefOr<Schema> {
    strict(&[&key_members(), members].concat(), text)
}

/// Returns the checks.
fn checks() -> [Named; 3] {
    let check = |name, member, schema| (name, about_key(&[(member, schema, true)], ONE_KEY));
    [
        ("RevisionCheck", "revision", parameters::number().into()),
        ("AbsentCheck", "absent", yes()),
        ("ExistsCheck", "exists", yes()),
    ]
    .map(|(name, member, schema)| check(name, member, schema))
}

/// Returns the operations, each with the value of its `op`.
fn operations() -> [(&'static str, Named); 4] {
    let operation = |op, name, more: &[Member], text| {
        let members = [&[("op", exactly(op).into(), true)], more].concat();
        (op, (name, about_key(&members, text)))
    };
    let by = ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::Integer))
        .minimum(Some(i64::MIN as isize))
        .maximum(Some(i64::MAX as isize));
    let value: [Member; 4] = [
        ("value", string(0, None).into(), false),
        ("value64", base64(0, None).into(), false),
        ("ttl", time(TIME_OR_KEEP), false),
        ("content_type", parameters::stored_field().into(), false),
    ];
    let by: [Member; 1] = [("by", by.into(), true)];
    let ttl: [Member; 1] = [("ttl", time(TIME), false)];
    [
        operation("set", "SetOperation", &value, ONE_KEY_AND_VALUE),
        operation("delete", "DeleteOperation", &[], ONE_KEY),
        operation("add", "AddOperation", &by, ONE_KEY),
        operation("touch", "TouchOperation", &ttl, ONE_KEY),
    ]
}

/// Returns the schema of a text such as `90s`, or a number of seconds.
fn time(text: &str) -> RefOr<Schema> {
    let seconds = integer(Some(1), None);
    AnyOfBuilder::new().item(pattern(text)).item(seconds).into()
}

/// Returns the body of a read of many keys.
fn keys() -> RefOr<Schema> {
    let key = OneOfBuilder::new()
        .item(string(1, Some(Key::MAX_BYTES)))
        .item(Ref::from_schema_name("KeyName"));
    let keys = array(key.into(), Some(Txn::MAX_OPS));
    strict(
        &[("keys", keys, true)],
        "The keys; a key may occur several times.",
    )
}

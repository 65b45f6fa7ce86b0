//! Transactions: the body of `POST /txn/{namespace}` and its answer.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::strict::{List, objects, present};

/// A transaction: all operations are done, or none if a check fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TxnRequest {
    /// The conditions, all of which must hold.
    #[serde(deserialize_with = "objects", skip_serializing_if = "Option::is_none")]
    pub checks: Option<List<Check>>,
    /// The operations, at most one on each key.
    #[serde(deserialize_with = "objects", skip_serializing_if = "Option::is_none")]
    pub ops: Option<List<Op>>,
}

/// A condition: one of `revision`, `absent` and `exists` about a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Check {
    /// The key as text.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key as base64url, in place of `key`.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key64: Option<String>,
    /// The revision that the key must have.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// True: the key must not exist.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub absent: Option<bool>,
    /// True: the key must exist.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
}

/// An operation on a key. Which members it has beyond the key depends on `op`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Op {
    /// The key as text.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key as base64url, in place of `key`.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key64: Option<String>,
    /// One of [`OpKind::NAMES`].
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// The value of `set` as text.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value of `set` as base64url, in place of `value`.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub value64: Option<String>,
    /// The time to live of `set` and `touch`.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// The media type of the value of `set`.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The number that `add` adds.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub by: Option<i64>,
}

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpKind {
    /// Stores a value.
    Set,
    /// Deletes the key.
    Delete,
    /// Adds to a number.
    Add,
    /// Changes when the key expires.
    Touch,
}

impl OpKind {
    /// The names of the kinds in `op`.
    pub const NAMES: [&str; 4] = ["set", "delete", "add", "touch"];

    /// Parses the name in `op`.
    pub fn parse(name: &str) -> Option<OpKind> {
        match name {
            "set" => Some(OpKind::Set),
            "delete" => Some(OpKind::Delete),
            "add" => Some(OpKind::Add),
            "touch" => Some(OpKind::Touch),
            _ => None,
        }
    }

    /// Returns the name in `op`.
    pub fn as_str(self) -> &'static str {
        match self {
            OpKind::Set => "set",
            OpKind::Delete => "delete",
            OpKind::Add => "add",
            OpKind::Touch => "touch",
        }
    }

    /// Returns the members that an operation of this kind may have beyond the key.
    fn members(self) -> &'static [&'static str] {
        match self {
            OpKind::Set => &["value", "value64", "ttl", "content_type"],
            OpKind::Delete => &[],
            OpKind::Add => &["by"],
            OpKind::Touch => &["ttl"],
        }
    }
}

impl Op {
    /// Returns the first member that does not belong to an operation of this kind.
    pub fn unknown_member(&self, kind: OpKind) -> Option<&'static str> {
        let members = [
            ("value", self.value.is_some()),
            ("value64", self.value64.is_some()),
            ("ttl", self.ttl.is_some()),
            ("content_type", self.content_type.is_some()),
            ("by", self.by.is_some()),
        ];
        let mut members = members.into_iter();
        let unknown = members.find(|(name, is_set)| *is_set && !kind.members().contains(name));
        unknown.map(|(name, _)| name)
    }
}

/// A time to live, as text in the grammar of the query parameter `ttl`. A number of seconds is read as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ttl(pub String);

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Ttl, D::Error> {
        from.deserialize_any(TtlVisitor)
    }
}

struct TtlVisitor;

impl de::Visitor<'_> for TtlVisitor {
    type Value = Ttl;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, or a string such as \"5m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Ttl, E> {
        Ok(Ttl(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Ttl, E> {
        Ok(Ttl(seconds.to_string()))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Ttl, E> {
        Ok(Ttl(seconds.to_string()))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Ttl, E> {
        Ok(Ttl(seconds.to_string()))
    }
}

/// The result of a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Done))]
pub struct TxnResponse<'a> {
    /// The revision of all that changed; null if nothing did.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub revision: Option<u64>,
    /// The result of each operation, in the order of the request.
    pub results: Vec<OpResult<'a>>,
}

/// The result of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = OpDone))]
pub struct OpResult<'a> {
    /// The revision, if the operation changed something.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub revision: Option<u64>,
    /// Whether the key existed before; missing in answers to a token without the right to read.
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existed: Option<bool>,
    /// The sum, of `add`.
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_round_trips() {
        let text = r#"{"checks":[{"key":"stock/tea","revision":7},{"key64":"_w","absent":true}],"ops":[{"key":"stock/tea","op":"add","by":-1},{"key":"order/1","op":"set","value":"tea","ttl":"7d"},{"key64":"_w","op":"delete"}]}"#;
        let request: TxnRequest = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        let ops = request.ops.unwrap().into_vec().unwrap();
        assert_eq!(
            (ops[0].by, ops[1].ttl.clone()),
            (Some(-1), Some(Ttl("7d".into())))
        );
    }

    #[test]
    fn a_ttl_is_text_or_a_number() {
        for (json, text) in [
            ("90", "90"),
            ("-1", "-1"),
            ("1.5", "1.5"),
            (r#""5m""#, "5m"),
        ] {
            assert_eq!(serde_json::from_str::<Ttl>(json).unwrap(), Ttl(text.into()));
        }
        assert!(serde_json::from_str::<Ttl>("[5]").is_err());
        assert!(serde_json::from_str::<Ttl>("null").is_err());
    }

    #[test]
    fn a_member_of_another_kind_is_found() {
        let op = |text: &str| serde_json::from_str::<Op>(text).unwrap();
        for (text, kind, unknown) in [
            (r#"{"value":"","ttl":5}"#, OpKind::Set, None),
            (r#"{"value":"","by":1}"#, OpKind::Set, Some("by")),
            (r#"{"ttl":5}"#, OpKind::Delete, Some("ttl")),
            (r#"{"by":1,"ttl":5}"#, OpKind::Add, Some("ttl")),
            (
                r#"{"content_type":"a/b"}"#,
                OpKind::Touch,
                Some("content_type"),
            ),
        ] {
            assert_eq!(op(text).unknown_member(kind), unknown, "{text}");
        }
        for name in OpKind::NAMES {
            assert_eq!(OpKind::parse(name).map(OpKind::as_str), Some(name));
        }
        assert_eq!(OpKind::parse("SET"), None);
    }

    #[test]
    fn a_response_round_trips() {
        let text = r#"{"revision":43,"results":[{"revision":43,"existed":true,"value":"9"},{"revision":null}]}"#;
        let response: TxnResponse<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&response).unwrap(), text);
        assert_eq!(response.results[1].existed, None);
    }
}

//! Parsing of the lines of an export. [`akvs_api::export`] defines the members, and this module which of them each kind of
//! line may have.
//!
//! Times are RFC 3339 in UTC, in milliseconds. Unknown members are refused. `revision`, `created` and `modified` describe
//! the exported namespace; the imported keys get new ones.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use akvs_api::export::VERSION;
use akvs_api::json::ParseError;
use akvs_api::strict::Object;
use akvs_api::ttl;
use akvs_core::{
    Code, Error, FieldValue, Key, Namespace, Representation, Result, Settings, Timestamp,
};
use bytes::Bytes;

use crate::request::body::Limits;
use crate::request::json;
use crate::request::query;

/// The members of a line of any kind.
type Members = akvs_api::export::Line<'static, Object<akvs_api::Settings>>;

/// The first line.
#[derive(Debug)]
pub(crate) enum First {
    /// The export of one namespace.
    One(Section),
    /// The export of this number of namespaces.
    All(u64),
}

/// The line of a namespace before its records.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: Namespace,
    pub(crate) settings: Settings,
}

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Record {
    /// The number of its line.
    pub(crate) line: u64,
    pub(crate) key: Key,
    pub(crate) value: Bytes,
    pub(crate) representation: Representation,
    pub(crate) expires: Option<Timestamp>,
}

/// A parsed line.
#[derive(Debug)]
pub(super) enum Line {
    First(First),
    Section(Section),
    Record(Record),
    End { count: u64, sha256: String },
}

impl Line {
    /// Parses the line of this number.
    pub(super) fn parse(text: &[u8], number: u64, limits: &Limits) -> Result<Line> {
        let members: Members = parse_members(text)?;
        if members.akvs.is_some() {
            first(members).map(Line::First)
        } else if members.end.is_some() {
            end(members)
        } else if members.key.is_none() && members.key64.is_none() && members.namespace.is_some() {
            let own = ["namespace", "revision", "created", "settings"];
            only(&members, "the line of a namespace", &own)?;
            section(members).map(Line::Section)
        } else {
            record(members, number, limits).map(Line::Record)
        }
    }
}

fn parse_members(text: &[u8]) -> Result<Members> {
    akvs_api::json::parse(text).map_err(|error| {
        let text = match error {
            ParseError::Malformed { column, reason, .. } => {
                format!("malformed JSON at column {column}: {reason}")
            }
            ParseError::NoObject { reason } => format!("the line: {reason}"),
            ParseError::Invalid { .. } => error.to_string(),
        };
        Error::new(Code::InvalidRequest, text)
    })
}

fn first(members: Members) -> Result<First> {
    if let Some(version) = members.akvs.filter(|version| *version != VERSION) {
        let reason = format!("unknown version {version}: expected {VERSION}");
        return Err(json::invalid("akvs", reason));
    }
    let own = ["akvs", "namespace", "namespaces", "revision"];
    let own = [&own[..], &["created", "settings"]].concat();
    only(&members, "the first line", &own)?;
    match members.namespaces {
        None => section(members).map(First::One),
        Some(_) if members.namespace.is_some() => {
            let reason = "both namespace and namespaces: expected one of them";
            Err(json::invalid("namespaces", reason))
        }
        Some(count) => {
            let own = ["akvs", "namespaces", "revision"];
            only(&members, "the first line with namespaces", &own)?;
            Ok(First::All(count))
        }
    }
}

fn section(members: Members) -> Result<Section> {
    let name = members.namespace;
    let name = name.ok_or_else(|| json::missing("namespace"))?;
    let name = Namespace::new(name).map_err(|error| json::in_field(&error, "namespace"))?;
    time("created", members.created)?;
    let settings = members
        .settings
        .map_or_else(Default::default, |object| object.0);
    let settings = self::settings(settings)?;
    Ok(Section { name, settings })
}

fn record(members: Members, line: u64, limits: &Limits) -> Result<Record> {
    let own = ["key", "key64", "value", "value64", "content_type"];
    let more = ["content_encoding", "revision", "created", "modified"];
    only(
        &members,
        "a record",
        &[&own[..], &more, &["expires"]].concat(),
    )?;
    let key = json::key("", members.key, members.key64)?;
    let value = json::bytes("", "value", members.value, members.value64)?;
    let fits = limits.check(Some(value.len() as u64));
    fits.map_err(|error| json::in_field(&error, "value"))?;
    time("created", members.created)?;
    time("modified", members.modified)?;
    Ok(Record {
        line,
        key,
        value,
        representation: Representation {
            content_type: field_value("content_type", members.content_type)?,
            content_encoding: field_value("content_encoding", members.content_encoding)?,
        },
        expires: time("expires", members.expires)?,
    })
}

fn end(members: Members) -> Result<Line> {
    only(&members, "the last line", &["end", "count", "sha256"])?;
    let missing = |name| move || json::missing(name);
    if members.end != Some(true) {
        return Err(json::invalid("end", "invalid boolean false: expected true"));
    }
    Ok(Line::End {
        count: members.count.ok_or_else(missing("count"))?,
        sha256: members.sha256.ok_or_else(missing("sha256"))?.into_owned(),
    })
}

/// Refuses the first member that a line of this kind does not have.
fn only(members: &Members, what: &str, own: &[&str]) -> Result<()> {
    let mut members = members.members().into_iter();
    match members.find(|(name, is_present)| *is_present && !own.contains(name)) {
        Some((name, _)) => Err(json::invalid(name, format!("unexpected member of {what}"))),
        None => Ok(()),
    }
}

fn settings(chosen: akvs_api::Settings) -> Result<Settings> {
    let ttl_ms = chosen.ttl.map(|text| {
        ttl::parse_millis(&text).ok_or_else(|| {
            let shown = query::short(&text);
            let reason = format!("invalid ttl {shown:?}: expected {}", ttl::EXPECTED);
            json::invalid("settings.ttl", reason)
        })
    });
    Ok(Settings {
        ttl_ms: ttl_ms.transpose()?,
        max_value_bytes: chosen.max_value_bytes,
        max_keys: chosen.max_keys,
        max_bytes: chosen.max_bytes,
    })
}

fn field_value(name: &str, text: Option<Cow<'_, str>>) -> Result<Option<FieldValue>> {
    let value = text
        .map(|text| FieldValue::new(text.into_owned()))
        .transpose();
    value.map_err(|error| json::in_field(&error, name))
}

fn time(name: &str, text: Option<Cow<'_, str>>) -> Result<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    // The library slices by bytes, and panics within a character of several bytes.
    let time = Some(&text).filter(|text| text.is_ascii());
    let time = time.and_then(|text| humantime::parse_rfc3339(text).ok());
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let millis = since.and_then(|since| u64::try_from(since.as_millis()).ok());
    let time = millis.map(Timestamp::from_millis);
    time.map(Some).ok_or_else(|| {
        let shown = query::short(&text);
        let reason =
            format!("invalid time {shown:?}: expected UTC, such as 2030-01-31T23:59:59.999Z");
        json::invalid(name, reason)
    })
}

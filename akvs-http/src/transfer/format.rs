//! Reads the lines of an export: [`akvs_api::export`] defines their members; which of them a line may have is here.
//!
//! Times are RFC 3339 in UTC, in milliseconds. Unknown members are refused. `revision`, `created` and `modified` describe
//! the exported namespace; an import gives everything new ones.

use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use akvs_api::export::VERSION;
use akvs_api::strict::Object;
use akvs_core::{
    Error, FieldValue, Key, Namespace, Representation, Result, Settings, Timestamp, Ttl,
};
use bytes::Bytes;

use crate::request::body::Limits;
use crate::request::json;
use crate::request::query;

/// A line as it is read, with the members of all kinds of lines.
type Members = akvs_api::export::Line<'static, Object<akvs_api::Settings>>;

/// The first line.
#[derive(Debug)]
pub(crate) enum First {
    /// Of an export of one namespace.
    One(Section),
    /// Of an export of so many namespaces.
    All(u64),
}

/// What is said of a namespace before its records.
#[derive(Debug)]
pub(crate) struct Section {
    /// Its name.
    pub(crate) name: Namespace,
    /// What was chosen for it.
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

/// A line, read.
#[derive(Debug)]
pub(super) enum Line {
    First(First),
    Section(Section),
    Record(Record),
    End { count: u64, sha256: String },
}

impl Line {
    /// Reads the line of this number; the error names the member that is wrong.
    pub(super) fn read(text: &[u8], number: u64, limits: &Limits) -> Result<Line> {
        let members: Members = json::parse(text).map_err(|error| {
            let text = error.message().replacen("the body", "the line", 1);
            let text = text.replace(" at line 1 column ", " at column ");
            Error::new(error.code(), text)
        })?;
        if members.akvs.is_some() {
            first(members).map(Line::First)
        } else if members.end.is_some() {
            end(members)
        } else if members.key.is_none() && members.key64.is_none() && members.namespace.is_some() {
            let own = ["namespace", "revision", "created", "settings"];
            only(&members, "the first line of a namespace", &own)?;
            section(members).map(Line::Section)
        } else {
            record(members, number, limits).map(Line::Record)
        }
    }
}

/// Reads the first line.
fn first(members: Members) -> Result<First> {
    if let Some(version) = members.akvs.filter(|version| *version != VERSION) {
        let text = format!("version {version} is not known, there is {VERSION}");
        return Err(json::invalid("akvs", text));
    }
    let own = ["akvs", "namespace", "namespaces", "revision"];
    let own = [&own[..], &["created", "settings"]].concat();
    only(&members, "the first line", &own)?;
    match members.namespaces {
        None => section(members).map(First::One),
        Some(_) if members.namespace.is_some() => {
            Err(json::invalid("namespaces", "namespace stands there too"))
        }
        Some(count) => {
            let own = ["akvs", "namespaces", "revision"];
            only(&members, "such a first line", &own)?;
            Ok(First::All(count))
        }
    }
}

/// Reads what is said of a namespace.
fn section(members: Members) -> Result<Section> {
    let name = members.namespace;
    let name = name.ok_or_else(|| json::invalid("namespace", "missing"))?;
    let name = Namespace::new(name).map_err(|error| json::of_field(&error, "namespace"))?;
    time("created", members.created)?;
    let settings = members
        .settings
        .map_or_else(Default::default, |object| object.0);
    let settings = self::settings(settings)?;
    Ok(Section { name, settings })
}

/// Reads a record, of the line of this number.
fn record(members: Members, line: u64, limits: &Limits) -> Result<Record> {
    let own = ["key", "key64", "value", "value64", "content_type"];
    let more = ["content_encoding", "revision", "created", "modified"];
    only(
        &members,
        "a record",
        &[&own[..], &more, &["expires"]].concat(),
    )?;
    let key = json::key("record", members.key, members.key64)?;
    let value = json::bytes("record", "value", members.value, members.value64)?;
    let fits = limits.check(Some(value.len() as u64));
    fits.map_err(|error| json::of_field(&error, "record.value"))?;
    time("record.created", members.created)?;
    time("record.modified", members.modified)?;
    Ok(Record {
        line,
        key,
        value,
        representation: Representation {
            content_type: field("record.content_type", members.content_type)?,
            content_encoding: field("record.content_encoding", members.content_encoding)?,
        },
        expires: time("record.expires", members.expires)?,
    })
}

/// Reads the last line.
fn end(members: Members) -> Result<Line> {
    only(&members, "the last line", &["end", "count", "sha256"])?;
    let missing = |name| move || json::invalid(name, "missing");
    if members.end != Some(true) {
        return Err(json::invalid("end", "it can only be true"));
    }
    Ok(Line::End {
        count: members.count.ok_or_else(missing("count"))?,
        sha256: members.sha256.ok_or_else(missing("sha256"))?.into_owned(),
    })
}

/// Refuses the first member that does not belong to such a line.
fn only(members: &Members, what: &str, own: &[&str]) -> Result<()> {
    let mut members = members.members().into_iter();
    match members.find(|(name, is_there)| *is_there && !own.contains(name)) {
        Some((name, _)) => Err(json::invalid(name, format!("it does not belong to {what}"))),
        None => Ok(()),
    }
}

/// Reads the settings of a namespace.
fn settings(chosen: akvs_api::Settings) -> Result<Settings> {
    let ttl = chosen.ttl.map(|text| query::parse_ttl(&text)).transpose();
    let ttl_ms = match ttl {
        Ok(None) => None,
        Ok(Some(Ttl::Millis(millis))) => Some(millis),
        Ok(Some(Ttl::Keep | Ttl::Default | Ttl::Forever | Ttl::Until(_))) | Err(_) => {
            return Err(json::invalid("settings.ttl", "no time, such as \"90s\""));
        }
    };
    Ok(Settings {
        ttl_ms,
        max_value_bytes: chosen.max_value_bytes,
        max_keys: chosen.max_keys,
        max_bytes: chosen.max_bytes,
    })
}

fn field(place: &str, text: Option<Cow<'_, str>>) -> Result<Option<FieldValue>> {
    let field = text
        .map(|text| FieldValue::new(text.into_owned()))
        .transpose();
    field.map_err(|error| json::of_field(&error, place))
}

fn time(place: &str, text: Option<Cow<'_, str>>) -> Result<Option<Timestamp>> {
    let Some(text) = text else { return Ok(None) };
    // The library slices bytes of what it takes to be text of one byte a character.
    let time = Some(&text).filter(|text| text.is_ascii());
    let time = time.and_then(|text| humantime::parse_rfc3339(text).ok());
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let millis = since.and_then(|since| u64::try_from(since.as_millis()).ok());
    let why = "no time in UTC, such as 2030-01-31T23:59:59.999Z";
    let time = millis.map(Timestamp::from_millis);
    time.map(Some).ok_or_else(|| json::invalid(place, why))
}

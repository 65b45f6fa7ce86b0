//! The lines of an export, each a JSON object that ends with a newline. Version 1:
//!
//! - The first line of a namespace's export: `{"akvs":1,"namespace","revision","created","settings"}`. `revision` is
//!   the store's when the export was made; `settings` has `ttl`, `max_value_bytes`, `max_keys` and `max_bytes`, as far
//!   as they were chosen.
//! - The first line of all namespaces' export: `{"akvs":1,"namespaces","revision"}` with how many there are; then, before
//!   the records of each, `{"namespace","revision","created","settings"}`, in the order of their names.
//! - A record, in the order of the keys: `{"key"|"key64","value"|"value64","content_type","content_encoding",
//!   "revision","created","modified","expires"}`. The types and `expires` are there only if they were stored. A value
//!   is told in base64url where it is no UTF-8, and where that is shorter than the text with its escapes, so that a
//!   line's length is bounded by its value's.
//! - The last line: `{"end":true,"count","sha256"}`, see [`Checksum`](super::Checksum).
//!
//! Times are RFC 3339 in UTC, in milliseconds. A reader refuses members that it does not know. `revision`, `created` and
//! `modified` say what was; an import gives everything new ones.

use std::time::UNIX_EPOCH;

use akvs_core::{
    Error, FieldValue, Key, Namespace, Representation, Result, Settings, Timestamp, Ttl,
};
use bytes::Bytes;

use crate::request::body::Limits;
use crate::request::json;
use crate::request::json::object;
use crate::request::query;

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u64 = 1;

object! {
    /// What can stand in any line.
    struct Members {
        akvs: u64,
        namespace: String,
        namespaces: u64,
        revision: u64,
        created: String,
        settings: Chosen,
        key: String,
        key64: String,
        value: String,
        value64: String,
        content_type: String,
        content_encoding: String,
        modified: String,
        expires: String,
        end: bool,
        count: u64,
        sha256: String,
    }
}

object! {
    /// The settings of a namespace.
    struct Chosen {
        ttl: String,
        max_value_bytes: u64,
        max_keys: u64,
        max_bytes: u64,
    }
}

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
            members.first().map(Line::First)
        } else if members.end.is_some() {
            members.end()
        } else if members.key.is_none() && members.key64.is_none() && members.namespace.is_some() {
            let own = ["namespace", "revision", "created", "settings"];
            members.only("the first line of a namespace", &own)?;
            members.section().map(Line::Section)
        } else {
            members.record(number, limits).map(Line::Record)
        }
    }
}

impl Members {
    fn first(self) -> Result<First> {
        if let Some(version) = self.akvs.filter(|version| *version != VERSION) {
            let text = format!("version {version} is not known, there is {VERSION}");
            return Err(json::invalid("akvs", text));
        }
        let own = ["akvs", "namespace", "namespaces", "revision"];
        let own = [&own[..], &["created", "settings"]].concat();
        self.only("the first line", &own)?;
        match self.namespaces {
            None => self.section().map(First::One),
            Some(_) if self.namespace.is_some() => {
                Err(json::invalid("namespaces", "namespace stands there too"))
            }
            Some(count) => {
                self.only("such a first line", &["akvs", "namespaces", "revision"])?;
                Ok(First::All(count))
            }
        }
    }

    fn section(self) -> Result<Section> {
        let name = self.namespace;
        let name = name.ok_or_else(|| json::invalid("namespace", "missing"))?;
        let name = Namespace::new(name).map_err(|error| json::of_field(&error, "namespace"))?;
        time("created", self.created)?;
        let settings = self.settings.unwrap_or_default().read()?;
        Ok(Section { name, settings })
    }

    fn record(self, line: u64, limits: &Limits) -> Result<Record> {
        let own = ["key", "key64", "value", "value64", "content_type"];
        let more = ["content_encoding", "revision", "created", "modified"];
        self.only("a record", &[&own[..], &more, &["expires"]].concat())?;
        let key = json::key("record", self.key, self.key64)?;
        let value = json::bytes("record", "value", self.value, self.value64)?;
        let fits = limits.check(Some(value.len() as u64));
        fits.map_err(|error| json::of_field(&error, "record.value"))?;
        time("record.created", self.created)?;
        time("record.modified", self.modified)?;
        Ok(Record {
            line,
            key,
            value,
            representation: Representation {
                content_type: field("record.content_type", self.content_type)?,
                content_encoding: field("record.content_encoding", self.content_encoding)?,
            },
            expires: time("record.expires", self.expires)?,
        })
    }

    fn end(self) -> Result<Line> {
        self.only("the last line", &["end", "count", "sha256"])?;
        let missing = |name| move || json::invalid(name, "missing");
        if self.end != Some(true) {
            return Err(json::invalid("end", "it can only be true"));
        }
        Ok(Line::End {
            count: self.count.ok_or_else(missing("count"))?,
            sha256: self.sha256.ok_or_else(missing("sha256"))?,
        })
    }

    /// Refuses the first member that does not belong to such a line.
    fn only(&self, what: &str, own: &[&str]) -> Result<()> {
        let members = [
            ("akvs", self.akvs.is_some()),
            ("namespace", self.namespace.is_some()),
            ("namespaces", self.namespaces.is_some()),
            ("revision", self.revision.is_some()),
            ("created", self.created.is_some()),
            ("settings", self.settings.is_some()),
            ("key", self.key.is_some()),
            ("key64", self.key64.is_some()),
            ("value", self.value.is_some()),
            ("value64", self.value64.is_some()),
            ("content_type", self.content_type.is_some()),
            ("content_encoding", self.content_encoding.is_some()),
            ("modified", self.modified.is_some()),
            ("expires", self.expires.is_some()),
            ("end", self.end.is_some()),
            ("count", self.count.is_some()),
            ("sha256", self.sha256.is_some()),
        ];
        let mut members = members.into_iter();
        match members.find(|(name, is_there)| *is_there && !own.contains(name)) {
            Some((name, _)) => Err(json::invalid(name, format!("it does not belong to {what}"))),
            None => Ok(()),
        }
    }
}

impl Chosen {
    fn read(self) -> Result<Settings> {
        let ttl = self.ttl.map(|text| query::parse_ttl(&text)).transpose();
        let ttl_ms = match ttl {
            Ok(None) => None,
            Ok(Some(Ttl::Millis(millis))) => Some(millis),
            Ok(Some(Ttl::Keep | Ttl::Default | Ttl::Forever | Ttl::Until(_))) | Err(_) => {
                return Err(json::invalid("settings.ttl", "no time, such as \"90s\""));
            }
        };
        Ok(Settings {
            ttl_ms,
            max_value_bytes: self.max_value_bytes,
            max_keys: self.max_keys,
            max_bytes: self.max_bytes,
        })
    }
}

fn field(place: &str, text: Option<String>) -> Result<Option<FieldValue>> {
    let field = text.map(FieldValue::new).transpose();
    field.map_err(|error| json::of_field(&error, place))
}

fn time(place: &str, text: Option<String>) -> Result<Option<Timestamp>> {
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

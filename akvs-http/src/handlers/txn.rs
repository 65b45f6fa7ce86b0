//! `POST /txn/{namespace}`: several operations as one, on conditions: all of them are done, under one revision, or none.

use std::fmt;

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use akvs_core::{
    Action, Code, Condition, Error, FieldValue, Key, Namespace, Op, Outcome, Representation,
    Result, Revision, Ttl, Txn,
};
use serde::Serialize;
use serde::de::{self, Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::auth::{Identity, Scope};
use crate::context::Context;
use crate::request::json;
use crate::request::json::{List, object};
use crate::request::query;
use crate::request::query::WriteOp;
use crate::response::item::TextOrBase64;
use crate::response::problem;
use crate::state::State;

object! {
    /// The body.
    struct Asked {
        checks: List<Check>,
        ops: List<Operation>,
    }
}

object! {
    /// What must hold.
    struct Check {
        key: String,
        key64: String,
        revision: u64,
        absent: bool,
        exists: bool,
    }
}

object! {
    /// What is to be done.
    struct Operation {
        op: String,
        key: String,
        key64: String,
        value: String,
        value64: String,
        ttl: Time,
        content_type: String,
        by: i64,
    }
}

/// A ttl: a number of seconds, or text as in a query.
#[derive(Debug)]
struct Time(String);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        from.deserialize_any(TimeVisitor)
    }
}

struct TimeVisitor;

impl de::Visitor<'_> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of seconds, or text such as \"5m\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Time, E> {
        Ok(Time(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Time, E> {
        Ok(Time(seconds.to_string()))
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Time, E> {
        Ok(Time(seconds.to_string()))
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Time, E> {
        Ok(Time(seconds.to_string()))
    }
}

/// The result of a transaction: its revision, null if nothing changed, and the result of each operation.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done<'a> {
    #[schema(required)]
    revision: Option<u64>,
    results: Vec<OpDone<'a>>,
}

/// The result of an operation.
#[derive(Serialize, ToSchema)]
pub(crate) struct OpDone<'a> {
    #[schema(required)]
    revision: Option<u64>,
    /// Absent for a token without the right `read`.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    existed: Option<bool>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
}

/// `POST /txn/{namespace}`.
pub(crate) async fn serve(mut context: Context<'_, Namespace>) -> Result<HttpResponse> {
    let Asked { checks, ops } = context.receive_json().await?;
    let (state, name) = (context.state, context.path.as_str());
    let ops = ops.ok_or_else(|| json::invalid("ops", "missing"))?;
    let checks = match checks {
        Some(checks) => checks.whole("checks")?,
        None => Vec::new(),
    };
    let checks = each(checks, "checks", |place, check| check.read(place))?;
    let ops = each(ops.whole("ops")?, "ops", |place, op| op.read(place, state))?;
    let checked: Vec<Key> = checks.iter().map(|(key, _)| key.clone()).collect();
    let changed = ops.iter().map(|(key, op)| {
        let is_sum = matches!(op.action, Action::Add { .. });
        (key.clone(), is_sum)
    });
    let changed: Vec<(Key, bool)> = changed.collect();
    for key in checked.iter().chain(changed.iter().map(|(key, _)| key)) {
        context.authorize(name, &Scope::Key(key.as_bytes()))?;
    }
    let identity = context.identity()?;
    may_depend(identity, &checked, &ops)?;
    let done = match Txn::new(checks, ops) {
        Ok(txn) => state.registry.transact(&context.path, txn).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(outcomes) if !identity.reads() => Ok(unseen(&outcomes)),
        Ok(outcomes) => Ok(answer(&changed, &outcomes)),
        Err(error) => {
            let error = identity.withhold(error, name);
            refusal(place(&error, &checked, &changed))
        }
    }
}

/// Refuses what is done by what is there to a token that may not read it.
fn may_depend(identity: &Identity, checked: &[Key], ops: &[(Key, Op)]) -> Result<()> {
    if !checked.is_empty() {
        identity.authorize_dependent("a check")?;
    }
    let on_stored = |action: &Action| !matches!(action, Action::Set { .. } | Action::Delete);
    if ops.iter().any(|(_, op)| on_stored(&op.action)) {
        identity.authorize_dependent("an op other than set and delete")?;
    }
    Ok(())
}

/// Reads each element of a list; an error says which one it is of.
fn each<T, R>(list: Vec<T>, name: &str, read: impl Fn(&str, T) -> Result<R>) -> Result<Vec<R>> {
    let member = name.trim_end_matches('s');
    let elements = list.into_iter().enumerate();
    elements
        .map(|(index, element)| {
            let read = read(&format!("{name}[{index}]"), element);
            read.map_err(|error| error.with(member, index))
        })
        .collect()
}

impl Check {
    fn read(self, place: &str) -> Result<(Key, Condition)> {
        let Check {
            key,
            key64,
            revision,
            absent,
            exists,
        } = self;
        let key = json::key(place, key, key64)?;
        for (name, flag) in [("absent", absent), ("exists", exists)] {
            if flag == Some(false) {
                let why = "it can only be true; absent and exists are each other's opposite";
                return Err(json::invalid(&format!("{place}.{name}"), why));
            }
        }
        let condition = match (revision, absent, exists) {
            (Some(revision), None, None) => Condition::Revisions(vec![Revision::new(revision)]),
            (None, Some(_), None) => Condition::Absent,
            (None, None, Some(_)) => Condition::Exists,
            _ => {
                let why = "a check has one of revision, absent and exists";
                return Err(json::invalid(place, why));
            }
        };
        Ok((key, condition))
    }
}

impl Operation {
    fn read(self, place: &str, state: &State) -> Result<(Key, Op)> {
        let foreign = self.foreign(place)?;
        if let Some(name) = foreign {
            let why = "it does not belong to this op";
            return Err(json::invalid(&format!("{place}.{name}"), why));
        }
        let Operation {
            op,
            key,
            key64,
            value,
            value64,
            ttl,
            content_type,
            by,
        } = self;
        let key = json::key(place, key, key64)?;
        let action = match op.as_deref() {
            Some("set") => {
                let value = json::bytes(place, "value", value, value64)?;
                let fits = state.value_limits.check(Some(value.len() as u64));
                fits.map_err(|error| json::of_field(&error, &format!("{place}.value")))?;
                Action::Set {
                    value,
                    representation: representation(place, content_type)?,
                    ttl: time(place, WriteOp::Set, ttl)?,
                }
            }
            Some("add") => Action::Add {
                by: by.ok_or_else(|| json::invalid(&format!("{place}.by"), "missing"))?,
                ttl: Ttl::Keep,
            },
            Some("touch") => Action::Touch {
                ttl: time(place, WriteOp::Touch, ttl)?,
            },
            // There are no others.
            _ => Action::Delete,
        };
        Ok((key, Op::from(action)))
    }

    /// The first member that is there but does not belong to the op, which must be one that is known.
    fn foreign(&self, place: &str) -> Result<Option<&'static str>> {
        let own: &[&str] = match self.op.as_deref() {
            Some("set") => &["value", "value64", "ttl", "content_type"],
            Some("add") => &["by"],
            Some("touch") => &["ttl"],
            Some("delete") => &[],
            Some(_) => {
                let why = "not known; there are set, delete, add and touch";
                return Err(json::invalid(&format!("{place}.op"), why));
            }
            None => return Err(json::invalid(&format!("{place}.op"), "missing")),
        };
        let members = [
            ("value", self.value.is_some()),
            ("value64", self.value64.is_some()),
            ("ttl", self.ttl.is_some()),
            ("content_type", self.content_type.is_some()),
            ("by", self.by.is_some()),
        ];
        let mut members = members.into_iter();
        let foreign = members.find(|(name, is_there)| *is_there && !own.contains(name));
        Ok(foreign.map(|(name, _)| name))
    }
}

/// How long a value lasts: the same text means the same as in the query of a single write, and nothing too.
fn time(place: &str, verb: WriteOp, ttl: Option<Time>) -> Result<Ttl> {
    let ttl = ttl.map(|Time(text)| query::parse_ttl(&text)).transpose();
    ttl.and_then(|ttl| query::ttl_of(verb, ttl))
        .map_err(|error| json::invalid(&format!("{place}.ttl"), error.message()))
}

fn representation(place: &str, content_type: Option<String>) -> Result<Representation> {
    let content_type = content_type.map(FieldValue::new).transpose();
    let content_type =
        content_type.map_err(|error| json::of_field(&error, &format!("{place}.content_type")))?;
    Ok(Representation {
        content_type,
        content_encoding: None,
    })
}

fn answer(changed: &[(Key, bool)], outcomes: &[Outcome]) -> HttpResponse {
    let number = |outcome: &Outcome| outcome.revision.map(Revision::get);
    let results = changed.iter().zip(outcomes).map(|((_, is_sum), outcome)| {
        let entry = outcome.entry.as_ref().filter(|_| *is_sum);
        OpDone {
            revision: number(outcome),
            existed: Some(outcome.existed),
            value: entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()),
        }
    });
    HttpResponse::Ok().json(Done {
        revision: outcomes.iter().find_map(number),
        results: results.collect(),
    })
}

/// What a token is told that may not read: the revision of what it has set. Whether there was something to be deleted
/// would be told by a revision too.
fn unseen(outcomes: &[Outcome]) -> HttpResponse {
    let set = |outcome: &Outcome| {
        let revision = outcome.revision.filter(|_| outcome.entry.is_some());
        revision.map(Revision::get)
    };
    let results = outcomes.iter().map(|outcome| OpDone {
        revision: set(outcome),
        existed: None,
        value: None,
    });
    HttpResponse::Ok().json(Done {
        revision: outcomes.iter().find_map(set),
        results: results.collect(),
    })
}

/// Says in words which check or which operation an error is of, and names its key.
fn place(error: &Error, checked: &[Key], changed: &[(Key, bool)]) -> Error {
    let index = |name| {
        let index = error
            .context()
            .get(name)
            .and_then(serde_json::Value::as_u64);
        index.map(|index| index as usize)
    };
    let found = match (index("check"), index("op")) {
        (Some(index), _) => checked.get(index).map(|key| ("checks", index, key)),
        (None, Some(index)) => changed.get(index).map(|(key, _)| ("ops", index, key)),
        (None, None) => None,
    };
    match found {
        Some((list, index, key)) => {
            let named = json::of_field(error, &format!("{list}[{index}]"));
            TextOrBase64::of(key.as_bytes()).name_key(named)
        }
        None => error.clone(),
    }
}

/// A key that is not there is told in a document even here: the original's text could not say which one.
fn refusal(error: Error) -> Result<HttpResponse> {
    if error.code() != Code::NotFound {
        return Err(error);
    }
    let (status, _) = problem::status(error.code());
    Ok(HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, problem::PROBLEM_JSON))
        .body(problem::document(&error)))
}

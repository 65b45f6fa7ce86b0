//! `POST /txn/{namespace}`: several operations as one, on conditions: all of them are done, under one revision, or none.

use actix_web::HttpResponse;
use actix_web::http::header::CONTENT_TYPE;
use akvs_api::TextOrBase64;
use akvs_api::txn::{self as api, Check, OpKind, OpResult, TxnRequest, TxnResponse};
use akvs_core::{
    Action, Code, Condition, Error, FieldValue, Key, Namespace, Op, Outcome, Representation,
    Result, Revision, Ttl, Txn,
};

use crate::auth::{Identity, Scope};
use crate::context::Context;
use crate::request::json;
use crate::request::query;
use crate::request::query::WriteOp;
use crate::response::problem;
use crate::state::State;

/// `POST /txn/{namespace}`.
pub(crate) async fn serve(mut context: Context<'_, Namespace>) -> Result<HttpResponse> {
    let TxnRequest { checks, ops } = context.receive_json().await?;
    let (state, name) = (context.state, context.path.as_str());
    let ops = ops.ok_or_else(|| json::invalid("ops", "missing"))?;
    let checks = match checks {
        Some(checks) => json::elements(checks, "checks")?,
        None => Vec::new(),
    };
    let checks = each(checks, "checks", condition)?;
    let ops = each(json::elements(ops, "ops")?, "ops", |place, op| {
        operation(place, op, state)
    })?;
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

/// Reads a check.
fn condition(place: &str, check: Check) -> Result<(Key, Condition)> {
    let key = json::key(place, check.key, check.key64)?;
    for (name, flag) in [("absent", check.absent), ("exists", check.exists)] {
        if flag == Some(false) {
            let why = "it can only be true; absent and exists are each other's opposite";
            return Err(json::invalid(&format!("{place}.{name}"), why));
        }
    }
    let condition = match (check.revision, check.absent, check.exists) {
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

/// Reads an operation.
fn operation(place: &str, op: api::Op, state: &State) -> Result<(Key, Op)> {
    let Some(name) = op.op.as_deref() else {
        return Err(json::invalid(&format!("{place}.op"), "missing"));
    };
    let Some(kind) = OpKind::parse(name) else {
        let why = "not known; there are set, delete, add and touch";
        return Err(json::invalid(&format!("{place}.op"), why));
    };
    if let Some(name) = op.foreign_member(kind) {
        let why = "it does not belong to this op";
        return Err(json::invalid(&format!("{place}.{name}"), why));
    }
    let key = json::key(place, op.key, op.key64)?;
    let action = match kind {
        OpKind::Set => {
            let value = json::bytes(place, "value", op.value, op.value64)?;
            let fits = state.value_limits.check(Some(value.len() as u64));
            fits.map_err(|error| json::of_field(&error, &format!("{place}.value")))?;
            Action::Set {
                value,
                representation: representation(place, op.content_type)?,
                ttl: time(place, WriteOp::Set, op.ttl)?,
            }
        }
        OpKind::Add => Action::Add {
            by: op
                .by
                .ok_or_else(|| json::invalid(&format!("{place}.by"), "missing"))?,
            ttl: Ttl::Keep,
        },
        OpKind::Touch => Action::Touch {
            ttl: time(place, WriteOp::Touch, op.ttl)?,
        },
        OpKind::Delete => Action::Delete,
    };
    Ok((key, Op::from(action)))
}

/// How long a value lasts: the same text means the same as in the query of a single write, and nothing too.
fn time(place: &str, verb: WriteOp, ttl: Option<api::Ttl>) -> Result<Ttl> {
    let ttl = ttl
        .map(|api::Ttl(text)| query::parse_ttl(&text))
        .transpose();
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
        OpResult {
            revision: number(outcome),
            existed: Some(outcome.existed),
            value: entry
                .and_then(|entry| std::str::from_utf8(&entry.value).ok())
                .map(Into::into),
        }
    });
    HttpResponse::Ok().json(TxnResponse {
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
    let results = outcomes.iter().map(|outcome| OpResult {
        revision: set(outcome),
        existed: None,
        value: None,
    });
    HttpResponse::Ok().json(TxnResponse {
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
            TextOrBase64::new(key.as_bytes()).add_to(named, "key")
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

//! `POST /txn/{namespace}`: several operations in one transaction, with conditions: either all are done, with one revision, or none.

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
    let ops = ops.ok_or_else(|| json::missing("ops"))?;
    let checks = match checks {
        Some(checks) => json::elements(checks, "checks")?,
        None => Vec::new(),
    };
    let checks = each(checks, "checks", condition)?;
    let ops = each(json::elements(ops, "ops")?, "ops", |path, op| {
        operation(path, op, state)
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
    authorize_dependence(identity, &checked, &ops)?;
    let done = match Txn::new(checks, ops) {
        Ok(txn) => state.registry.transact(&context.path, txn).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(outcomes) if !identity.reads() => Ok(write_only_answer(&outcomes)),
        Ok(outcomes) => Ok(answer(&changed, &outcomes)),
        Err(error) => {
            let error = identity.withhold(error, name);
            refusal(name_operation(&error, &checked, &changed))
        }
    }
}

/// Rejects a transaction whose result depends on stored entries, for a token without the right to read.
fn authorize_dependence(identity: &Identity, checked: &[Key], ops: &[(Key, Op)]) -> Result<()> {
    if !checked.is_empty() {
        identity.authorize_dependent("a check")?;
    }
    let on_stored = |action: &Action| !matches!(action, Action::Set { .. } | Action::Delete);
    if ops.iter().any(|(_, op)| on_stored(&op.action)) {
        identity.authorize_dependent("an op other than set and delete")?;
    }
    Ok(())
}

/// Parses each element of a list, given its path; an error has the index of its element.
fn each<T, R>(list: Vec<T>, name: &str, parse: impl Fn(&str, T) -> Result<R>) -> Result<Vec<R>> {
    let member = name.trim_end_matches('s');
    let elements = list.into_iter().enumerate();
    elements
        .map(|(index, element)| {
            let parsed = parse(&format!("{name}[{index}]"), element);
            parsed.map_err(|error| error.with(member, index))
        })
        .collect()
}

/// Parses a check.
fn condition(path: &str, check: Check) -> Result<(Key, Condition)> {
    let key = json::key(path, check.key, check.key64)?;
    for (name, flag, opposite) in [
        ("absent", check.absent, "exists"),
        ("exists", check.exists, "absent"),
    ] {
        if flag == Some(false) {
            let reason =
                format!("invalid boolean false: expected true; its opposite is {opposite}");
            return Err(json::invalid(&json::path(path, name), reason));
        }
    }
    let condition = match (check.revision, check.absent, check.exists) {
        (Some(revision), None, None) => Condition::Revisions(vec![Revision::new(revision)]),
        (None, Some(_), None) => Condition::Absent,
        (None, None, Some(_)) => Condition::Exists,
        _ => {
            let reason = "invalid check: expected one of revision, absent and exists";
            return Err(json::invalid(path, reason));
        }
    };
    Ok((key, condition))
}

/// Parses an operation.
fn operation(path: &str, op: api::Op, state: &State) -> Result<(Key, Op)> {
    let member = |name: &str| json::path(path, name);
    let Some(name) = op.op.as_deref() else {
        return Err(json::missing(&member("op")));
    };
    let Some(kind) = OpKind::parse(name) else {
        let name = query::short(name);
        let reason = format!("unknown op {name:?}: expected set, delete, add or touch");
        return Err(json::invalid(&member("op"), reason));
    };
    if let Some(unknown) = op.unknown_member(kind) {
        let reason = format!("unexpected member of op {name:?}");
        return Err(json::invalid(&member(unknown), reason));
    }
    let key = json::key(path, op.key, op.key64)?;
    let action = match kind {
        OpKind::Set => {
            let value = json::bytes(path, "value", op.value, op.value64)?;
            let fits = state.value_limits.check(Some(value.len() as u64));
            fits.map_err(|error| json::in_field(&error, &member("value")))?;
            Action::Set {
                value,
                representation: representation(&member("content_type"), op.content_type)?,
                ttl: ttl(&member("ttl"), WriteOp::Set, op.ttl)?,
            }
        }
        OpKind::Add => Action::Add {
            by: op.by.ok_or_else(|| json::missing(&member("by")))?,
            ttl: Ttl::Keep,
        },
        OpKind::Touch => Action::Touch {
            ttl: ttl(&member("ttl"), WriteOp::Touch, op.ttl)?,
        },
        OpKind::Delete => Action::Delete,
    };
    Ok((key, Op::from(action)))
}

/// Returns the ttl of an operation; present or missing, it means the same as in the query of a single write.
fn ttl(field: &str, op: WriteOp, ttl: Option<api::Ttl>) -> Result<Ttl> {
    let ttl = ttl
        .map(|api::Ttl(text)| query::parse_ttl(&text))
        .transpose();
    ttl.and_then(|ttl| query::ttl_for(op, ttl))
        .map_err(|error| json::invalid(field, error.message()))
}

fn representation(field: &str, content_type: Option<String>) -> Result<Representation> {
    let content_type = content_type.map(FieldValue::new).transpose();
    let content_type = content_type.map_err(|error| json::in_field(&error, field))?;
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

/// Answers a token without the right to read: with the revisions of `set` only, because that of a `delete` discloses that
/// the key existed.
fn write_only_answer(outcomes: &[Outcome]) -> HttpResponse {
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

/// Adds to an error the path and the key of its check or operation.
fn name_operation(error: &Error, checked: &[Key], changed: &[(Key, bool)]) -> Error {
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
            let named = json::in_field(error, &format!("{list}[{index}]"));
            TextOrBase64::new(key.as_bytes()).add_to(named, "key")
        }
        None => error.clone(),
    }
}

/// Answers `not_found` with a document in any case, because the plain text could not name the key.
fn refusal(error: Error) -> Result<HttpResponse> {
    if error.code() != Code::NotFound {
        return Err(error);
    }
    let status = problem::status(error.code());
    Ok(HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, problem::PROBLEM_JSON))
        .body(problem::document(&error)))
}

//! `/kv/{namespace}/{key}`: reading, writing and deleting one key.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use akvs_core::{
    Action, Code, Condition, Error, Key, Namespace, Op, Outcome, PeekedEntry, Representation,
    Result, Timestamp, Ttl, apply,
};
use bytes::Bytes;

use super::long_poll;
use crate::auth::Identity;
use crate::context::Context;
use crate::request::body::Limits;
use crate::request::conditions;
use crate::request::conditions::{Part, Reading};
use crate::request::message::Request;
use crate::request::path::KeyPath;
use crate::request::query;
use crate::request::query::{WriteOp, WriteQuery};
use crate::response::headers;
use crate::response::memory::{ResponseReservation, SLICE_BYTES, SMALL_BYTES};
use crate::state::State;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// `GET /kv/{namespace}/{key}`.
pub(crate) async fn get(context: Context<'_, KeyPath<'_>>) -> Result<HttpResponse> {
    context.authorize_key()?;
    let (request, state, path) = (context.request, context.state, &context.path);
    let mut found = peek(state, path, SMALL_BYTES).await?;
    let headers = request.headers();
    let wait = conditions::wait(headers);
    if let Some(wait) = wait
        && reading(request, state, &found)? == Reading::Unchanged
    {
        // Boxed, as the read of a large value is, so that the future of every other request stays small.
        found = Box::pin(long_poll::until_changed(&context, wait)).await?;
    }
    let mut response = match (found.left_bytes, reading(request, state, &found)?) {
        (_, Reading::Unchanged) => headers::unchanged(&found.entry),
        (None, Reading::Value(part)) => headers::entry(found.entry, part),
        (Some(_), Reading::Value(_)) => Box::pin(read_large(request, state, path, found)).await?,
    };
    if let Some(wait) = wait {
        let applied = format!("wait={}", wait.as_secs());
        if let Ok(applied) = HeaderValue::try_from(applied) {
            response.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
    }
    Ok(response)
}

async fn peek(state: &State, path: &KeyPath<'_>, max_bytes: usize) -> Result<PeekedEntry> {
    let KeyPath { namespace, key } = path;
    state.registry.peek(namespace, key, max_bytes).await
}

/// Answers a read of a large value: with the value, a part of it, or 304. The value is read only if it is needed, and
/// after memory for it was reserved.
async fn read_large(
    request: &Request,
    state: &State,
    path: &KeyPath<'_>,
    mut found: PeekedEntry,
) -> Result<HttpResponse> {
    let mut held: Option<ResponseReservation> = None;
    loop {
        let part = match reading(request, state, &found)? {
            Reading::Unchanged => return Ok(headers::unchanged(&found.entry)),
            Reading::Value(part) => part,
        };
        let Some(bytes) = found.left_bytes else {
            let mut response = headers::entry(found.entry, part);
            if let Some(held) = held {
                response.extensions_mut().insert(held);
            }
            return Ok(response);
        };
        if part == Part::Outside {
            return Ok(headers::outside(&found.entry, bytes));
        }
        if *request.method() == Method::HEAD {
            return Ok(headers::head(found.entry, bytes));
        }
        match &mut held {
            Some(held) => held.grow(bytes + SLICE_BYTES)?,
            None => held = Some(state.response_memory.hold(bytes + SLICE_BYTES)?),
        }
        // The key may have another value now, which may be larger.
        found = peek(state, path, bytes).await?;
    }
}

fn reading(request: &Request, state: &State, found: &PeekedEntry) -> Result<Reading> {
    let now = || state.registry.now();
    conditions::for_read(request.method(), request.headers(), found, now)
}

/// `POST /kv/{namespace}/{key}`.
pub(crate) async fn post(mut context: Context<'_, KeyPath<'_>>) -> Result<HttpResponse> {
    context.authorize_key()?;
    let (request, state) = (context.request, context.state);
    let WriteQuery { op, ttl } = query::parse_write(request.query_string())?;
    let headers = request.headers();
    let condition = conditions::for_write(headers, || state.registry.now())?;
    authorize_dependence(context.identity()?, op, &condition)?;
    let representation = headers::representation(request)?;
    let (value, is_renewed) = context.receive().await?;
    if is_renewed {
        context.authorize_key()?;
        authorize_dependence(context.identity()?, op, &condition)?;
    }
    let action = action(
        WriteQuery { op, ttl },
        value,
        representation,
        &state.value_limits,
    )?;
    let write = Op::from(action).on(condition);
    let key = std::mem::take(&mut context.path.key);
    let outcome = submit(state, &context.path.namespace, key, write).await;
    let identity = context.identity()?;
    let outcome = outcome.map_err(|error| {
        let error = state.value_limits.explain(error);
        identity.withhold(conditions::explain(error, headers), &context.path.namespace)
    })?;
    if !identity.reads() {
        let has_own_deadline = ttl != Ttl::Keep;
        return Ok(headers::write_only_outcome(
            HttpResponse::Created(),
            "Created",
            outcome,
            has_own_deadline,
        ));
    }
    let sum = |outcome: &Outcome| {
        let entry = outcome.entry.as_ref();
        entry.map(|entry| entry.value.clone()).unwrap_or_default()
    };
    Ok(match op {
        WriteOp::Set => headers::outcome(HttpResponse::Created(), "Created", &outcome),
        WriteOp::Add => headers::outcome(HttpResponse::Ok(), sum(&outcome), &outcome),
        WriteOp::Append | WriteOp::Touch => headers::outcome(HttpResponse::Ok(), "OK", &outcome),
    })
}

/// Returns the change that a `POST` requests.
fn action(
    WriteQuery { op, ttl }: WriteQuery,
    value: Bytes,
    representation: Representation,
    limits: &Limits,
) -> Result<Action> {
    Ok(match op {
        WriteOp::Set => Action::Set {
            value,
            representation,
            ttl,
        },
        WriteOp::Add => Action::Add {
            by: parse_operand(&value)?,
            ttl,
        },
        WriteOp::Append => Action::Append {
            value,
            max_bytes: limits.max_bytes(),
            ttl,
        },
        WriteOp::Touch if value.is_empty() => Action::Touch { ttl },
        WriteOp::Touch => {
            let text = "unexpected body of op=touch: expected none";
            return Err(Error::new(Code::InvalidRequest, text));
        }
    })
}

/// Rejects a write whose result depends on the stored entry, for a token without the right to read.
fn authorize_dependence(identity: &Identity, op: WriteOp, condition: &Condition) -> Result<()> {
    if *condition != Condition::None {
        identity.authorize_dependent("a condition")?;
    }
    let what = match op {
        WriteOp::Set => return Ok(()),
        WriteOp::Add => "op=add",
        WriteOp::Append => "op=append",
        WriteOp::Touch => "op=touch",
    };
    identity.authorize_dependent(what)
}

/// Parses the operand of `op=add`: a signed decimal number, with the line end that a shell may append.
fn parse_operand(body: &[u8]) -> Result<i64> {
    let text = std::str::from_utf8(body).ok().map(str::trim_ascii_end);
    text.and_then(|text| text.parse().ok()).ok_or_else(|| {
        let text = "invalid body of op=add: expected an integer from -2^63 to 2^63-1";
        Error::new(Code::InvalidRequest, text)
    })
}

/// `DELETE /kv/{namespace}/{key}`.
pub(crate) async fn delete(mut context: Context<'_, KeyPath<'_>>) -> Result<HttpResponse> {
    context.authorize_key()?;
    context.no_query()?;
    let state = context.state;
    let headers = context.request.headers();
    let condition = conditions::for_write(headers, || state.registry.now())?;
    authorize_dependence(context.identity()?, WriteOp::Set, &condition)?;
    let op = Op::delete().on(condition);
    let key = std::mem::take(&mut context.path.key);
    let namespace = &*context.path.namespace;
    // A delete in a namespace that does not exist does not create it, and has no commit to wait for.
    let outcome = match state.registry.existing(namespace)? {
        Some(_) => submit(state, namespace, key, op).await,
        None => apply(op, None, Timestamp::default()).map(|_| Outcome::default()),
    };
    let outcome = outcome.map_err(|error| conditions::explain(error, headers))?;
    if !context.identity()?.reads() {
        let outcome = Outcome::default();
        return Ok(headers::write_only_outcome(
            HttpResponse::Ok(),
            "OK",
            outcome,
            false,
        ));
    }
    Ok(headers::outcome(HttpResponse::Ok(), "OK", &outcome))
}

async fn submit(state: &State, namespace: &str, key: Cow<'_, [u8]>, op: Op) -> Result<Outcome> {
    let namespace = Namespace::new(namespace)?;
    let key = Key::new(Bytes::from(key.into_owned()))?;
    state.registry.submit(&namespace, key, op).await
}

//! `/kv` and `/kv/{namespace}`: which namespaces there are, and what is done to one as a whole.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::engine::{Limit, Span};
use akvs_core::{
    Code, Error, Key, Namespace, NamespaceInfo, Op, Outcome, Result, Settings, Ttl, Txn,
};
use akvs_registry::Registry;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::list;
use crate::app::State;
use crate::auth::{Grant, Right, Scope};
use crate::cursor::{self, Kind, Listing};
use crate::params::{self, NamespacesParams, Removal};
use crate::{body, problem, wire};

const ALLOW_LIST: &str = "GET, HEAD, OPTIONS";
const ALLOW: &str = "GET, HEAD, PUT, DELETE, OPTIONS";
/// The most bytes of the settings' JSON.
const SETTINGS_BYTES: usize = 64 << 10;
/// So many namespaces are looked at at once where not all of them may be told.
const HIDDEN_PAGE: usize = 1_000;
/// So much is deleted at once when a prefix is.
const DELETE_PAGE: Limit = Limit {
    rows: 500,
    bytes: 1 << 20,
};

/// What a `PUT` may say. The values are looked at one by one, so that an error can name what it is about.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chosen {
    ttl: Option<Value>,
    max_value_bytes: Option<Value>,
    max_keys: Option<Value>,
    max_bytes: Option<Value>,
}

/// Answers what is asked of `/kv`.
pub(super) async fn list(
    request: &HttpRequest,
    state: &State,
    grant: Grant,
) -> Result<HttpResponse> {
    match *request.method() {
        Method::GET | Method::HEAD => {
            grant.has(Right::Read)?;
            let params = params::of_namespaces(request.query_string())?;
            let registry = state.registry.clone();
            let body = list::blocking(move || document(&registry, &params, &grant)).await?;
            Ok(list::json(body.to_string()))
        }
        _ => Ok(problem::other_method(request, ALLOW_LIST)),
    }
}

/// Answers what is asked of `/kv/{namespace}`.
pub(super) async fn answer(
    request: &HttpRequest,
    payload: &mut web::Payload,
    state: &State,
    grant: &Grant,
    name: &str,
) -> Result<HttpResponse> {
    let name = Namespace::new(name)?;
    let may = |right, scope| grant.may(right, name.as_str(), &scope);
    match *request.method() {
        Method::GET | Method::HEAD => list::answer(request, state, grant, name).await,
        Method::PUT => {
            may(Right::Admin, Scope::All)?;
            configure(request, payload, state, &name).await
        }
        Method::DELETE => match params::of_removal(request.query_string(), name.as_str())? {
            Removal::Namespace => {
                may(Right::Admin, Scope::All)?;
                drop_namespace(state, &name).await
            }
            Removal::Prefix(prefix) => {
                may(Right::Write, Scope::Prefix(&prefix))?;
                // The answer counts them.
                grant.may_depend_on_what_is_there("deleting a prefix")?;
                delete_prefix(&state.registry, &name, prefix).await
            }
        },
        _ => Ok(problem::other_method(request, ALLOW)),
    }
}

fn document(registry: &Registry, params: &NamespacesParams, grant: &Grant) -> Result<Value> {
    let prefix = &params.prefix;
    let listing = Listing::new(Kind::Namespaces, &[Some(prefix.as_bytes())]);
    let mut found = Vec::new();
    let mut after = match &params.cursor {
        Some(cursor) => {
            let position = listing.position(cursor)?;
            let name = Namespace::check(&position).map_err(|_| cursor::malformed())?;
            if !name.starts_with(prefix) {
                return Err(cursor::malformed());
            }
            Some(Namespace::new(name)?)
        }
        None if prefix.is_empty() => None,
        // It may be a name itself, and is the first one then.
        None => {
            let first = Namespace::new(prefix)?;
            found.extend(registry.view(&first)?.info().cloned());
            Some(first)
        }
    };
    let is_told = |info: &NamespaceInfo| grant.sees(info.name.as_str());
    found.retain(is_told);
    let with_prefix = |info: &NamespaceInfo| info.name.as_str().starts_with(prefix);
    // One more, to see whether this is the end.
    while found.len() <= params.limit {
        let wanted = match grant.sees_all() {
            true => params.limit + 1 - found.len(),
            false => HIDDEN_PAGE,
        };
        let behind = registry.list(after.as_ref(), wanted)?;
        let is_end = behind.len() < wanted || !behind.iter().all(with_prefix);
        after = behind.last().map(|info| info.name.clone());
        found.extend(behind.into_iter().take_while(with_prefix).filter(is_told));
        if is_end {
            break;
        }
    }
    let is_end = found.len() <= params.limit;
    found.truncate(params.limit);
    let last = found.last().filter(|_| !is_end);
    let cursor = last.map(|info| listing.cursor(info.name.as_str().as_bytes()));
    let told = found
        .iter()
        .map(|info| match grant.reads_all_of(info.name.as_str()) {
            true => tell(info),
            false => json!({"name": info.name.as_str()}),
        });
    let told: Vec<Value> = told.collect();
    Ok(json!({"namespaces": told, "cursor": cursor}))
}

fn tell(info: &NamespaceInfo) -> Value {
    json!({
        "name": info.name.as_str(),
        "keys": info.counts.keys,
        "bytes": info.counts.bytes,
        "revision": info.revision.get(),
        "created": wire::date_time(info.created),
    })
}

/// `PUT /kv/{namespace}`.
async fn configure(
    request: &HttpRequest,
    payload: &mut web::Payload,
    state: &State,
    name: &Namespace,
) -> Result<HttpResponse> {
    params::none(request.query_string())?;
    let limits = state.value_limits.of_requests();
    let body = body::receive(request, payload, &limits, &state.body_memory).await?;
    let settings = parse(&body)?;
    let existed = state.registry.configure(name, settings).await?;
    let document = json!({"name": name.as_str(), "settings": {
        "ttl": settings.ttl_ms.map(ttl_text),
        "max_value_bytes": settings.max_value_bytes,
        "max_keys": settings.max_keys,
        "max_bytes": settings.max_bytes,
    }});
    let mut response = list::json(document.to_string());
    if !existed {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

/// Reads settings; no body at all chooses nothing.
fn parse(body: &[u8]) -> Result<Settings> {
    if body.len() > SETTINGS_BYTES {
        let text = format!("the settings have more than {SETTINGS_BYTES} bytes");
        return Err(Error::new(Code::TooLarge, text).with("limit", SETTINGS_BYTES));
    }
    let body = body.trim_ascii();
    let chosen = match body.first() {
        None => Chosen::default(),
        Some(b'{') => serde_json::from_slice(body)
            .map_err(|error| invalid(&format!("the settings are not understood: {error}")))?,
        // The library would read an array by its order.
        Some(_) => return Err(invalid("the settings are no JSON object")),
    };
    Ok(Settings {
        ttl_ms: chosen.ttl.as_ref().map(ttl_ms).transpose()?,
        max_value_bytes: number("max_value_bytes", chosen.max_value_bytes.as_ref())?,
        max_keys: number("max_keys", chosen.max_keys.as_ref())?,
        max_bytes: number("max_bytes", chosen.max_bytes.as_ref())?,
    })
}

fn ttl_ms(value: &Value) -> Result<u64> {
    let ttl = match value {
        Value::String(text) => params::parse_ttl(text).ok(),
        Value::Number(seconds) => params::parse_ttl(&seconds.to_string()).ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    match ttl {
        Some(Ttl::Millis(millis)) => Ok(millis),
        Some(Ttl::Keep | Ttl::Default | Ttl::Forever | Ttl::Until(_)) | None => {
            let text = "ttl is no time, such as 90, \"90s\", \"5m\", \"2h\", \"7d\"";
            Err(invalid(text).with("field", "ttl"))
        }
    }
}

/// A time as it can be said again, in the largest unit that it is a multiple of.
fn ttl_text(millis: u64) -> String {
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];
    let unit = units
        .into_iter()
        .find(|(unit, _)| millis.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or((1, "ms"));
    format!("{}{name}", millis / unit)
}

fn number(name: &str, value: Option<&Value>) -> Result<Option<u64>> {
    let Some(value) = value else {
        return Ok(None);
    };
    let number = value.as_u64().map(Some);
    number.ok_or_else(|| {
        let text = format!("{name} is no whole number from 0 on");
        invalid(&text).with("field", name)
    })
}

fn invalid(text: &str) -> Error {
    Error::new(Code::InvalidRequest, text)
}

/// `DELETE /kv/{namespace}?confirm={namespace}`.
async fn drop_namespace(state: &State, name: &Namespace) -> Result<HttpResponse> {
    if !state.registry.drop_namespace(name.as_str()).await? {
        return Err(Error::new(Code::NotFound, "there is no such namespace"));
    }
    Ok(HttpResponse::Ok().content_type(problem::TEXT).body("OK"))
}

/// `DELETE /kv/{namespace}?prefix=`: page by page, each of which is one change. What is written meanwhile may stay.
async fn delete_prefix(
    registry: &Registry,
    name: &Namespace,
    prefix: Bytes,
) -> Result<HttpResponse> {
    let Span { mut start, end } = Span::prefix(prefix);
    let mut deleted = 0;
    let mut is_first = true;
    loop {
        let (registry_of_page, name_of_page, end) = (registry.clone(), name.clone(), end.clone());
        let from = start.clone();
        let page = move || {
            let view = match is_first {
                true => list::view(&registry_of_page, &name_of_page)?,
                // Where it is dropped meanwhile, nothing is left to be deleted.
                false => registry_of_page.view(&name_of_page)?,
            };
            let page = view.entries(&from, end.as_deref(), DELETE_PAGE, registry_of_page.now())?;
            let keys = page.entries.into_iter().map(|(key, _)| key);
            Ok((keys.collect::<Vec<Key>>(), page.next))
        };
        let (keys, next) = list::blocking(page).await?;
        if !keys.is_empty() {
            let ops = keys.into_iter().map(|key| (key, Op::delete())).collect();
            let outcomes = registry.transact(name, Txn::new(Vec::new(), ops)?).await?;
            let existed = |outcome: &&Outcome| outcome.existed;
            deleted += outcomes.iter().filter(existed).count();
        }
        let Some(next) = next else { break };
        (start, is_first) = (next, false);
    }
    Ok(list::json(json!({"deleted": deleted}).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_all_optional() {
        for body in ["", " \n", "{}", r#"{"ttl":null,"max_keys":null}"#] {
            assert_eq!(
                parse(body.as_bytes()).unwrap(),
                Settings::default(),
                "{body}"
            );
        }
        let body =
            br#" {"ttl":"1h","max_value_bytes":0,"max_keys":2,"max_bytes":18446744073709551615} "#;
        let settings = Settings {
            ttl_ms: Some(3_600_000),
            max_value_bytes: Some(0),
            max_keys: Some(2),
            max_bytes: Some(u64::MAX),
        };
        assert_eq!(parse(body).unwrap(), settings);
        assert_eq!(parse(br#"{"ttl":90}"#).unwrap().ttl_ms, Some(90_000));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, name) in [
            (r#"{"tll":1}"#, "tll"),
            (r#"{"ttl":"1h","ttl":"2h"}"#, "ttl"),
            (r#"{"ttl":0}"#, "ttl"),
            (r#"{"ttl":1.5}"#, "ttl"),
            (r#"{"ttl":-1}"#, "ttl"),
            (r#"{"ttl":"keep"}"#, "ttl"),
            (r#"{"ttl":true}"#, "ttl"),
            (r#"{"max_keys":-1}"#, "max_keys"),
            (r#"{"max_keys":"1"}"#, "max_keys"),
            (r#"{"max_bytes":1.0}"#, "max_bytes"),
            (r#"{"max_value_bytes":[]}"#, "max_value_bytes"),
            ("[]", "object"),
            ("null", "object"),
            ("{", "settings"),
            ("{} {}", "settings"),
        ] {
            let error = parse(body.as_bytes()).expect_err(body);
            assert!(error.message().contains(name), "{body}: {error}");
            assert_eq!(error.code(), Code::InvalidRequest);
        }
        let long = " ".repeat(SETTINGS_BYTES + 1);
        assert_eq!(parse(long.as_bytes()).unwrap_err().code(), Code::TooLarge);
    }

    #[test]
    fn a_time_is_told_so_that_it_can_be_said_again() {
        for text in ["1ms", "1500ms", "90s", "5m", "2h", "7d"] {
            let millis = ttl_ms(&text.into()).unwrap();
            assert_eq!(ttl_text(millis), text);
        }
    }
}

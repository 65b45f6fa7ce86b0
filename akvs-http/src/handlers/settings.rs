//! The settings of a namespace: `GET /settings/{namespace}` returns them, `PUT /kv/{namespace}` replaces all of them, and
//! `PATCH /kv/{namespace}` changes those that it names (JSON merge patch, RFC 7396).

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::http::{Method, StatusCode};
use akvs_api::strict::present;
use akvs_api::{NamespaceSettings, StoredSettings, ttl};
use akvs_core::{
    Code, Error, Namespace, Result, Settings, SettingsPatch, format_duration_in_one_unit,
};
use serde::Deserialize;
use serde_json::Value;

use super::list;
use crate::auth::Scope;
use crate::context::Context;
use crate::request::body::Limits;
use crate::request::json;

/// The maximum length of a body with settings.
const SETTINGS_BYTES: usize = 64 << 10;

/// The members of a body. Their values are parsed one by one, because `null` removes a setting.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Members {
    #[serde(deserialize_with = "present")]
    ttl: Option<Value>,
    #[serde(deserialize_with = "present")]
    max_value_bytes: Option<Value>,
    #[serde(deserialize_with = "present")]
    max_keys: Option<Value>,
    #[serde(deserialize_with = "present")]
    max_bytes: Option<Value>,
}

/// `GET /settings/{namespace}`.
pub(crate) async fn serve(context: Context<'_, Namespace>) -> Result<HttpResponse> {
    context.authorize(context.path.as_str(), &Scope::All)?;
    context.no_query()?;
    let Context {
        state, path: name, ..
    } = context;
    let registry = state.registry.clone();
    let body = state.registry.blocking(move || {
        let snapshot = list::snapshot(&registry, &name)?;
        let settings = snapshot
            .info()
            .map(|info| info.settings)
            .unwrap_or_default();
        Ok(document(&name, &settings))
    });
    let mut response = list::document(&body.await?);
    let no_cache = actix_web::http::header::HeaderValue::from_static("no-cache");
    response.headers_mut().insert(CACHE_CONTROL, no_cache);
    Ok(response)
}

/// `PUT /kv/{namespace}` and `PATCH /kv/{namespace}`.
pub(crate) async fn change(mut context: Context<'_, Namespace>) -> Result<HttpResponse> {
    context.authorize(context.path.as_str(), &Scope::All)?;
    context.no_query()?;
    let (body, is_renewed) = context.receive().await?;
    if is_renewed {
        context.authorize(context.path.as_str(), &Scope::All)?;
    }
    let Context {
        request,
        state,
        path: name,
        ..
    } = context;
    let named = parse(&body)?;
    check(&named, &state.value_limits)?;
    let patch = match *request.method() {
        Method::PATCH => named,
        // Settings that the body does not name are reset.
        _ => named.apply(Settings::default()).into(),
    };
    let (existed, settings) = state.registry.change_settings(&name, patch).await?;
    let mut response = list::document(&document(&name, &settings));
    if !existed {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}

/// Rejects a limit above that of the server, which would have no effect.
fn check(patch: &SettingsPatch, limits: &Limits) -> Result<()> {
    let max = limits.max_bytes();
    let Some(Some(bytes)) = patch.max_value_bytes else {
        return Ok(());
    };
    if bytes <= max as u64 {
        return Ok(());
    }
    let text = format!(
        "invalid max_value_bytes \"{bytes}\": expected at most {max} (limits.max_value_bytes)"
    );
    let error = invalid(&text).with("field", "max_value_bytes");
    Err(error
        .with("limit", max)
        .with("setting", "limits.max_value_bytes"))
}

fn document(name: &Namespace, settings: &Settings) -> NamespaceSettings {
    NamespaceSettings {
        name: name.as_str().to_owned(),
        settings: to_json(settings),
    }
}

/// Returns the document of the settings.
pub(super) fn to_json(settings: &Settings) -> StoredSettings {
    let ttl = settings.ttl_ms.map(Duration::from_millis);
    StoredSettings {
        max_bytes: settings.max_bytes,
        max_keys: settings.max_keys,
        max_value_bytes: settings.max_value_bytes,
        ttl: ttl.map(format_duration_in_one_unit),
    }
}

/// Parses settings; an empty body names none.
fn parse(body: &[u8]) -> Result<SettingsPatch> {
    if body.len() > SETTINGS_BYTES {
        let text = format!("the settings are too long: expected at most {SETTINGS_BYTES} bytes");
        return Err(Error::new(Code::TooLarge, text).with("limit", SETTINGS_BYTES));
    }
    let members = if body.trim_ascii().is_empty() {
        Members::default()
    } else {
        json::parse(body)?
    };
    Ok(SettingsPatch {
        ttl_ms: member(members.ttl.as_ref(), ttl_ms)?,
        max_value_bytes: number("max_value_bytes", members.max_value_bytes.as_ref())?,
        max_keys: number("max_keys", members.max_keys.as_ref())?,
        max_bytes: number("max_bytes", members.max_bytes.as_ref())?,
    })
}

/// Parses a member that may be missing, or `null`.
fn member<T>(
    value: Option<&Value>,
    read: impl FnOnce(&Value) -> Result<T>,
) -> Result<Option<Option<T>>> {
    match value {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(value) => read(value).map(|read| Some(Some(read))),
    }
}

fn ttl_ms(value: &Value) -> Result<u64> {
    let millis = match value {
        Value::String(text) => ttl::parse_millis(text),
        Value::Number(seconds) => ttl::parse_millis(&seconds.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    millis.ok_or_else(|| {
        let text = format!("invalid ttl {value}: expected {}", ttl::EXPECTED);
        invalid(&text).with("field", "ttl")
    })
}

fn number(name: &str, value: Option<&Value>) -> Result<Option<Option<u64>>> {
    member(value, |value| {
        value.as_u64().ok_or_else(|| {
            let text = format!("invalid {name} {value}: expected a whole number of at least 0");
            invalid(&text).with("field", name)
        })
    })
}

fn invalid(text: &str) -> Error {
    Error::new(Code::InvalidRequest, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> SettingsPatch {
        parse(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    #[test]
    fn settings_are_all_optional_and_null_is_not_missing() {
        for body in ["", " \n", "{}"] {
            assert_eq!(parsed(body), SettingsPatch::default(), "{body}");
        }
        let removed = SettingsPatch {
            ttl_ms: Some(None),
            max_keys: Some(None),
            ..SettingsPatch::default()
        };
        assert_eq!(parsed(r#"{"ttl":null,"max_keys":null}"#), removed);
        let body =
            r#" {"ttl":"1h","max_value_bytes":0,"max_keys":2,"max_bytes":18446744073709551615} "#;
        let settings = Settings {
            ttl_ms: Some(3_600_000),
            max_value_bytes: Some(0),
            max_keys: Some(2),
            max_bytes: Some(u64::MAX),
        };
        assert_eq!(parsed(body), settings.into());
        assert_eq!(parsed(r#"{"ttl":90}"#).ttl_ms, Some(Some(90_000)));
    }

    #[test]
    fn an_invalid_member_is_named() {
        for (body, name) in [
            (r#"{"tll":1}"#, "tll"),
            (r#"{"ttl":"1h","ttl":"2h"}"#, "ttl"),
            (r#"{"ttl":"1h","ttl":null}"#, "ttl"),
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
            ("{", "JSON"),
            ("{} {}", "JSON"),
        ] {
            let error = parse(body.as_bytes()).expect_err(body);
            assert!(error.message().contains(name), "{body}: {error}");
            assert_eq!(error.code(), Code::InvalidRequest);
        }
        let long = " ".repeat(SETTINGS_BYTES + 1);
        assert_eq!(parse(long.as_bytes()).unwrap_err().code(), Code::TooLarge);
    }

    #[test]
    fn a_formatted_ttl_is_parsed_back() {
        for text in ["1ms", "1500ms", "90s", "5m", "2h", "7d"] {
            let millis = ttl_ms(&text.into()).unwrap();
            assert_eq!(
                format_duration_in_one_unit(Duration::from_millis(millis)),
                text
            );
        }
    }
}

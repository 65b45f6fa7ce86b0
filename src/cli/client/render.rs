//! What is stored, as it is shown: bytes as they are, or a JSON document with the names of the contract.

use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use akvs_client::{Client, Entry, Error, Item, Namespace, Revision};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::cli::time;
use crate::error::CliError;
use crate::escape;

/// A key as it was typed.
pub(super) fn key(typed: &std::ffi::OsStr) -> &[u8] {
    typed.as_bytes()
}

/// A namespace that was typed.
pub(super) fn namespace(client: &Client, name: &str) -> Result<Namespace, CliError> {
    client.namespace(name).map_err(|error| failed(&error))
}

/// A time to live that was typed.
pub(super) fn ttl(text: &str) -> Result<Duration, String> {
    time::duration(text)
}

/// A revision that was typed.
pub(super) fn revision(text: &str) -> Result<Revision, String> {
    let number = text.trim_matches('"').parse::<u64>();
    let number = number.map_err(|_| "a revision is a number".to_owned())?;
    Ok(Revision::new(number))
}

/// What went wrong, with what is behind it.
pub(super) fn failed(error: &Error) -> CliError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    match is_unreachable(error) {
        true => CliError::unreachable(text),
        false => CliError::failed(text),
    }
}

/// Whether the server was not reached, gave no whole answer, or takes no requests.
fn is_unreachable(error: &Error) -> bool {
    if let Error::UnknownOutcome { source, .. } = error {
        return is_unreachable(source);
    }
    matches!(error, Error::Transport { .. })
        || matches!(error, Error::Api(problem) if problem.status() == 503)
}

/// A key for a line: as it is where it can be printed.
pub(super) fn text(key: &[u8]) -> String {
    escape::line(key)
}

/// `"name": text`, or `"name64"` where the bytes are none.
pub(super) fn bytes(document: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => document.insert(name.into(), text.into()),
        Err(_) => {
            let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            document.insert(format!("{name}64"), text.into())
        }
    };
}

/// An item as the contract lists it.
pub(super) fn item(item: &Item) -> Map<String, Value> {
    let known = json!({
        "revision": item.revision.get(),
        "size": item.size,
        "content_type": item.content_type,
        "content_encoding": item.content_encoding,
        "modified": time(item.modified),
        "expires": time(item.expires),
    });
    document(&item.key, known, item.value.as_deref())
}

/// A value that was read, likewise.
pub(super) fn entry(key: &[u8], entry: &Entry<Bytes>) -> Map<String, Value> {
    let known = json!({
        "revision": entry.revision.map(Revision::get),
        "size": entry.value.len(),
        "content_type": entry.content_type,
        "content_encoding": entry.content_encoding,
        "modified": time(entry.modified),
        "expires": time(entry.expires),
    });
    document(key, known, Some(&entry.value))
}

/// A key, what is known of it, and its value where that is told.
fn document(key: &[u8], known: Value, value: Option<&[u8]>) -> Map<String, Value> {
    let mut document = Map::new();
    bytes(&mut document, "key", key);
    if let Value::Object(known) = known {
        document.extend(known.into_iter().filter(|(_, value)| !value.is_null()));
    }
    if let Some(value) = value {
        bytes(&mut document, "value", value);
    }
    document
}

/// RFC 3339 with milliseconds.
pub(super) fn time(time: Option<SystemTime>) -> Value {
    time.map_or(Value::Null, |time| {
        humantime::format_rfc3339_millis(time).to_string().into()
    })
}

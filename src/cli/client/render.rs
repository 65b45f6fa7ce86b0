//! Stored data as output: raw bytes, or JSON documents with the members of the HTTP contract.

use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, SystemTime};

use akvs_api::base64url;
use akvs_client::{Client, Entry, Error, Item, Namespace, Revision};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::cli::time;
use crate::error::CliError;
use crate::escape;

/// Returns the bytes of a key argument.
pub(super) fn key(typed: &std::ffi::OsStr) -> &[u8] {
    typed.as_bytes()
}

/// Returns the namespace of an argument.
pub(super) fn namespace(client: &Client, name: &str) -> Result<Namespace, CliError> {
    client.namespace(name).map_err(|error| failed(&error))
}

/// Parses a time to live.
pub(super) fn ttl(text: &str) -> Result<Duration, String> {
    time::duration(text)
}

/// Parses a revision.
pub(super) fn revision(text: &str) -> Result<Revision, String> {
    let number = text.trim_matches('"').parse::<u64>();
    let number = number.map_err(|_| "expected a number".to_owned())?;
    Ok(Revision::new(number))
}

/// Converts an error of the client, with its sources.
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
    if is_unreachable(error) {
        CliError::unreachable(text)
    } else {
        CliError::failed(text)
    }
}

/// Returns true if the server was not reached, sent an incomplete answer, or accepts no requests.
fn is_unreachable(error: &Error) -> bool {
    if let Error::UnknownOutcome { source, .. } = error {
        return is_unreachable(source);
    }
    matches!(error, Error::Transport { .. })
        || matches!(error, Error::Api(problem) if problem.status() == 503)
}

/// Formats a key for a line, escaped where it is not printable.
pub(super) fn text(key: &[u8]) -> String {
    escape::line(key)
}

/// Adds `"name": text`, or `"name64"` if the bytes are not UTF-8.
pub(super) fn bytes(document: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => document.insert(name.into(), text.into()),
        Err(_) => {
            let text = base64url::encode(bytes);
            document.insert(format!("{name}64"), text.into())
        }
    };
}

/// Returns an item as the contract lists it.
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

/// Returns an entry as the contract lists it.
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

/// Returns a key with its metadata, and its value if there is one.
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

/// Formats a time as RFC 3339 with milliseconds.
pub(super) fn time(time: Option<SystemTime>) -> Value {
    time.map_or(Value::Null, |time| {
        humantime::format_rfc3339_millis(time).to_string().into()
    })
}

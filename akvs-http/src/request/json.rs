//! JSON bodies, parsed strictly: an unknown or repeated member, or a value of another type, is an error that names the
//! member by its path, such as `ops[3].ttl`.
//!
//! [`akvs_api`] defines the documents; the handlers give their members a meaning.

use std::borrow::Cow;
use std::fmt::Display;

use akvs_api::json::ParseError;
use akvs_api::strict::List;
use akvs_api::text::{self, PairError};
use akvs_core::{Code, Error, Key, Result};
use bytes::Bytes;
use serde::de::DeserializeOwned;

/// Parses a whole body as an object.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    akvs_api::json::parse(body).map_err(|error| match error {
        ParseError::Invalid { path, reason } => invalid(&path, reason),
        ParseError::NoObject { reason } => {
            Error::new(Code::InvalidRequest, format!("the body: {reason}"))
        }
        ParseError::Malformed { .. } => Error::new(Code::InvalidRequest, error.to_string()),
    })
}

/// Returns the error of a member.
pub(crate) fn invalid(field: &str, reason: impl Display) -> Error {
    Error::new(Code::InvalidRequest, format!("{field}: {reason}")).with("field", field)
}

/// Returns the error of a member that must be present.
pub(crate) fn missing(field: &str) -> Error {
    invalid(field, "missing member")
}

/// Adds the path of a member to an error.
pub(crate) fn in_field(error: &Error, field: &str) -> Error {
    let text = format!("{field}: {}", error.message());
    let named = Error::new(error.code(), text).with("field", field);
    let context = error.context().iter();
    context.fold(named, |error, (name, value)| {
        error.with(name, value.clone())
    })
}

/// Returns the path of a member of an object; that of the whole document is empty.
pub(crate) fn path(object: &str, member: &str) -> String {
    if object.is_empty() {
        return member.to_owned();
    }
    format!("{object}.{member}")
}

/// Returns the bytes of a pair of members, such as `key` and `key64`, of the object with this path.
pub(crate) fn bytes(
    object: &str,
    name: &str,
    plain: Option<impl Into<Cow<'static, str>>>,
    base64: Option<impl AsRef<str>>,
) -> Result<Bytes> {
    let field = path(object, name);
    match text::read_pair(plain, base64) {
        Ok(Some(bytes)) => Ok(bytes.into()),
        Ok(None) => {
            let reason = format!("missing member: expected {name} or {name}64");
            Err(invalid(&field, reason))
        }
        Err(PairError::Both) => {
            let reason = format!("both {name} and {name}64: expected one of them");
            Err(invalid(&format!("{field}64"), reason))
        }
        Err(error @ PairError::Malformed(_)) => Err(invalid(&format!("{field}64"), error)),
    }
}

/// Returns the key of the members `key` and `key64` of the object with this path.
pub(crate) fn key(
    object: &str,
    plain: Option<impl Into<Cow<'static, str>>>,
    base64: Option<impl AsRef<str>>,
) -> Result<Key> {
    let field = path(object, if plain.is_some() { "key" } else { "key64" });
    let key = Key::new(bytes(object, "key", plain, base64)?);
    key.map_err(|error| in_field(&error, &field))
}

/// Returns the elements of a list, unless they are too many.
pub(crate) fn elements<T>(list: List<T>, name: &str) -> Result<Vec<T>> {
    list.into_vec().map_err(|count| {
        let max = List::<T>::MAX;
        let text = format!("too many {name}: {count}; expected at most {max}");
        Error::new(Code::TooLarge, text)
            .with("field", name)
            .with("limit", max)
    })
}

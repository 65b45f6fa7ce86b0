//! JSON bodies, read strictly: what is not known, stands there twice or is of another type is refused, and named by
//! its path, such as `ops[3].ttl`.
//!
//! It does not know what the members mean; which there are is for [`akvs_api`].

use std::borrow::Cow;
use std::fmt::Display;

use akvs_api::strict::{List, Object};
use akvs_api::text::{self, PairError};
use akvs_core::{Code, Error, Key, Result};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

/// An error does not give back more of the body than this.
const ERROR_BYTES: usize = 400;

/// Reads a whole body, an object.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut reader);
    let Object(object) = read.map_err(|error| {
        let text = error.inner().to_string();
        match place(error.path(), &text) {
            Some(place) => invalid(&place, short(&text)),
            None => malformed(&text),
        }
    })?;
    reader
        .end()
        .map_err(|error| malformed(&error.to_string()))?;
    Ok(object)
}

fn malformed(text: &str) -> Error {
    Error::new(Code::InvalidRequest, format!("the body: {}", short(text)))
}

/// Returns the place of an error, such as `ops[3].ttl`; none for one of the whole body.
fn place(path: &Path, text: &str) -> Option<String> {
    let mut place = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => place.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => add_member(&mut place, key),
            // The name of the member is what cannot be read.
            Segment::Unknown => {}
        }
    }
    // The path of these ends at the object.
    let repeated = text.strip_prefix("duplicate field `");
    let unknown = text.strip_prefix("unknown field `");
    let name = repeated.and_then(|rest| rest.split_once('`'));
    if let Some((name, _)) = name.or(unknown.and_then(|rest| rest.rsplit_once("`, expected "))) {
        add_member(&mut place, name);
    }
    (!place.is_empty()).then(|| short(&place))
}

fn add_member(place: &mut String, name: &str) {
    if !place.is_empty() {
        place.push('.');
    }
    place.push_str(name);
}

/// What is wrong with a member.
pub(crate) fn invalid(field: &str, why: impl Display) -> Error {
    Error::new(Code::InvalidRequest, format!("{field}: {why}")).with("field", field)
}

/// The same error, said of a member.
pub(crate) fn of_field(error: &Error, field: &str) -> Error {
    let text = format!("{field}: {}", error.message());
    let named = Error::new(error.code(), text).with("field", field);
    let context = error.context().iter();
    context.fold(named, |error, (name, value)| {
        error.with(name, value.clone())
    })
}

/// The bytes of a member that is text, or of its twin in base64url.
pub(crate) fn bytes(
    place: &str,
    name: &str,
    plain: Option<impl Into<Cow<'static, str>>>,
    base64: Option<impl AsRef<str>>,
) -> Result<Bytes> {
    match text::read_pair(plain, base64) {
        Ok(Some(bytes)) => Ok(bytes.into()),
        Ok(None) => {
            let text = format!("missing, and so is {name}64");
            Err(invalid(&format!("{place}.{name}"), text))
        }
        Err(PairError::Both) => {
            let text = format!("{name} stands there too");
            Err(invalid(&format!("{place}.{name}64"), text))
        }
        Err(error @ PairError::Malformed(_)) => Err(invalid(&format!("{place}.{name}64"), error)),
    }
}

/// The key that a member names, or its twin in base64url.
pub(crate) fn key(
    place: &str,
    plain: Option<impl Into<Cow<'static, str>>>,
    base64: Option<impl AsRef<str>>,
) -> Result<Key> {
    let field = match &plain {
        Some(_) => format!("{place}.key"),
        None => format!("{place}.key64"),
    };
    let key = Key::new(bytes(place, "key", plain, base64)?);
    key.map_err(|error| of_field(&error, &field))
}

/// Returns the elements of a list, unless they are too many.
pub(crate) fn elements<T>(list: List<T>, name: &str) -> Result<Vec<T>> {
    list.into_vec().map_err(|count| {
        let most = List::<T>::MAX;
        let text = format!("there are {count} {name}, the most is {most}");
        Error::new(Code::TooLarge, text)
            .with("field", name)
            .with("limit", most)
    })
}

/// The text, unless it is so long that it must be of what was sent; then its beginning and its end.
fn short(text: &str) -> String {
    if text.len() <= ERROR_BYTES {
        return text.to_owned();
    }
    let (begin, end) = (ERROR_BYTES / 2, text.len() - ERROR_BYTES / 2);
    let (begin, end) = (
        text.floor_char_boundary(begin),
        text.ceil_char_boundary(end),
    );
    format!("{}…{}", &text[..begin], &text[end..])
}

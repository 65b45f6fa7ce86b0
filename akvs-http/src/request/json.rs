//! JSON bodies, read strictly: what is not known, stands there twice or is of another type is refused, and named by
//! its path, such as `ops[3].ttl`. A list that is too long is counted, not kept.
//!
//! It does not know what the members mean. The place of an error is carried in its text until the body's end is
//! known: what begins with a dot or a bracket is a place, and each level puts its own before it.

use std::fmt::{self, Display};
use std::marker::PhantomData;

use akvs_core::{Code, Error, Key, Result, Txn};
use bytes::Bytes;
use serde::de::{
    self, Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess,
};

use crate::request::path;

/// The most elements of a list.
const MAX_ELEMENTS: usize = Txn::MAX_OPS;
/// An error does not give back more of the body than this.
const ERROR_BYTES: usize = 300;

/// Reads a whole body.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        match text.strip_prefix('.') {
            Some(text) => match text.split_once(": ") {
                Some((field, why)) => invalid(field, why),
                None => Error::new(Code::InvalidRequest, text),
            },
            None => Error::new(Code::InvalidRequest, format!("the body: {}", short(&text))),
        }
    })
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
    plain: Option<String>,
    base64: Option<String>,
) -> Result<Bytes> {
    match (plain, base64) {
        (Some(text), None) => Ok(text.into()),
        (None, Some(text)) => {
            let bytes = path::decode_base64(text.as_bytes());
            bytes.map(Bytes::from).map_err(|error| {
                let text = format!("not base64url without padding: {error}");
                invalid(&format!("{place}.{name}64"), text)
            })
        }
        (Some(_), Some(_)) => {
            let text = format!("{name} stands there too");
            Err(invalid(&format!("{place}.{name}64"), text))
        }
        (None, None) => {
            let text = format!("missing, and so is {name}64");
            Err(invalid(&format!("{place}.{name}"), text))
        }
    }
}

/// The key that a member names, or its twin in base64url.
pub(crate) fn key(place: &str, plain: Option<String>, base64: Option<String>) -> Result<Key> {
    let field = match &plain {
        Some(_) => format!("{place}.key"),
        None => format!("{place}.key64"),
    };
    let key = Key::new(bytes(place, "key", plain, base64)?);
    key.map_err(|error| of_field(&error, &field))
}

/// A list; of one that is too long only the beginning is kept.
#[derive(Debug)]
pub(crate) struct List<T> {
    elements: Vec<T>,
    count: usize,
}

impl<T> List<T> {
    /// The elements, if they are not too many.
    pub(crate) fn whole(self, name: &str) -> Result<Vec<T>> {
        let List { elements, count } = self;
        if count > MAX_ELEMENTS {
            let text = format!("there are {count} {name}, the most is {MAX_ELEMENTS}");
            return Err(Error::new(Code::TooLarge, text)
                .with("field", name)
                .with("limit", MAX_ELEMENTS));
        }
        Ok(elements)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<List<T>, D::Error> {
        from.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
        let (mut elements, mut count) = (Vec::new(), 0);
        loop {
            let next = match elements.len() < MAX_ELEMENTS {
                true => list
                    .next_element()
                    .map_err(|error| within(&format!("[{count}]"), &error))?
                    .map(|element| elements.push(element)),
                false => list.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if next.is_none() {
                return Ok(List { elements, count });
            }
            count += 1;
        }
    }
}

/// An object with these members, each of which may be missing but not `null`.
macro_rules! object {
    ($(#[$doc:meta])* struct $object:ident { $($member:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        struct $object {
            $($member: Option<$kind>,)*
        }

        impl<'de> serde::Deserialize<'de> for $object {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_map($crate::request::json::ObjectVisitor::new())
            }
        }

        impl $crate::request::json::Object for $object {
            fn read<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                name: &str,
                map: &mut A,
            ) -> Result<(), A::Error> {
                match name {
                    $(stringify!($member) => $crate::request::json::member(&mut self.$member, name, map),)*
                    _ => Err($crate::request::json::unknown(name, &[$(stringify!($member)),*])),
                }
            }
        }
    };
}

pub(crate) use object;

/// What [`object!`] makes.
pub(crate) trait Object: Default {
    /// Reads the member of this name.
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Reads an object.
pub(crate) struct ObjectVisitor<T>(PhantomData<T>);

impl<T> ObjectVisitor<T> {
    pub(crate) fn new() -> ObjectVisitor<T> {
        ObjectVisitor(PhantomData)
    }
}

impl<'de, T: Object> de::Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut object = T::default();
        while let Some(name) = map.next_key::<String>()? {
            object.read(&name, &mut map)?;
        }
        Ok(object)
    }
}

/// Reads a member's value.
pub(crate) fn member<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    name: &str,
    map: &mut A,
) -> Result<(), A::Error> {
    let place = format!(".{name}");
    if slot.is_some() {
        return Err(within(&place, &"stands there twice"));
    }
    let value = map.next_value().map_err(|error| within(&place, &error))?;
    *slot = Some(value);
    Ok(())
}

/// What is said of a member that nobody knows.
pub(crate) fn unknown<E: de::Error>(name: &str, members: &[&str]) -> E {
    let text = format!("not known; there are {}", members.join(", "));
    within(&format!(".{}", short(name)), &text)
}

/// Puts a place before what is wrong there.
fn within<E: de::Error>(place: &str, error: &impl Display) -> E {
    let text = error.to_string();
    let is_place = text.starts_with(['.', '[']);
    E::custom(format!(
        "{place}{}{}",
        if is_place { "" } else { ": " },
        short(&text)
    ))
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

//! Strict reading of JSON: unknown and repeated members, `null`, and arrays in place of objects are errors, and a list
//! that is too long is counted instead of kept.
//!
//! The derived readers are lenient with unknown members, as clients must be; a server reads the same documents through
//! [`Object`]. Repeated members are refused by the derived readers. The functions are for their `deserialize_with`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use akvs_core::Txn;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IgnoredAny, IntoDeserializer,
    MapAccess, SeqAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde::{Serialize, Serializer};

/// Reads a member that may be missing but not `null`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// Reads a member that is an object, and may be missing but not `null`.
pub fn object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    Object::deserialize(from).map(|Object(object)| Some(object))
}

/// Reads a member that is a list of objects, and may be missing but not `null`.
pub fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<List<T>>, D::Error> {
    let List { elements, count } = List::deserialize(from)?;
    let elements = elements.into_iter().map(|Object(object)| object).collect();
    Ok(Some(List { elements, count }))
}

/// An object without unknown members. The derived reader alone would take it from an array too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Object<T>, D::Error> {
        from.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        from_map(map).map(Object)
    }
}

/// Reads an object without unknown members from the members that a visitor receives.
pub(crate) fn from_map<'de, T: Deserialize<'de>, A: MapAccess<'de>>(map: A) -> Result<T, A::Error> {
    T::deserialize(Members(map))
}

/// The members of an object, as a derived reader takes them.
struct Members<A>(A);

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Members<A> {
    type Error = A::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let map = self.0;
        visitor.visit_map(KnownMembers { map, known })
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Members whose names are known.
struct KnownMembers<A> {
    map: A,
    known: &'static [&'static str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for KnownMembers<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Some(Name(name)) = self.map.next_key()? else {
            return Ok(None);
        };
        if !self.known.contains(&&*name) {
            return Err(A::Error::unknown_field(&name, self.known));
        }
        seed.deserialize(name.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// The name of a member; a copy only if it has escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// A list of at most [`MAX`](List::MAX) elements; more are counted while they are read, and not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    elements: Vec<T>,
    count: usize,
}

impl<T> List<T> {
    /// The maximum number of elements.
    pub const MAX: usize = Txn::MAX_OPS;

    /// Returns the elements, or how many there are if they are more than [`MAX`](List::MAX).
    pub fn into_vec(self) -> Result<Vec<T>, usize> {
        if self.count > List::<T>::MAX {
            return Err(self.count);
        }
        Ok(self.elements)
    }

    /// Returns the number of elements, including those that were not kept.
    pub fn count(&self) -> usize {
        self.count
    }
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List::from(Vec::new())
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(elements: Vec<T>) -> List<T> {
        let count = elements.len();
        List { elements, count }
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.elements.serialize(to)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<List<T>, D::Error> {
        from.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < List::<T>::MAX {
            let Some(element) = list.next_element()? else {
                return Ok(List::from(elements));
            };
            elements.push(element);
        }
        let mut count = elements.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(List { elements, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default)]
    struct Body {
        #[serde(deserialize_with = "objects")]
        list: Option<List<Part>>,
        #[serde(deserialize_with = "object")]
        part: Option<Part>,
        #[serde(deserialize_with = "present")]
        number: Option<u64>,
    }

    #[derive(Debug, Default, PartialEq, Eq, serde::Deserialize)]
    #[serde(default)]
    struct Part {
        #[serde(deserialize_with = "present")]
        name: Option<String>,
    }

    #[test]
    fn only_objects_with_known_members_are_read() {
        for text in [
            "{}",
            r#"{"number":1}"#,
            r#"{"list":[{"name":"a"},{}],"part":{}}"#,
        ] {
            assert!(serde_json::from_str::<Object<Body>>(text).is_ok(), "{text}");
        }
        for text in [
            "[]",
            "null",
            "[[],{},1]",
            r#"{"more":1}"#,
            r#"{"number":null}"#,
            r#"{"number":1,"number":1}"#,
            r#"{"part":null}"#,
            r#"{"part":["a"]}"#,
            r#"{"list":{}}"#,
            r#"{"list":null}"#,
            r#"{"list":[["a"]]}"#,
            r#"{"list":[{"name":null}]}"#,
        ] {
            let body: Result<Object<Body>, _> = serde_json::from_str(text);
            assert!(body.is_err(), "{text}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_counted() {
        let text = |count| format!("[{}]", vec!["{}"; count].join(","));
        let max = List::<Part>::MAX;
        let list: List<Part> = serde_json::from_str(&text(max)).unwrap();
        assert_eq!(list.into_vec().unwrap().len(), max);
        let list: List<Part> = serde_json::from_str(&text(max + 5)).unwrap();
        assert_eq!((list.elements.len(), list.count()), (max, max + 5));
        assert_eq!(list.into_vec(), Err(max + 5));
    }
}

//! Reads of many keys: the body of `POST /get/{namespace}` and its answer.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::Item;
use crate::strict::{self, List, present};

/// The keys to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GetManyRequest {
    /// The keys, which may repeat.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub keys: Option<List<KeyName>>,
}

/// A key as an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeyMembers {
    /// The key as text.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key as base64url, in place of `key`.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub key64: Option<String>,
}

/// A key: a text, or an object. It is written as an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct KeyName(pub KeyMembers);

impl<'de> Deserialize<'de> for KeyName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<KeyName, D::Error> {
        from.deserialize_any(KeyNameVisitor)
    }
}

struct KeyNameVisitor;

impl<'de> de::Visitor<'de> for KeyNameVisitor {
    type Value = KeyName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or an object with key or key64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<KeyName, E> {
        Ok(KeyName(KeyMembers {
            key: Some(text.to_owned()),
            key64: None,
        }))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<KeyName, A::Error> {
        strict::from_map(map).map(KeyName)
    }
}

/// The entries of the keys in one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = Found))]
pub struct GetManyResponse<'a> {
    /// The revision of the snapshot.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(default)]
    pub revision: u64,
    /// The entry of each key, in the order of the request; null for a key that does not exist.
    pub items: Vec<Option<Item<'a>>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_text_or_an_object() {
        let text = r#"{"keys":["a",{"key":"b"},{"key64":"_w"}]}"#;
        let request: GetManyRequest = serde_json::from_str(text).unwrap();
        let written = r#"{"keys":[{"key":"a"},{"key":"b"},{"key64":"_w"}]}"#;
        assert_eq!(serde_json::to_string(&request).unwrap(), written);
        let keys = request.keys.unwrap().into_vec().unwrap();
        assert_eq!(keys[0].0.key.as_deref(), Some("a"));
        for wrong in [
            "[1]",
            "[null]",
            r#"[["a"]]"#,
            r#"[{"key":null}]"#,
            r#"[{"kye":"a"}]"#,
        ] {
            let text = format!(r#"{{"keys":{wrong}}}"#);
            assert!(
                serde_json::from_str::<GetManyRequest>(&text).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_missing_key_is_null() {
        let text =
            r#"{"revision":7,"items":[null,{"key":"a","revision":7,"size":0,"expires":null}]}"#;
        let response: GetManyResponse<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&response).unwrap(), text);
        assert_eq!(response.items[0], None);
    }
}

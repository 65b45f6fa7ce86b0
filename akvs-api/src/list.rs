//! Lists of keys and of namespaces.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{Item, Prefix, StoredSettings};

/// A page of the keys of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyList<'a> {
    /// The name of the namespace.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(default)]
    pub namespace: Cow<'a, str>,
    /// The revision of the namespace that the page shows.
    pub revision: u64,
    /// The entries, in the order of their keys.
    pub items: Vec<Item<'a>>,
    /// What the keys of each group begin with, if `delimiter` was given.
    #[cfg_attr(feature = "openapi", schema(required))]
    #[serde(default)]
    pub prefixes: Vec<Prefix<'a>>,
    /// Where the next page begins; null on the last page.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cursor: Option<String>,
}

/// A page of the namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceList {
    /// Where the next page begins; null on the last page.
    pub cursor: Option<String>,
    /// The namespaces, in the order of their names.
    pub namespaces: Vec<NamespaceInfo>,
}

/// A namespace in a list. A token that may not read all of its keys gets the name alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceInfo {
    /// The number of bytes of keys and values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When it was created, as RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The number of keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// The name.
    pub name: String,
    /// The revision of its last change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<StoredSettings>,
}

/// The number of keys that a request deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// The number.
    pub deleted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_keys_round_trips() {
        let text = r#"{"namespace":"shop","revision":43,"items":[{"key":"a","revision":7,"size":0,"expires":null}],"prefixes":["dir/",{"prefix64":"_w"}],"cursor":null}"#;
        let page: KeyList<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&page).unwrap(), text);
        let page: KeyList<'_> = serde_json::from_str(r#"{"revision":1,"items":[]}"#).unwrap();
        assert_eq!((page.prefixes.len(), page.cursor), (0, None));
    }

    #[test]
    fn a_page_of_namespaces_round_trips() {
        let text = r#"{"cursor":"bmFt","namespaces":[{"bytes":10,"created":"2026-11-30T15:00:00.000Z","keys":1,"name":"shop","revision":43,"settings":{"max_bytes":null,"max_keys":null,"max_value_bytes":null,"ttl":null}},{"name":"hidden"}]}"#;
        let page: NamespaceList = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&page).unwrap(), text);
        assert_eq!(page.namespaces[1].keys, None);
    }

    #[test]
    fn a_number_of_deleted_keys_round_trips() {
        let deleted: Deleted = serde_json::from_str(r#"{"deleted":3}"#).unwrap();
        assert_eq!(serde_json::to_string(&deleted).unwrap(), r#"{"deleted":3}"#);
    }
}

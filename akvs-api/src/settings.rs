//! The settings of a namespace.

use serde::{Deserialize, Serialize};

use crate::strict::present;

/// The settings that were chosen, in export lines and in the body of `PUT`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The time to live of values that are stored without one.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// The maximum length of a value in bytes.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub max_value_bytes: Option<u64>,
    /// The maximum number of keys.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub max_keys: Option<u64>,
    /// The maximum number of bytes of keys and values together.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
}

/// The settings of a namespace in answers; what was not chosen is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoredSettings {
    /// The maximum number of bytes of keys and values together.
    pub max_bytes: Option<u64>,
    /// The maximum number of keys.
    pub max_keys: Option<u64>,
    /// The maximum length of a value in bytes.
    pub max_value_bytes: Option<u64>,
    /// The time to live of values that are stored without one.
    pub ttl: Option<String>,
}

impl From<StoredSettings> for Settings {
    fn from(stored: StoredSettings) -> Settings {
        Settings {
            ttl: stored.ttl,
            max_value_bytes: stored.max_value_bytes,
            max_keys: stored.max_keys,
            max_bytes: stored.max_bytes,
        }
    }
}

/// A namespace and its settings: the answer to `GET /settings/{namespace}` and to changes of settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceSettings {
    /// The name of the namespace.
    #[serde(default)]
    pub name: String,
    /// The settings.
    pub settings: StoredSettings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_settings_round_trip() {
        let text = r#"{"ttl":"7d","max_keys":10}"#;
        let settings: Settings = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&settings).unwrap(), text);
        assert!(serde_json::from_str::<Settings>(r#"{"ttl":null}"#).is_err());
    }

    #[test]
    fn stored_settings_round_trip() {
        let text = r#"{"name":"shop","settings":{"max_bytes":null,"max_keys":10,"max_value_bytes":null,"ttl":"1h"}}"#;
        let stored: NamespaceSettings = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&stored).unwrap(), text);
        let chosen = Settings::from(stored.settings);
        assert_eq!(
            (chosen.ttl.as_deref(), chosen.max_keys),
            (Some("1h"), Some(10))
        );
    }
}

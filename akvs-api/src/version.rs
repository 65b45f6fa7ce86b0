//! The answer to `GET /version`.

use serde::{Deserialize, Serialize};

/// A server and its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The commit that it was built from.
    pub commit: Option<String>,
    /// The durability of a write that was answered: `fsync`, `interval` or `none`.
    pub durability: String,
    /// The storage engine: `disk` or `memory`.
    pub engine: String,
    /// The limits.
    #[serde(default)]
    pub limits: Limits,
    /// The release.
    pub version: String,
}

/// The maximum values that a server accepts: lengths in bytes, times in milliseconds. An older server may lack some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// The time that requests in flight may take when the server stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_timeout_ms: Option<u64>,
    /// The time that the head of a request may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_timeout_ms: Option<u64>,
    /// The memory of all bodies that are being received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body_memory_bytes: Option<u64>,
    /// The number of connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u64>,
    /// The length of a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_key_bytes: Option<u64>,
    /// The number of items of a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_list_items: Option<u64>,
    /// The length of the name of a namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_namespace_bytes: Option<u64>,
    /// The bytes of the writes that wait for a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued_bytes: Option<u64>,
    /// The number of the writes that wait for a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_queued_writes: Option<u64>,
    /// The length of a body that is not a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_request_bytes: Option<u64>,
    /// The memory of all answers that are being sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_response_memory_bytes: Option<u64>,
    /// The number of operations of a transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_txn_ops: Option<u64>,
    /// The length of a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_value_bytes: Option<u64>,
    /// The time that a body may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_timeout_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_round_trips() {
        let text = r#"{"commit":"c","durability":"fsync","engine":"disk","limits":{"max_key_bytes":1024,"max_value_bytes":16777216},"version":"0.1.0"}"#;
        let version: Version = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&version).unwrap(), text);
        let text = r#"{"durability":"none","engine":"memory","version":"0.1.0"}"#;
        let version: Version = serde_json::from_str(text).unwrap();
        assert_eq!(version.limits, Limits::default());
    }
}

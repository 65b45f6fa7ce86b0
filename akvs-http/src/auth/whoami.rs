//! The document of `/whoami`: the caller and its rights.

use std::borrow::Cow;

use akvs_api::TextOrBase64;
use akvs_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::identity::Identity;
use super::token::{Right, TokenPolicy};
use crate::response::headers;

/// The caller and its rights. Without tokens, and over the admin socket, `token` is null and everything is allowed.
#[derive(Serialize, ToSchema)]
#[schema(as = Identity)]
pub(crate) struct WhoamiDocument<'a> {
    /// The token's name.
    #[schema(required)]
    token: Option<&'a str>,
    /// Those of `read`, `write` and `admin` that the caller has; `admin` includes the others.
    rights: Vec<&'static str>,
    /// The patterns of the namespaces to which the rights apply.
    namespaces: Vec<&'a str>,
    /// The prefix of the keys to which the rights apply; empty for all keys.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    key_prefix: Option<Cow<'a, str>>,
    /// The prefix in base64url, if it is not UTF-8.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    key_prefix64: Option<Cow<'a, str>>,
    /// The time at which the token expires.
    #[schema(required)]
    expires: Option<String>,
}

impl Identity {
    /// Returns the document of `/whoami`.
    pub(crate) fn whoami(&self) -> WhoamiDocument<'_> {
        let policy = self.policy.as_deref();
        let rights = Right::ALL.into_iter();
        let held = rights.filter(|right| policy.is_none_or(|policy| policy.has(*right)));
        let (key_prefix, key_prefix64) =
            TextOrBase64::new(policy.map_or(&[], TokenPolicy::key_prefix)).into_pair();
        WhoamiDocument {
            token: policy.map(|policy| &*policy.name),
            rights: held.map(Right::as_str).collect(),
            namespaces: policy.map_or_else(|| vec!["*"], TokenPolicy::patterns),
            key_prefix,
            key_prefix64,
            expires: policy
                .and_then(|policy| policy.expires)
                .map(|time: Timestamp| headers::date_time(time)),
        }
    }
}

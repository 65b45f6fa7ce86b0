//! The document of `/whoami`: the caller and its rights.

use akvs_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::identity::Identity;
use super::token::{Right, TokenPolicy};
use crate::response::headers;
use crate::response::item::TextOrBase64;

/// The caller and its rights. Without tokens, and over the owner's socket, `token` is null and everything is allowed.
#[derive(Serialize, ToSchema)]
#[schema(as = Identity)]
pub(crate) struct WhoamiDocument<'a> {
    /// The token's name.
    #[schema(required)]
    token: Option<&'a str>,
    /// `read`, `write` and `admin`, as far as they are held; who has `admin` has all.
    rights: Vec<&'static str>,
    /// Patterns of the namespaces that the rights are for.
    namespaces: Vec<&'a str>,
    /// What the keys begin with that the rights are for; empty for all keys.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    key_prefix: Option<&'a str>,
    /// The same in base64url, where it is no UTF-8.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    key_prefix64: Option<String>,
    /// When the token ends.
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
            TextOrBase64::of(policy.map_or(&[], TokenPolicy::key_prefix)).parts();
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

//! A transaction as JSON.
//!
//! It owns the names of the members. It does not decide what is valid. Invariant: bytes that are no UTF-8 go as they are.

use serde::Serialize;

use crate::wire::json::{KeyMember, ValueMember};

/// What must hold.
#[derive(Serialize)]
pub(super) struct Check {
    #[serde(flatten)]
    pub(super) key: KeyMember,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) absent: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exists: Option<bool>,
}

/// What is to be done.
#[derive(Serialize)]
pub(super) struct Op {
    #[serde(flatten)]
    pub(super) key: KeyMember,
    #[serde(flatten)]
    pub(super) action: Action,
}

/// What is done to a key.
#[derive(Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(super) enum Action {
    Set {
        #[serde(flatten)]
        value: ValueMember,
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        content_type: Option<String>,
    },
    Delete,
    Add {
        by: i64,
    },
    Touch {
        #[serde(skip_serializing_if = "Option::is_none")]
        ttl: Option<String>,
    },
}

/// The whole.
#[derive(Serialize)]
pub(super) struct Asked<'a> {
    pub(super) checks: &'a [Check],
    pub(super) ops: &'a [Op],
}

impl Check {
    pub(super) fn of(key: &[u8]) -> Check {
        Check {
            key: KeyMember::new(key),
            revision: None,
            absent: None,
            exists: None,
        }
    }
}

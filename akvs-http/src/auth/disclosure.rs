//! What an answer may tell to a token of what is stored.
//!
//! A token with the right to write alone is told that its write was done, and nothing of what was there before. A
//! request whose outcome depends on what is there (a condition, a check, an operation on the stored value) would tell it
//! by its status, so that it needs the right to read as well. What a namespace holds as a whole is told only to a token
//! that may read all of it.

use akvs_core::{Code, Error, Result};

use super::identity::{Identity, Scope};
use super::token::Right;

impl Identity {
    /// Whether it may read something; what it may write it then may read too, since all rights of a token hold for the
    /// same namespaces and keys.
    pub(crate) fn reads(&self) -> bool {
        let policy = self.policy.as_ref();
        policy.is_none_or(|policy| policy.has(Right::Read))
    }

    /// Whether it may read a namespace as a whole, and so be told how much it holds.
    pub(crate) fn reads_all_of(&self, namespace: &str) -> bool {
        self.authorize(Right::Read, namespace, &Scope::All).is_ok()
    }

    /// The error `forbidden`, unless it may read, which this part of a request that writes needs.
    pub(crate) fn authorize_dependent(&self, part: &str) -> Result<()> {
        if self.reads() {
            return Ok(());
        }
        self.has(Right::Read).map_err(|error| {
            let text = format!("{}: {part} depends on what is stored", error.message());
            let context = error.context().iter();
            context.fold(Error::new(error.code(), text), |error, (name, value)| {
                error.with(name, value.clone())
            })
        })
    }

    /// The same error, without how much a namespace holds where that is not to be told.
    pub(crate) fn withhold(&self, error: Error, namespace: &str) -> Error {
        if error.code() != Code::QuotaExceeded || self.reads_all_of(namespace) {
            return error;
        }
        let text = "the namespace is full: its settings allow no more";
        let context = error.context().iter();
        let context = context.filter(|(name, _)| *name != "limit" && *name != "setting");
        context.fold(Error::new(error.code(), text), |error, (name, value)| {
            error.with(name, value.clone())
        })
    }
}

//! What an answer may disclose of stored data to a token.
//!
//! A token with only the right to write gets no information on what was stored before. The status of a request that
//! depends on stored data (a condition, a check, an operation on the stored value) would disclose it, so such a request
//! needs the right to read as well. The size of a namespace is disclosed only to a token that may read all of it.

use akvs_core::{Code, Error, Result};

use super::identity::{Identity, Scope};
use super::token::Right;

impl Identity {
    /// Returns whether the caller has the right to read. It then may read all that it may write, because all rights of a
    /// token hold for the same namespaces and keys.
    pub(crate) fn reads(&self) -> bool {
        let policy = self.policy.as_ref();
        policy.is_none_or(|policy| policy.has(Right::Read))
    }

    /// Returns whether the caller may read all of a namespace, and learn its size.
    pub(crate) fn reads_all_of(&self, namespace: &str) -> bool {
        self.authorize(Right::Read, namespace, &Scope::All).is_ok()
    }

    /// Returns the error `forbidden`, unless the caller has the right to read, which this part of a write needs.
    pub(crate) fn authorize_dependent(&self, part: &str) -> Result<()> {
        if self.reads() {
            return Ok(());
        }
        self.has(Right::Read).map_err(|error| {
            let text = format!("{}: {part} depends on stored data", error.message());
            let context = error.context().iter();
            context.fold(Error::new(error.code(), text), |error, (name, value)| {
                error.with(name, value.clone())
            })
        })
    }

    /// Removes the size of a namespace from an error, unless the caller may learn it.
    pub(crate) fn withhold(&self, error: Error, namespace: &str) -> Error {
        if error.code() != Code::QuotaExceeded || self.reads_all_of(namespace) {
            return error;
        }
        let text = "the namespace is full: its settings limit its size";
        let context = error.context().iter();
        let context = context.filter(|(name, _)| *name != "limit" && *name != "setting");
        context.fold(Error::new(error.code(), text), |error, (name, value)| {
            error.with(name, value.clone())
        })
    }
}

//! The result of a write.

use crate::{Entry, Revision};

/// The result of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The revision of the change; none where nothing changed.
    pub revision: Option<Revision>,
    /// Whether the key existed before.
    pub existed: bool,
    /// The entry after the operation; none where the key does not exist.
    pub entry: Option<Entry>,
}

//! What an import does with keys that are there already.

/// What is done with a key that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is set.
    Merge,
    /// It stays.
    Create,
    /// It is set, and those that are not in the file go.
    Replace,
}

//! The parameter `mode` of an import.

/// What an import does with keys that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It sets them.
    Merge,
    /// It leaves them.
    Create,
    /// It sets them, and deletes those that are not in the file.
    Replace,
}

//! The parameter `mode` of an import.

/// The mode of an import: what it does with existing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Overwrites them.
    Merge,
    /// Keeps them.
    Create,
    /// Overwrites them, and deletes keys that are not in the file.
    Replace,
}

//! The result of everything that this program does: an error is a text for the user.

/// A result whose error is a text for the user.
pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

//! The check of all rows of a database.
//!
//! The engine checks its files byte by byte; the consistency of the rows is checked here, in one snapshot. Nothing is
//! repaired. Parts that cannot be checked are listed in [`Verified::unchecked`](crate::Verified::unchecked).

pub(crate) mod rows;

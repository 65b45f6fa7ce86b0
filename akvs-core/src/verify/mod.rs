//! Reading everything back, and saying what is wrong: first every file, then every row.
//!
//! The engine checks its files, byte by byte as they are on disk; what the rows tell of each other is checked here, at one
//! snapshot. Nothing is mended. What cannot be checked is said as well: it is in [`Verified::unchecked`].

pub(crate) mod rows;

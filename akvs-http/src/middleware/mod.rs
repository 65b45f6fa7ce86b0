//! The steps around every request: the access log, and the checks that apply to every route.

pub(crate) mod access_log;
pub(crate) mod expectation;
pub(crate) mod guard;

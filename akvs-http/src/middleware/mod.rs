//! The steps around every request: metrics, the access log, and the checks that apply to every route.

pub(crate) mod access_log;
pub(crate) mod expectation;
pub(crate) mod guard;
pub(crate) mod metrics;

//! What runs around every request: metrics, the access log and checks that no handler may forget.

pub(crate) mod access_log;
pub(crate) mod expectation;
pub(crate) mod guard;
pub(crate) mod metrics;

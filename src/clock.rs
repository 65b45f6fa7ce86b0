//! The time of day, for verbs that run without a server.

use std::time::SystemTime;

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is where time comes in")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

//! The environment variables by which a service manager configures the process that it starts.
//!
//! They are meant for one process. A process whose id they do not name ignores them.

use std::env;
use std::process;
use std::time::Duration;

use super::sd_notify::Notifier;
use super::socket_activation;
use super::socket_activation::PassedSocket;
use crate::error::CliError;

/// The variables, which child processes must not inherit.
pub(crate) const VARIABLES: [&str; 6] = [
    NOTIFY_SOCKET,
    WATCHDOG_USEC,
    WATCHDOG_PID,
    LISTEN_PID,
    LISTEN_FDS,
    LISTEN_FDNAMES,
];
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
const WATCHDOG_PID: &str = "WATCHDOG_PID";
const LISTEN_PID: &str = "LISTEN_PID";
const LISTEN_FDS: &str = "LISTEN_FDS";
const LISTEN_FDNAMES: &str = "LISTEN_FDNAMES";

/// The service manager of this process. The default is none.
#[derive(Default)]
pub(crate) struct Manager {
    pub(crate) notifier: Notifier,
    /// Maximum interval of the watchdog's notifications.
    pub(crate) watchdog: Option<Duration>,
    /// The sockets that it has passed.
    pub(crate) passed: Vec<PassedSocket>,
}

impl Manager {
    /// Reads the environment. Must be called once, before other threads and other open files exist.
    pub(crate) fn from_env() -> Result<Manager, CliError> {
        let passed = match (is_meant(LISTEN_PID) == Some(true), text(LISTEN_FDS)) {
            (true, Some(count)) => {
                socket_activation::take(&count, &text(LISTEN_FDNAMES).unwrap_or_default())?
            }
            _ => Vec::new(),
        };
        Ok(Manager {
            notifier: env::var_os(NOTIFY_SOCKET).map_or_else(Notifier::default, Notifier::to),
            watchdog: watchdog(
                text(WATCHDOG_USEC).as_deref(),
                is_meant(WATCHDOG_PID).unwrap_or(true),
            ),
            passed,
        })
    }
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok()
}

/// Returns true if a variable names this process, and none if there is no such variable.
fn is_meant(name: &str) -> Option<bool> {
    let pid = text(name)?;
    Some(pid.parse() == Ok(process::id()))
}

fn watchdog(micros: Option<&str>, is_meant: bool) -> Option<Duration> {
    let micros: u64 = micros?.parse().ok()?;
    (is_meant && micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_needs_a_time_and_this_process() {
        assert_eq!(
            watchdog(Some("1500000"), true),
            Some(Duration::from_millis(1_500))
        );
        for (micros, is_meant) in [
            (None, true),
            (Some("0"), true),
            (Some("-1"), true),
            (Some("soon"), true),
            (Some("1500000"), false),
        ] {
            assert_eq!(watchdog(micros, is_meant), None, "{micros:?} {is_meant}");
        }
    }
}

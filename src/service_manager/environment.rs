//! What a service manager says to the process that it starts, by variables of the environment.
//!
//! They are meant for one process. Where they name another one, this was started by somebody else, and heeds none of
//! them.

use std::env;
use std::process;
use std::time::Duration;

use super::sd_notify::Notifier;
use super::socket_activation;
use super::socket_activation::PassedSocket;
use crate::error::CliError;

/// The variables, which no other process is to inherit.
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

/// What has started this process, and looks after it. The default is nobody.
#[derive(Default)]
pub(crate) struct Manager {
    pub(crate) notifier: Notifier,
    /// How often it wants to hear that all is well, at the latest.
    pub(crate) watchdog: Option<Duration>,
    /// What it has passed to be listened on.
    pub(crate) passed: Vec<PassedSocket>,
}

impl Manager {
    /// Whoever has started this process. To be called once, before there are other threads and other open files.
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

/// Whether a variable names this process; none where there is no such variable.
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
    fn a_watchdog_has_a_time_and_is_meant() {
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

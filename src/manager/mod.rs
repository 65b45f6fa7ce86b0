//! What the system's service manager (systemd, or another that speaks as it does) and this process tell each other.
//!
//! | module | owns |
//! | --- | --- |
//! | `environment` | what the manager has said by variables |
//! | `notifier` | what it is told: ready, stopping, all is well |
//! | `patience` | that it waits for what takes long, as long as it goes on |
//! | `watchdog` | when it is told that all is well |
//! | `passed` | the sockets that it has passed |
//! | `orphans` | what falls to a process that is itself the first of its system |

mod environment;
mod notifier;
mod orphans;
mod passed;
mod patience;
mod watchdog;

pub(crate) use environment::{Manager, VARIABLES};
pub(crate) use notifier::{Notice, Notifier};
pub(crate) use orphans::{is_first, reap};
pub(crate) use passed::{Kind, Passed};
pub(crate) use patience::while_it_goes_on;
pub(crate) use watchdog::watch;

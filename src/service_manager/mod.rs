//! What the system's service manager (systemd, or another that speaks as it does) and this process tell each other.
//!
//! | module | owns |
//! | --- | --- |
//! | `environment` | what the manager has said by variables |
//! | `sd_notify` | what it is told: ready, stopping, all is well |
//! | `extend_timeout` | that it waits for what takes long, as long as it goes on |
//! | `watchdog` | when it is told that all is well |
//! | `socket_activation` | the sockets that it has passed |
//! | `reaper` | what falls to a process that is itself the first of its system |

mod environment;
mod extend_timeout;
mod reaper;
mod sd_notify;
mod socket_activation;
mod watchdog;

pub(crate) use environment::{Manager, VARIABLES};
pub(crate) use extend_timeout::while_running;
pub(crate) use reaper::{is_init, reap};
pub(crate) use sd_notify::{Notification, Notifier};
pub(crate) use socket_activation::{Kind, PassedSocket};
pub(crate) use watchdog::watch;

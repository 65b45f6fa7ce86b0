//! The protocol between a service manager (systemd or a compatible one) and this process.
//!
//! | module | owns |
//! | --- | --- |
//! | `environment` | the variables that the manager sets |
//! | `sd_notify` | the notifications: ready, reloading, stopping, watchdog |
//! | `extend_timeout` | the extension of its timeout during long work |
//! | `watchdog` | the notifications of a healthy server |
//! | `socket_activation` | the sockets that the manager has bound |
//! | `reaper` | the duties of a process that is the first of its system |

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

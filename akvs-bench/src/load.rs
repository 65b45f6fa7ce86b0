//! The load generator: one thread, epoll, many connections.
//!
//! It owns when requests are sent and how long their answers take. A closed loop sends the next request of a connection
//! when an answer arrives, and shows the throughput. An open loop sends at fixed moments, whatever the server does, and
//! counts the latency from the moment that was intended: a server that stalls cannot hide it (no coordinated omission).

mod answer;
mod connection;
mod figures;
mod run;
mod template;

pub(crate) use self::answer::Protocol;
pub(crate) use self::figures::{Cpu, Outcome};
pub(crate) use self::run::{End, Load, Pace, run};
pub(crate) use self::template::{Filler, Template};

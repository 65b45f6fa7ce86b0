//! The threads of a server: whether the system lets it have those that it needs, before it begins to use any.
//!
//! The libraries beneath panic where they are refused a thread. So a start asks for all of them first, and says in one
//! line what is missing.

use std::sync::mpsc;
use std::time::Duration;

use actix_web::rt::{System, SystemRunner};

use crate::error::CliError;

/// What a server needs beside its workers: to accept, serve its owner, commit, read, flush and compact tables, and look
/// at its files.
const OWN_THREADS: usize = 13;
/// A thread of the runtime that may wait is kept: a later one might be refused.
const KEEP_ALIVE: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// Checks that there can be as many threads as a server of so many workers needs.
pub(crate) fn check(workers: usize) -> Result<(), CliError> {
    let needed = workers + OWN_THREADS;
    let mut threads = Vec::with_capacity(needed);
    let mut refused = None;
    for _ in 0..needed {
        let (open, gate) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("akvs-start".into());
        // Until all are there; an error says that the gate is open.
        match thread.spawn(move || _ = gate.recv()) {
            Ok(thread) => threads.push((open, thread)),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let found = threads.len();
    for (open, thread) in threads {
        drop(open);
        // It does nothing that could fail.
        let _ = thread.join();
    }
    match refused {
        None => Ok(()),
        Some(error) => Err(CliError::failed(format!(
            "the server cannot start: it needs {needed} threads and the system allows {found} more: {error}; \
             raise the limit (ulimit -u, TasksMax=, --pids-limit)"
        ))),
    }
}

/// What runs a server. Panics where the system refuses it.
pub(crate) fn runtime() -> SystemRunner {
    System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_keep_alive(KEEP_ALIVE)
            .build()
            .expect("no runtime")
    })
}

/// Starts the thread that may wait, which is kept from then on.
pub(crate) async fn start_blocking_thread() {
    // It does nothing that could fail.
    let _ = tokio::task::spawn_blocking(|| ()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_a_few_workers_can_start_here() {
        assert!(check(2).is_ok());
    }
}

//! The threads of a server or an engine: a check that the system allows as many as are needed.
//!
//! The libraries panic when the system refuses a thread. So a start creates all of them first, and reports in one line
//! if it cannot.

use std::sync::mpsc;
use std::time::Duration;

use actix_web::rt::{System, SystemRunner};

use crate::error::CliError;

/// Threads in addition to the workers: accept, control socket, committer, readers, flush, compaction, and the check of
/// files.
const OWN_THREADS: usize = 13;
/// The blocking thread of the runtime is kept: a later one might be refused.
const KEEP_ALIVE: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// Threads of an engine without a server: flush and compaction.
const ENGINE_THREADS: usize = 2;

/// Checks that a server with this number of workers can create its threads.
pub(crate) fn check(workers: usize) -> Result<(), CliError> {
    check_number(workers + OWN_THREADS, "start the server")
}

/// Checks that the threads of an engine can be created.
pub(crate) fn check_engine() -> Result<(), CliError> {
    check_number(ENGINE_THREADS, "open the data directory")
}

fn check_number(needed: usize, action: &str) -> Result<(), CliError> {
    let mut threads = Vec::with_capacity(needed);
    let mut refused = None;
    for _ in 0..needed {
        let (open, gate) = mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("akvs-start".into());
        // Until all threads exist; an error means that the gate is open.
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
        // The thread cannot fail.
        let _ = thread.join();
    }
    match refused {
        None => Ok(()),
        Some(error) => Err(CliError::failed(format!(
            "cannot {action}: it needs {needed} threads and the system allows {found}: {error}; \
             raise the limit (ulimit -u, TasksMax=, --pids-limit)"
        ))),
    }
}

/// Creates the runtime of a server. Panics if the system refuses it.
pub(crate) fn runtime() -> SystemRunner {
    System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_keep_alive(KEEP_ALIVE)
            .build()
            .expect("cannot create the async runtime")
    })
}

/// Starts the runtime's blocking thread, which is kept from then on.
pub(crate) async fn start_blocking_thread() {
    // The thread cannot fail.
    let _ = tokio::task::spawn_blocking(|| ()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_server_can_start() {
        assert!(check(2).is_ok());
    }
}

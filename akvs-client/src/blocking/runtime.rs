//! The thread that runs all calls of a client.
//!
//! It owns the thread and its end. It does not know calls. Invariant: the thread ends with the last clone, and never
//! waits for itself.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, ThreadId};

use akvs_core::{Code, Error as CoreError};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::error::{Error, Result, invalid};

/// A handle of the thread. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Runtime(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    handle: Handle,
    thread: ThreadId,
    /// The thread runs until this is dropped.
    _stop: oneshot::Sender<()>,
}

impl Runtime {
    pub(super) fn start() -> Result<Runtime> {
        let failed = |error| {
            let text = "cannot start the thread of the blocking client";
            CoreError::new(Code::Unavailable, text).because(error)
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("akvs-client".into())
            .spawn(move || {
                // The other end is only dropped.
                let _ = runtime.block_on(stopped);
            })
            .map_err(failed)?;
        Ok(Runtime(Arc::new(Inner {
            handle,
            thread: thread.thread().id(),
            _stop: stop,
        })))
    }

    /// Runs a future to its end, and returns its result.
    pub(super) fn run<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.spawn(async move {
            // The caller waits below.
            let _ = sender.send(future.await);
        })?;
        receiver.recv().map_err(panicked)
    }

    /// Starts a future that the calling thread then waits for.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        if thread::current().id() == self.0.thread {
            return Err(invalid(
                "a blocking call in a function that a blocking call runs would wait for itself",
            ));
        }
        drop(self.0.handle.spawn(future));
        Ok(())
    }
}

/// Returns the error of a call that panicked.
pub(super) fn panicked(_: mpsc::RecvError) -> Error {
    invalid("a function that was given to a blocking call panicked")
}

//! Threads for work that may wait for a disk or take long, so that threads that serve connections never do.
//!
//! It owns the threads, their number and the queue. The first thread is started with the pool, which fails if the
//! system refuses it. More are started while work waits; if the system refuses those, the pool continues with the
//! threads that it has. So no request fails for lack of a thread.
//!
//! Work starts in the order in which it was queued. Work is skipped if its caller no longer waits.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use akvs_core::{Code, Error, Result};
use tokio::sync::oneshot;

/// The maximum length of the queue; more work is rejected with `overloaded`.
const MAX_QUEUED: usize = 65_536;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that share a queue; cheap to clone. They end when the last handle is dropped.
#[derive(Clone)]
pub(crate) struct ThreadPool(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    max_threads: usize,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl ThreadPool {
    /// Starts a pool of at most this number of threads, and the first of them; fails with `storage` if the system
    /// refuses it.
    pub(crate) fn start(name: &'static str, max_threads: usize) -> Result<ThreadPool> {
        let shared = Arc::new(Shared {
            name,
            max_threads: max_threads.max(1),
            state: Mutex::default(),
            wake: Condvar::new(),
        });
        shared.state().threads = 1;
        shared.start_thread().map_err(|error| {
            let text = format!("cannot start a thread: {error}");
            Error::new(Code::Storage, text).because(error)
        })?;
        Ok(ThreadPool(Arc::new(Handle { shared })))
    }

    /// Queues work when this is called, and returns its result.
    ///
    /// Fails with `overloaded` if the queue is full, and with `storage` if the work panicked.
    pub(crate) fn run<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: FnOnce() -> Result<T> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let queued = self.spawn(move || {
            if !sender.is_closed() {
                let _ = sender.send(work());
            }
        });
        async move {
            queued?;
            let lost = |_| Error::new(Code::Storage, "a read was aborted");
            receiver.await.map_err(lost)?
        }
    }

    /// Queues work without a result.
    pub(crate) fn spawn(&self, work: impl FnOnce() + Send + 'static) -> Result<()> {
        self.0.shared.queue(Box::new(work))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        // Their callers receive an error when the jobs are dropped.
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        drop(jobs);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(self: &Arc<Shared>, job: Job) -> Result<()> {
        let mut state = self.state();
        if state.jobs.len() >= MAX_QUEUED {
            let text =
                format!("too many requests wait for a thread: at most {MAX_QUEUED} may wait");
            return Err(Error::new(Code::Overloaded, text)
                .with("limit", MAX_QUEUED)
                .with("retry_after_s", 1));
        }
        state.jobs.push_back(job);
        let grows = state.idle < state.jobs.len() && state.threads < self.max_threads;
        if grows {
            state.threads += 1;
        }
        drop(state);
        self.wake.notify_one();
        if grows && let Err(error) = self.start_thread() {
            self.state().threads -= 1;
            log::debug!(
                "thread pool {} continues with fewer threads: {error}",
                self.name
            );
        }
        Ok(())
    }

    /// Starts a thread that was counted before.
    fn start_thread(self: &Arc<Shared>) -> std::io::Result<()> {
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new().name(self.name.into());
        thread.spawn(move || shared.work()).map(drop)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            // The panic hook logs it. The caller receives an error because its sender is dropped.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.closed {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn work_runs_in_order_on_a_bounded_number_of_threads() {
        let pool = ThreadPool::start("test", 2).unwrap();
        let (started, order) = mpsc::channel();
        let gates: Vec<mpsc::Sender<()>> = (0..6)
            .map(|index| {
                let (open, gate) = mpsc::channel();
                let started = started.clone();
                let work = move || {
                    started.send(index).unwrap();
                    gate.recv().unwrap();
                };
                pool.spawn(work).unwrap();
                open
            })
            .collect();
        let mut running = vec![order.recv().unwrap(), order.recv().unwrap()];
        running.sort_unstable();
        assert_eq!(running, [0, 1]);
        assert!(order.try_recv().is_err(), "two threads, two at once");
        gates[1].send(()).unwrap();
        assert_eq!(order.recv().unwrap(), 2);
        assert!(order.try_recv().is_err());
        for gate in gates {
            // Two of them have ended or will end.
            let _ = gate.send(());
        }
        assert_eq!(pool.0.shared.state().threads, 2);
    }

    #[test]
    fn work_is_skipped_if_its_caller_no_longer_waits() {
        let pool = ThreadPool::start("test", 1).unwrap();
        let (open, gate) = mpsc::channel::<()>();
        pool.spawn(move || _ = gate.recv()).unwrap();
        let (started, found) = mpsc::channel();
        drop(pool.run(move || {
            started.send(()).unwrap();
            Ok(())
        }));
        let last = pool.run(|| Ok(()));
        open.send(()).unwrap();
        pollster::block_on(last).unwrap();
        assert!(found.recv().is_err());
    }

    #[test]
    fn a_panic_is_an_error_and_ends_no_thread() {
        let pool = ThreadPool::start("test", 1).unwrap();
        let broken = pool.run(|| -> Result<()> { panic!("on purpose") });
        assert_eq!(
            pollster::block_on(broken).unwrap_err().code(),
            Code::Storage
        );
        assert_eq!(pollster::block_on(pool.run(|| Ok(7))).unwrap(), 7);
    }

    #[test]
    fn queued_work_is_answered_when_the_pool_ends() {
        let pool = ThreadPool::start("test", 1).unwrap();
        let (open, gate) = mpsc::channel::<()>();
        pool.spawn(move || _ = gate.recv()).unwrap();
        let queued = pool.run(|| Ok(()));
        drop(pool);
        assert!(pollster::block_on(queued).is_err());
        drop(open);
    }
}

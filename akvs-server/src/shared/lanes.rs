//! The queues of writes, one for each namespace: what waits together is committed together.
//!
//! At most one group of a namespace is committed at a time, so that its commands take effect in the order in which they
//! were queued. Invariant: each request is answered exactly once, and with success only when its group is known to be
//! committed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use akvs_core::{Code, Error, Namespace, Result};

use super::backend::{Attempt, Committed, LostCommit};
use super::executor::Inner;
use crate::command::{Command, Work};
use crate::completion::{Answer, Reply, ReplyBatch};
use crate::writer::{Request, without_values};

/// The maximum size of a group.
const MAX_GROUP_REQUESTS: usize = 256;
const MAX_GROUP_BYTES: usize = 4 << 20;
/// The pause between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// The queue of a namespace.
pub(crate) struct Lane {
    name: Namespace,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<Request>,
    /// Whether a task commits what is queued.
    is_running: bool,
}

/// The requests of one group.
#[derive(Default)]
struct Group {
    commands: Vec<Command>,
    replies: Vec<Reply>,
    /// Requests that have nothing to commit.
    flushes: Vec<Reply>,
    bytes: usize,
}

impl Group {
    fn len(&self) -> usize {
        self.replies.len() + self.flushes.len()
    }
}

impl Lane {
    pub(super) fn new(name: Namespace) -> Lane {
        Lane {
            name,
            queue: Mutex::default(),
        }
    }

    pub(crate) fn name(&self) -> &Namespace {
        &self.name
    }

    /// Queues a request; returns whether a task must be started.
    fn push(&self, request: Request) -> bool {
        let mut queue = self.queue();
        queue.requests.push_back(request);
        !std::mem::replace(&mut queue.is_running, true)
    }

    /// Takes the next group; none where the queue is empty and the task ends.
    fn take(&self) -> Option<Group> {
        let mut queue = self.queue();
        if queue.requests.is_empty() {
            queue.is_running = false;
            return None;
        }
        let mut group = Group::default();
        while group.len() < MAX_GROUP_REQUESTS
            && group.bytes < MAX_GROUP_BYTES
            && let Some(Request { work, reply }) = queue.requests.pop_front()
        {
            group.bytes += work.bytes();
            let Work::Command(command) = work else {
                group.flushes.push(reply);
                continue;
            };
            let is_last = matches!(command, Command::Drop);
            group.commands.push(command);
            group.replies.push(reply);
            if is_last {
                break;
            }
        }
        Some(group)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task of a lane. A panic ends only the group in progress; the end of the executor rejects what is queued.
struct Running {
    inner: Arc<Inner>,
    lane: Arc<Lane>,
    /// The requests and bytes of the group in progress.
    taken: (usize, usize),
    is_done: bool,
}

impl Running {
    fn new(inner: &Arc<Inner>, lane: &Arc<Lane>) -> Running {
        Running {
            inner: Arc::clone(inner),
            lane: Arc::clone(lane),
            taken: (0, 0),
            is_done: false,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let (inner, lane) = (&self.inner, &self.lane);
        inner.limits.discharge(self.taken.0, self.taken.1);
        if !inner.is_ended() {
            let next = Running::new(inner, lane);
            inner.runtime().spawn(run(next));
            return;
        }
        let mut queue = lane.queue();
        let requests = std::mem::take(&mut queue.requests);
        queue.is_running = false;
        drop(queue);
        for request in requests {
            inner.limits.discharge(1, request.work.bytes());
            request.reply.send(Err(closing()));
        }
        inner.idle.notify_waiters();
    }
}

impl Inner {
    /// Queues a request; rejects it if the queue is full or the executor is stopping.
    pub(super) fn submit(self: &Arc<Inner>, lane: &Arc<Lane>, request: Request) {
        if self.is_stopping() {
            return request.reply.send(Err(closing()));
        }
        if let Err(error) = self.limits.admit(request.work.bytes()) {
            return request.reply.send(Err(error));
        }
        if lane.push(request) {
            // The guard is there before the task runs, which may never happen.
            self.runtime().spawn(run(Running::new(self, lane)));
        }
    }

    /// Commits a group: tries until it is applied, or known not to be, or the time is over.
    async fn commit(&self, name: &Namespace, commands: &[Command]) -> Result<Committed> {
        let clock = &self.resources.clock;
        let end = clock.elapsed() + self.options.timeout;
        loop {
            let error = match self.backend.group(name, commands).await {
                Attempt::Done(committed) => return Ok(committed),
                Attempt::NotApplied(error) => error,
                Attempt::Lost(lost) => match self.resolve(name, &lost, end).await {
                    Some(true) => return Ok(lost.committed),
                    Some(false) => lost.cause,
                    None => return Err(unknown(lost.cause)),
                },
            };
            let is_over = clock.elapsed() + RETRY_INTERVAL >= end;
            if error.code() != Code::Unavailable || is_over {
                return Err(error);
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Returns whether a group was applied; none where that cannot be found out in time.
    async fn resolve(&self, name: &Namespace, lost: &LostCommit, end: Duration) -> Option<bool> {
        let clock = &self.resources.clock;
        self.lost_answers.add();
        loop {
            match self.backend.resolve(name, lost).await {
                Ok(is_applied) => return Some(is_applied),
                Err(error) if error.code() == Code::Unavailable => {}
                Err(error) => {
                    log::error!("the outcome of a commit is unknown: {error}");
                    return None;
                }
            }
            if clock.elapsed() + RETRY_INTERVAL >= end {
                return None;
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
}

/// Commits what is queued, group by group.
async fn run(mut running: Running) {
    let (inner, lane) = (Arc::clone(&running.inner), Arc::clone(&running.lane));
    loop {
        // Before the requests are taken, so that a group grows while it waits.
        let permit = inner.permits.acquire().await;
        let Some(group) = lane.take() else {
            running.is_done = true;
            inner.idle.notify_waiters();
            return;
        };
        running.taken = (group.len(), group.bytes);
        let clock = &inner.resources.clock;
        let start = clock.elapsed();
        let committed = match group.commands.is_empty() {
            true => Ok(Committed {
                outputs: Vec::new(),
                revision: None,
            }),
            false => inner.commit(&lane.name, &group.commands).await,
        };
        drop(permit);
        let took = clock.elapsed().saturating_sub(start);
        let metrics = &inner.resources.metrics;
        let mut replies = ReplyBatch::default();
        match committed {
            Ok(Committed { outputs, revision }) => {
                if let Some(revision) = revision {
                    metrics.record_commit(group.replies.len(), took);
                    inner.backend.notify(&lane.name, revision);
                    inner.hint(&lane.name);
                }
                let mut outputs = outputs.into_iter();
                for reply in group.replies {
                    let output = outputs.next().unwrap_or_else(|| Err(no_output()));
                    let answer = output.map(|output| Answer::Done(without_values(output)));
                    replies.push(reply, answer);
                }
            }
            Err(error) => {
                for reply in group.replies {
                    replies.push(reply, Err(error.clone()));
                }
            }
        }
        for reply in group.flushes {
            replies.push(reply, Ok(Answer::Flushed));
        }
        inner.limits.discharge(running.taken.0, running.taken.1);
        running.taken = (0, 0);
        replies.send();
    }
}

fn closing() -> Error {
    Error::new(Code::Closing, "the server is stopping").with("retry_after_s", 1)
}

fn unknown(cause: Error) -> Error {
    let text = "the answer of the database to a commit was lost; the write may have been applied";
    Error::new(Code::OutcomeUnknown, text).because(cause)
}

/// A backend returns an output for each command; anything else is a bug.
fn no_output() -> Error {
    Error::new(
        Code::OutcomeUnknown,
        "the database gave no answer to a command",
    )
}

//! The writer of a namespace: the queue that orders its changes, and the step that evaluates what is queued.
//!
//! It has no thread: the committer runs the step of each writer that has requests. Invariant: requests are evaluated in
//! the order in which they were queued, and each is answered exactly once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use akvs_core::{CommitGroup, Error, Outcome, Representation, Result, Store, Timestamp};
use bytes::Bytes;

use crate::command::{Command, CommandOutput, Work};
use crate::completion::{Answer, Reply, ReplyBatch};

/// The maximum number of digits of a sum, with its sign.
const MAX_DIGITS: usize = 20;

pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) reply: Reply,
}

/// The requests of one commit.
pub(crate) struct CommitBatch {
    /// The time at which all of them are evaluated.
    pub(crate) now: Timestamp,
    pub(crate) budget: Budget,
    pub(crate) replies: ReplyBatch,
    /// Whether a namespace was dropped.
    pub(crate) dropped: bool,
}

/// The size that a commit may still grow by.
pub(crate) struct Budget {
    requests: usize,
    bytes: usize,
    spent_bytes: usize,
    /// Bytes of the values that must be written: more than was received if an operation appends.
    produced_bytes: usize,
}

impl Budget {
    pub(crate) fn new(requests: usize, bytes: usize) -> Budget {
        Budget {
            requests,
            bytes,
            spent_bytes: 0,
            produced_bytes: 0,
        }
    }

    /// Returns whether the commit takes no more. The last request may exceed the bytes.
    pub(crate) fn is_spent(&self) -> bool {
        self.requests == 0 || self.spent_bytes.max(self.produced_bytes) >= self.bytes
    }

    fn set_produced(&mut self, bytes: usize) {
        self.produced_bytes = bytes;
    }

    pub(crate) fn spent_bytes(&self) -> usize {
        self.spent_bytes
    }

    fn spend(&mut self, bytes: usize) {
        self.requests -= 1;
        self.spent_bytes += bytes;
    }

    fn refund(&mut self, bytes: usize) {
        self.requests += 1;
        self.spent_bytes -= bytes;
    }
}

/// The writer of one namespace.
pub(crate) struct Writer {
    store: Store,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<Request>,
    /// Whether the committer knows of the requests.
    scheduled: bool,
}

impl Writer {
    pub(crate) fn new(store: Store) -> Writer {
        Writer {
            store,
            queue: Mutex::default(),
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Queues a request; returns whether the committer must be notified.
    pub(crate) fn push(&self, request: Request) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.requests.push_back(request);
        !std::mem::replace(&mut queue.scheduled, true)
    }

    /// Evaluates queued requests as far as the budget allows; returns whether some are left.
    pub(crate) fn apply_queued(
        &self,
        group: &mut CommitGroup<'_>,
        batch: &mut CommitBatch,
    ) -> bool {
        let (requests, is_unfinished) = self.take_queued(&mut batch.budget);
        let mut requests = requests.into_iter();
        while let Some(request) = requests.next() {
            let result = self.apply(group, batch, request.work);
            batch.replies.push(request.reply, result);
            batch.budget.set_produced(group.produced_bytes());
            if batch.budget.is_spent() && requests.len() > 0 {
                let was_scheduled = self.put_back(requests, &mut batch.budget);
                return is_unfinished || !was_scheduled;
            }
        }
        is_unfinished
    }

    /// Puts requests back at the front of the queue, because those before them used the budget up; returns whether the
    /// committer was notified of new requests meanwhile.
    fn put_back(
        &self,
        requests: impl DoubleEndedIterator<Item = Request>,
        budget: &mut Budget,
    ) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        for request in requests.rev() {
            budget.refund(request.work.bytes());
            queue.requests.push_front(request);
        }
        std::mem::replace(&mut queue.scheduled, true)
    }

    fn apply(
        &self,
        group: &mut CommitGroup<'_>,
        batch: &mut CommitBatch,
        work: Work,
    ) -> Result<Answer> {
        let Work::Command(command) = work else {
            return Ok(Answer::Flushed);
        };
        let is_dropped = self.store.is_dropped() || batch.dropped && group.is_dropped(&self.store);
        if is_dropped && !matches!(command, Command::Drop) {
            return Ok(Answer::Dropped(Box::new(command)));
        }
        let output = match command {
            Command::Apply(key, op) => {
                let outcome = group.apply(&self.store, &key, op, batch.now)?;
                CommandOutput::One(outcome)
            }
            Command::Transact(txn) => {
                let outcomes = group.transact(&self.store, txn, batch.now)?;
                CommandOutput::Many(outcomes)
            }
            Command::Configure(patch) => {
                let changed = group.change_settings(&self.store, &patch, batch.now)?;
                CommandOutput::Configured(changed.0, changed.1)
            }
            Command::Drop => {
                let existed = group.drop_namespace(&self.store)?;
                batch.dropped |= existed;
                CommandOutput::Existed(existed)
            }
        };
        Ok(Answer::Done(without_values(output)))
    }

    /// Takes requests from the queue; returns whether some are left.
    fn take_queued(&self, budget: &mut Budget) -> (Vec<Request>, bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::with_capacity(queue.requests.len().min(budget.requests));
        while let Some(request) = queue.requests.front() {
            // A namespace must be committed before it can be dropped.
            let waits = matches!(request.work, Work::Command(Command::Drop)) && !taken.is_empty();
            if budget.is_spent() || waits {
                return (taken, true);
            }
            budget.spend(request.work.bytes());
            taken.extend(queue.requests.pop_front());
        }
        queue.scheduled = false;
        (taken, false)
    }

    /// Answers all queued requests with this error; returns the bytes of each.
    pub(crate) fn reject_all(&self, error: &Error) -> Vec<usize> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = std::mem::take(&mut queue.requests);
        queue.scheduled = false;
        drop(queue);
        let mut bytes = Vec::with_capacity(requests.len());
        for request in requests {
            bytes.push(request.work.bytes());
            request.reply.send(Err(error.clone()));
        }
        bytes
    }
}

/// Returns the output for the caller: without values, except numbers in their own memory, so that a reply that waits for
/// its commit holds no value.
pub(crate) fn without_values(mut output: CommandOutput) -> CommandOutput {
    match &mut output {
        CommandOutput::One(outcome) => remove_value(outcome),
        CommandOutput::Many(outcomes) => outcomes.iter_mut().for_each(remove_value),
        CommandOutput::Configured(..) | CommandOutput::Existed(_) => {}
    }
    output
}

fn remove_value(outcome: &mut Outcome) {
    if let Some(entry) = &mut outcome.entry {
        entry.value = match entry.value.len() {
            0..=MAX_DIGITS => Bytes::copy_from_slice(&entry.value),
            _ => Bytes::new(),
        };
        entry.representation = Representation::default();
    }
}

/// A writer with queued requests.
pub(crate) type ReadyWriter = Arc<Writer>;

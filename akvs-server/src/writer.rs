//! A namespace's one writer: the queue that gives its changes their order, and the step that judges what is queued.
//!
//! It has no thread: the committer runs the step of each writer that has something queued. Invariant: requests are
//! judged in the order in which they were queued, and each is answered exactly once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use akvs_core::{
    CommitGroup, Error, Key, Op, Outcome, Representation, Result, SettingsPatch, Store, Timestamp,
    Txn,
};
use bytes::Bytes;

use crate::completion::{Answer, Reply, ReplyBatch};

/// The most digits that a sum has, with its sign.
const MAX_DIGITS: usize = 20;

/// What a writer is asked to do.
pub(crate) enum Command {
    /// Apply this to this key.
    Apply(Key, Op),
    /// Apply these together.
    Transact(Txn),
    /// Change the settings of the namespace.
    Configure(SettingsPatch),
    /// Drop the namespace with all it holds.
    Drop,
    /// Nothing: the answer says that all before it has been committed.
    Flush,
}

impl Command {
    /// The memory that it holds while it waits, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Command::Apply(key, op) => key.as_bytes().len() + op.bytes() + op.condition.bytes(),
            Command::Transact(txn) => txn.bytes(),
            Command::Configure(_) | Command::Drop | Command::Flush => 0,
        }
    }
}

pub(crate) struct Request {
    pub(crate) command: Command,
    pub(crate) reply: Reply,
}

/// What is gathered for one commit.
pub(crate) struct CommitBatch {
    /// The moment at which all of it is judged.
    pub(crate) now: Timestamp,
    pub(crate) budget: Budget,
    pub(crate) replies: ReplyBatch,
    /// Whether a namespace was dropped.
    pub(crate) dropped: bool,
}

/// How much one commit may still take.
pub(crate) struct Budget {
    requests: usize,
    bytes: usize,
    spent_bytes: usize,
    /// How many bytes of values what was judged has to write: more than came in, where something is appended to.
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

    /// Once so much was taken nothing more is; the last one may go over the bytes.
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
    /// Whether the committer knows that there is something to do.
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

    /// Queues a request; whether the committer has to be told.
    pub(crate) fn push(&self, request: Request) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.requests.push_back(request);
        !std::mem::replace(&mut queue.scheduled, true)
    }

    /// Judges what is queued, as far as the budget goes; whether the committer has to come again.
    pub(crate) fn apply_queued(
        &self,
        group: &mut CommitGroup<'_>,
        batch: &mut CommitBatch,
    ) -> bool {
        let (requests, is_unfinished) = self.take_queued(&mut batch.budget);
        let mut requests = requests.into_iter();
        while let Some(request) = requests.next() {
            let result = self.apply(group, batch, request.command);
            batch.replies.push(request.reply, result);
            batch.budget.set_produced(group.produced_bytes());
            if batch.budget.is_spent() && requests.len() > 0 {
                let was_scheduled = self.put_back(requests, &mut batch.budget);
                return is_unfinished || !was_scheduled;
            }
        }
        is_unfinished
    }

    /// Puts requests back in front of those that are queued, because what was judged before them has become too much;
    /// whether the committer was told meanwhile that there is something to do.
    fn put_back(
        &self,
        requests: impl DoubleEndedIterator<Item = Request>,
        budget: &mut Budget,
    ) -> bool {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        for request in requests.rev() {
            budget.refund(request.command.bytes());
            queue.requests.push_front(request);
        }
        std::mem::replace(&mut queue.scheduled, true)
    }

    fn apply(
        &self,
        group: &mut CommitGroup<'_>,
        batch: &mut CommitBatch,
        command: Command,
    ) -> Result<Answer> {
        match command {
            Command::Apply(key, op) => {
                let applied = group.apply(&self.store, &key, op, batch.now);
                applied.map(|outcome| Answer::One(without_value(outcome)))
            }
            Command::Transact(txn) => {
                let outcomes = group.transact(&self.store, txn, batch.now)?;
                Ok(Answer::Many(
                    outcomes.into_iter().map(without_value).collect(),
                ))
            }
            Command::Configure(patch) => group
                .change_settings(&self.store, &patch, batch.now)
                .map(|(existed, settings)| Answer::Configured(existed, settings)),
            Command::Drop => {
                let existed = group.drop_namespace(&self.store)?;
                batch.dropped |= existed;
                Ok(Answer::Existed(existed))
            }
            Command::Flush => Ok(Answer::Existed(self.store.exists())),
        }
    }

    /// Takes requests off the queue; whether some are left.
    fn take_queued(&self, budget: &mut Budget) -> (Vec<Request>, bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::with_capacity(queue.requests.len().min(budget.requests));
        while let Some(request) = queue.requests.front() {
            // A namespace can only be dropped once it is committed that there is one.
            let waits = matches!(request.command, Command::Drop) && !taken.is_empty();
            if budget.is_spent() || waits {
                return (taken, true);
            }
            budget.spend(request.command.bytes());
            taken.extend(queue.requests.pop_front());
        }
        queue.scheduled = false;
        (taken, false)
    }

    /// Answers everything that is queued with this error, because nobody will judge it any more.
    pub(crate) fn reject_all(&self, error: &Error) -> Vec<usize> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = std::mem::take(&mut queue.requests);
        queue.scheduled = false;
        drop(queue);
        let mut bytes = Vec::with_capacity(requests.len());
        for request in requests {
            bytes.push(request.command.bytes());
            request.reply.send(Err(error.clone()));
        }
        bytes
    }
}

/// What is told of a change: without a value, but for a number, and in memory of its own, so that an answer that waits for
/// its commit holds no value.
fn without_value(mut outcome: Outcome) -> Outcome {
    if let Some(entry) = &mut outcome.entry {
        entry.value = match entry.value.len() {
            0..=MAX_DIGITS => Bytes::copy_from_slice(&entry.value),
            _ => Bytes::new(),
        };
        entry.representation = Representation::default();
    }
    outcome
}

/// A writer that has something queued.
pub(crate) type ReadyWriter = Arc<Writer>;

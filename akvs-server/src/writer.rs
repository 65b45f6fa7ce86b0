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
const MOST_DIGITS: usize = 20;

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
    pub(crate) work: Command,
    pub(crate) reply: Reply,
}

/// What is gathered for one commit.
pub(crate) struct CommitBatch {
    /// The moment at which all of it is judged.
    pub(crate) now: Timestamp,
    pub(crate) budget: Budget,
    pub(crate) bundle: ReplyBatch,
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

    fn see_produced(&mut self, bytes: usize) {
        self.produced_bytes = bytes;
    }

    pub(crate) fn spent_bytes(&self) -> usize {
        self.spent_bytes
    }

    fn spend(&mut self, bytes: usize) {
        self.requests -= 1;
        self.spent_bytes += bytes;
    }

    fn give_back(&mut self, bytes: usize) {
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
        round: &mut CommitBatch,
    ) -> bool {
        let (requests, again) = self.take(&mut round.budget);
        let mut requests = requests.into_iter();
        while let Some(request) = requests.next() {
            let result = self.judge_one(group, round, request.work);
            round.bundle.push(request.reply, result);
            round.budget.see_produced(group.produced_bytes());
            if round.budget.is_spent() && requests.len() > 0 {
                let told = self.put_back(requests, &mut round.budget);
                return again || !told;
            }
        }
        again
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
            budget.give_back(request.work.bytes());
            queue.requests.push_front(request);
        }
        std::mem::replace(&mut queue.scheduled, true)
    }

    fn judge_one(
        &self,
        group: &mut CommitGroup<'_>,
        round: &mut CommitBatch,
        work: Command,
    ) -> Result<Answer> {
        match work {
            Command::Apply(key, op) => {
                let applied = group.apply(&self.store, &key, op, round.now);
                applied.map(|outcome| Answer::One(told(outcome)))
            }
            Command::Transact(txn) => {
                let outcomes = group.transact(&self.store, txn, round.now)?;
                Ok(Answer::Many(outcomes.into_iter().map(told).collect()))
            }
            Command::Configure(patch) => group
                .change_settings(&self.store, &patch, round.now)
                .map(|(existed, settings)| Answer::Configured(existed, settings)),
            Command::Drop => {
                let existed = group.drop_namespace(&self.store)?;
                round.dropped |= existed;
                Ok(Answer::Existed(existed))
            }
            Command::Flush => Ok(Answer::Existed(self.store.exists())),
        }
    }

    /// Takes requests off the queue; whether some are left.
    fn take(&self, budget: &mut Budget) -> (Vec<Request>, bool) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::with_capacity(queue.requests.len().min(budget.requests));
        while let Some(request) = queue.requests.front() {
            // A namespace can only be dropped once it is committed that there is one.
            let waits = matches!(request.work, Command::Drop) && !taken.is_empty();
            if budget.is_spent() || waits {
                return (taken, true);
            }
            budget.spend(request.work.bytes());
            taken.extend(queue.requests.pop_front());
        }
        queue.scheduled = false;
        (taken, false)
    }

    /// Answers everything that is queued with this error, because nobody will judge it any more.
    pub(crate) fn refuse(&self, error: &Error) -> Vec<usize> {
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

/// What is told of a change: without a value, but for a number, and in memory of its own, so that an answer that waits for
/// its commit holds no value.
fn told(mut outcome: Outcome) -> Outcome {
    if let Some(entry) = &mut outcome.entry {
        entry.value = match entry.value.len() {
            0..=MOST_DIGITS => Bytes::copy_from_slice(&entry.value),
            _ => Bytes::new(),
        };
        entry.representation = Representation::default();
    }
    outcome
}

/// A writer that has something queued.
pub(crate) type Ready = Arc<Writer>;

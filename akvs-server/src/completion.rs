//! Delivery of answers to the threads that wait for them.
//!
//! Waking a thread costs a system call, more than the rest of a small write. So the committer wakes each thread once a
//! commit, for all of the thread's writes: the [`CompletionQueue`] of the thread receives the answers in one batch and
//! completes them on that thread. A thread without a queue is woken for each answer.
//!
//! Tasks that watch are notified the same way.
//!
//! Invariant: every message is delivered exactly once, also if the queue is dropped with messages in its mailbox.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use akvs_core::Result;
use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

use crate::command::{Command, CommandOutput};

/// The maximum number of tasks that are woken before other tasks run: ten thousand watchers must not delay the read of
/// a key.
const MAX_WAKES_PER_POLL: usize = 64;

thread_local! {
    static MAILBOX: RefCell<Weak<Mailbox>> = const { RefCell::new(Weak::new()) };
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    /// What the command did.
    Done(CommandOutput),
    /// All earlier commands are committed.
    Flushed,
    /// The command, which was not applied because the namespace was dropped.
    Dropped(Box<Command>),
}

/// The channel to a caller, and the mailbox of its thread.
pub(crate) struct Reply {
    sender: oneshot::Sender<Result<Answer>>,
    mailbox: Weak<Mailbox>,
}

impl Reply {
    /// Creates a reply that this thread awaits.
    pub(crate) fn channel() -> (Reply, oneshot::Receiver<Result<Answer>>) {
        let (sender, receiver) = oneshot::channel();
        (
            Reply {
                sender,
                mailbox: mailbox(),
            },
            receiver,
        )
    }

    /// Answers without the caller's mailbox.
    pub(crate) fn send(self, result: Result<Answer>) {
        // The caller may no longer wait.
        let _ = self.sender.send(result);
    }
}

/// Answers that are sent together.
#[derive(Default)]
pub(crate) struct ReplyBatch {
    messages: Vec<(Reply, Result<Answer>)>,
}

/// Tasks of one thread that may have to be woken.
pub(crate) trait TaskGroup: Send + Sync {
    /// Returns the wakers of the tasks that must be woken.
    fn take_wakers(self: Arc<Self>) -> Vec<Waker>;
}

/// A message to a thread.
pub(crate) enum Message {
    /// The answer to a request.
    Answer(oneshot::Sender<Result<Answer>>, Result<Answer>),
    /// Some of these tasks may have to be woken.
    Poll(Arc<dyn TaskGroup>),
}

/// Returns the mailbox of this thread, if it has a queue.
pub(crate) fn mailbox() -> Weak<Mailbox> {
    MAILBOX.with_borrow(Weak::clone)
}

impl ReplyBatch {
    /// Creates the same answer for all replies.
    pub(crate) fn from_replies(
        replies: Vec<Reply>,
        answer: impl Fn() -> Result<Answer>,
    ) -> ReplyBatch {
        let messages = replies.into_iter().map(|reply| (reply, answer()));
        ReplyBatch {
            messages: messages.collect(),
        }
    }

    pub(crate) fn push(&mut self, reply: Reply, result: Result<Answer>) {
        self.messages.push((reply, result));
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Replaces all results by the error that prevented the commit.
    pub(crate) fn fail(&mut self, error: &akvs_core::Error) {
        for (_, result) in &mut self.messages {
            *result = Err(error.clone());
        }
    }

    /// Delivers all answers, waking each thread once.
    pub(crate) fn send(self) {
        let mut deliveries: Vec<(Arc<Mailbox>, Vec<Message>)> = Vec::new();
        for (reply, result) in self.messages {
            let Some(mailbox) = reply.mailbox.upgrade() else {
                reply.send(result);
                continue;
            };
            let message = Message::Answer(reply.sender, result);
            // There are as many mailboxes as worker threads: a linear search is the fastest.
            match deliveries
                .iter_mut()
                .find(|(other, _)| Arc::ptr_eq(other, &mailbox))
            {
                Some((_, messages)) => messages.push(message),
                None => deliveries.push((mailbox, vec![message])),
            }
        }
        for (mailbox, messages) in deliveries {
            mailbox.send(messages);
        }
    }
}

pub(crate) struct Mailbox {
    /// None after the queue was dropped.
    messages: Mutex<Option<Vec<Message>>>,
    waker: AtomicWaker,
}

impl Mailbox {
    pub(crate) fn send(&self, mut messages: Vec<Message>) {
        {
            let mut waiting = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(waiting) = &mut *waiting {
                waiting.append(&mut messages);
            }
        }
        // The queue was dropped: deliver here.
        deliver(messages).into_iter().for_each(Waker::wake);
        self.waker.wake();
    }

    fn take(&self) -> Vec<Message> {
        let mut waiting = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// Sends the answers to their callers; returns the wakers of the tasks to wake.
fn deliver(messages: Vec<Message>) -> Vec<Waker> {
    let mut wakers = Vec::new();
    for message in messages {
        match message {
            Message::Answer(sender, result) => {
                let _ = sender.send(result);
            }
            Message::Poll(tasks) => wakers.append(&mut tasks.take_wakers()),
        }
    }
    wakers
}

/// The task that completes a thread's writes, with one wake-up for each commit. It must be spawned on the thread's own
/// executor, and ends when it is dropped.
///
/// ```
/// use akvs_server::CompletionQueue;
/// let queue = CompletionQueue::attach().expect("the first queue of this thread");
/// assert!(CompletionQueue::attach().is_none(), "a thread has one queue");
/// # drop(queue);
/// ```
#[must_use = "a queue that is not polled delivers nothing"]
pub struct CompletionQueue {
    mailbox: Arc<Mailbox>,
    /// Wakers of the tasks that have not been woken yet.
    wakers: VecDeque<Waker>,
}

impl CompletionQueue {
    /// Creates the queue of this thread, unless it has one.
    pub fn attach() -> Option<CompletionQueue> {
        MAILBOX.with_borrow_mut(|current| {
            if current.strong_count() > 0 {
                return None;
            }
            let mailbox = Arc::new(Mailbox {
                messages: Mutex::new(Some(Vec::new())),
                waker: AtomicWaker::new(),
            });
            *current = Arc::downgrade(&mailbox);
            Some(CompletionQueue {
                mailbox,
                wakers: VecDeque::new(),
            })
        })
    }
}

impl Future for CompletionQueue {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Registered first: a message that is sent after the mailbox was read wakes this task again.
        self.mailbox.waker.register(context.waker());
        let wakers = deliver(self.mailbox.take());
        self.wakers.extend(wakers);
        let count = self.wakers.len().min(MAX_WAKES_PER_POLL);
        self.wakers.drain(..count).for_each(Waker::wake);
        if !self.wakers.is_empty() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Drop for CompletionQueue {
    fn drop(&mut self) {
        let messages = self
            .mailbox
            .messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let wakers = deliver(messages.unwrap_or_default());
        self.wakers.drain(..).chain(wakers).for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use akvs_core::{Code, Error};

    fn failed() -> Result<Answer> {
        Err(Error::new(Code::Closing, "closing"))
    }

    #[test]
    fn a_queue_delivers_when_it_is_polled() {
        let mut queue = CompletionQueue::attach().unwrap();
        let (reply, mut receiver) = Reply::channel();
        let mut replies = ReplyBatch::default();
        replies.push(reply, failed());
        replies.send();
        assert!(receiver.try_recv().is_err(), "not yet");
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut queue).poll(&mut context).is_pending());
        assert!(receiver.try_recv().is_ok());
    }

    #[test]
    fn a_dropped_queue_delivers_all_messages() {
        let queue = CompletionQueue::attach().unwrap();
        let (reply, mut first) = Reply::channel();
        let (later, mut second) = Reply::channel();
        let mut replies = ReplyBatch::default();
        replies.push(reply, failed());
        replies.send();
        drop(queue);
        assert!(first.try_recv().is_ok());
        let mut replies = ReplyBatch::default();
        replies.push(later, failed());
        replies.send();
        assert!(second.try_recv().is_ok());
    }
}

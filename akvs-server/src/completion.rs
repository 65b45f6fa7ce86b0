//! Answers on their way back to the threads that wait for them.
//!
//! Waking a thread costs a system call, which is more than all else that a small write costs. So the committer wakes
//! each thread once a commit, however many writes of it are answered: a thread's [`CompletionQueue`] gets them all in one
//! bundle and completes them where it costs nothing. A thread without a relay is woken for each answer.
//!
//! The same way a thread learns that there is something for those of its tasks that watch.
//!
//! Invariant: every letter is delivered exactly once, also if the relay is dropped with some in its mailbox.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use akvs_core::{Outcome, Result, Settings};
use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

/// So many tasks are woken before others get their turn: ten thousand that watch must not hold up who reads one key.
const MAX_WAKES_PER_POLL: usize = 64;

thread_local! {
    static MAILBOX: RefCell<Weak<Mailbox>> = const { RefCell::new(Weak::new()) };
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    One(Outcome),
    /// Of a transaction's operations, in their order.
    Many(Vec<Outcome>),
    /// Whether there was such a namespace.
    Existed(bool),
    /// Whether there was such a namespace, and its settings now.
    Configured(bool, Settings),
}

/// Whom to answer, and by which thread's mailbox.
pub(crate) struct Reply {
    sender: oneshot::Sender<Result<Answer>>,
    mailbox: Weak<Mailbox>,
}

impl Reply {
    /// A reply to be awaited on this thread.
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

    /// Answers at once.
    pub(crate) fn send(self, result: Result<Answer>) {
        // Whoever gave up waiting does not want to know.
        let _ = self.sender.send(result);
    }
}

/// Answers that go out together.
#[derive(Default)]
pub(crate) struct ReplyBatch {
    messages: Vec<(Reply, Result<Answer>)>,
}

/// Tasks of one thread that may have something to do.
pub(crate) trait TaskGroup: Send + Sync {
    /// Finds the tasks that have something to do; returns their wakers.
    fn take_wakers(self: Arc<Self>) -> Vec<Waker>;
}

/// What a thread is told.
pub(crate) enum Message {
    /// This is answered.
    Answer(oneshot::Sender<Result<Answer>>, Result<Answer>),
    /// There is something for these.
    Poll(Arc<dyn TaskGroup>),
}

/// The mailbox of this thread, if it has a relay.
pub(crate) fn mailbox() -> Weak<Mailbox> {
    MAILBOX.with_borrow(Weak::clone)
}

impl ReplyBatch {
    /// The same answer for all of these.
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

    /// Replaces what was judged by the reason why none of it came to be.
    pub(crate) fn fail(&mut self, error: &akvs_core::Error) {
        for (_, result) in &mut self.messages {
            *result = Err(error.clone());
        }
    }

    /// Delivers all, waking each thread once.
    pub(crate) fn send(self) {
        let mut deliveries: Vec<(Arc<Mailbox>, Vec<Message>)> = Vec::new();
        for (reply, result) in self.messages {
            let Some(mailbox) = reply.mailbox.upgrade() else {
                reply.send(result);
                continue;
            };
            let message = Message::Answer(reply.sender, result);
            // There are no more mailboxes than worker threads: a search by eye is the quickest.
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
    /// None once its relay is gone.
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
        // To nobody's relay.
        deliver(messages).into_iter().for_each(Waker::wake);
        self.waker.wake();
    }

    fn take(&self) -> Vec<Message> {
        let mut waiting = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

/// Gives the answers to those who wait for them; who else is to be woken.
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

/// The task that completes a thread's writes, with one wake-up for each commit. It is to be spawned on the thread's
/// own executor, and ends when it is dropped.
///
/// ```
/// use akvs_server::CompletionQueue;
/// let relay = CompletionQueue::attach().expect("the first one of this thread");
/// assert!(CompletionQueue::attach().is_none(), "one is enough");
/// # drop(relay);
/// ```
#[must_use = "a relay that is not polled delivers nothing"]
pub struct CompletionQueue {
    mailbox: Arc<Mailbox>,
    /// Those who are still to be woken.
    wakers: VecDeque<Waker>,
}

impl CompletionQueue {
    /// A relay for this thread, unless it has one already.
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
        // Registered first: a letter that is posted after the look into the box wakes it again.
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

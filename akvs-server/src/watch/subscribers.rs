//! The watchers of a namespace on one thread: each has a subscription with its filter and its waker.
//!
//! Invariant: a watcher that finds no changes and waits is woken by the next matching change. It subscribes before it
//! reads the buffer, and a change marks the subscription before it wakes the watcher.
//!
//! If more has changed than the ring holds, the missed changes are read once for all watchers: those that match none of
//! them are not woken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use akvs_core::Revision;

use super::change_buffer::{ChangeBuffer, Since};
use super::shared_event::Filter;
use super::subscription::Subscriptions;
use crate::completion::{Mailbox, Message, TaskGroup};

/// The maximum number of missed pages that are read before other reads run.
const MAX_PAGES_PER_TURN: usize = 16;

pub(super) struct Subscribers {
    buffer: Weak<ChangeBuffer>,
    mailbox: Weak<Mailbox>,
    /// Whether it was notified and has not polled yet.
    notified: AtomicBool,
    subscriptions: Mutex<Subscriptions>,
}

/// The position of a subscription among those with the same filter.
#[derive(Clone, Copy)]
pub(super) struct SubscriptionId(usize);

/// The result of waiting.
pub(super) enum WaitOutcome {
    /// There may be matching changes after this revision; all earlier ones were sent.
    ChangesAfter(Revision),
    /// There are no matching changes up to this revision.
    NoneUntil(Revision),
}

impl Subscribers {
    pub(super) fn new(
        buffer: Weak<ChangeBuffer>,
        mailbox: Weak<Mailbox>,
        seen: Revision,
    ) -> Subscribers {
        Subscribers {
            buffer,
            mailbox,
            notified: AtomicBool::new(false),
            subscriptions: Mutex::new(Subscriptions::new(seen)),
        }
    }

    pub(super) fn belongs_to(&self, mailbox: &Weak<Mailbox>) -> bool {
        Weak::ptr_eq(&self.mailbox, mailbox)
    }

    /// Returns whether its thread has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.mailbox.strong_count() == 0 && !self.belongs_to(&Weak::new())
    }

    /// Notifies its thread, which polls; polls on this thread if that one has no queue.
    pub(super) fn notify(self: &Arc<Subscribers>) {
        // One notification is enough until it polls.
        if self.notified.swap(true, Ordering::AcqRel) {
            return;
        }
        match self.mailbox.upgrade() {
            Some(mailbox) => mailbox.send(vec![Message::Poll(Arc::clone(self) as _)]),
            None => self.poll().into_iter().for_each(Waker::wake),
        }
    }

    pub(super) fn subscribe(&self, filter: &Filter) -> SubscriptionId {
        SubscriptionId(self.subscriptions().insert(filter))
    }

    pub(super) fn unsubscribe(&self, filter: &Filter, id: SubscriptionId) {
        self.subscriptions().remove(filter, id.0);
    }

    /// Registers the waker of a watcher; returns whether there are changes for it already.
    pub(super) fn wait(&self, filter: &Filter, id: SubscriptionId, waker: &Waker) -> WaitOutcome {
        let mut subscriptions = self.subscriptions();
        let seen = subscriptions.seen;
        let Some(subscription) = subscriptions.subscription(filter, id.0) else {
            return WaitOutcome::ChangesAfter(Revision::ZERO);
        };
        match &mut subscription.waker {
            Some(previous) => previous.clone_from(waker),
            None => subscription.waker = Some(waker.clone()),
        }
        match subscription.changed_after.take() {
            Some(after) => WaitOutcome::ChangesAfter(after),
            None => WaitOutcome::NoneUntil(seen),
        }
    }

    /// Reads the new changes; returns the wakers of the watchers that they match.
    fn poll(self: &Arc<Subscribers>) -> Vec<Waker> {
        // Reset first: later changes notify it again.
        self.notified.store(false, Ordering::Release);
        let mut subscriptions = self.subscriptions();
        if let Some(buffer) = self.buffer.upgrade()
            && !subscriptions.is_catching_up
            && !subscriptions.poll(&buffer)
        {
            subscriptions.is_catching_up = true;
            let subscribers = Arc::clone(self);
            let work = Arc::clone(&buffer);
            if buffer.spawn(move || subscribers.catch_up(&work)).is_err() {
                subscriptions.skip_catch_up(&buffer);
            }
        }
        std::mem::take(&mut subscriptions.to_wake)
    }

    /// Reads missed changes page by page, until the ring has all later ones.
    fn catch_up(self: &Arc<Subscribers>, buffer: &Arc<ChangeBuffer>) {
        for _ in 0..MAX_PAGES_PER_TURN {
            let seen = self.subscriptions().seen;
            let page = buffer.read_history(seen);
            let mut subscriptions = self.subscriptions();
            match page {
                Ok(page) => {
                    for change in page.after(subscriptions.seen) {
                        subscriptions.notify_one(change.event());
                    }
                    subscriptions.seen = subscriptions.seen.max(page.until);
                    subscriptions.is_catching_up = !subscriptions.poll(buffer);
                }
                // Each watcher receives the error when it reads.
                Err(_) => subscriptions.skip_catch_up(buffer),
            }
            let is_done = !subscriptions.is_catching_up;
            drop(subscriptions);
            self.notify();
            if is_done {
                return;
            }
        }
        let (subscribers, work) = (Arc::clone(self), Arc::clone(buffer));
        if buffer.spawn(move || subscribers.catch_up(&work)).is_err() {
            self.subscriptions().skip_catch_up(buffer);
            self.notify();
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskGroup for Subscribers {
    fn take_wakers(self: Arc<Self>) -> Vec<Waker> {
        self.poll()
    }
}

impl Subscriptions {
    /// Marks the subscriptions that match new changes of the ring; returns whether the ring had all of them.
    fn poll(&mut self, buffer: &ChangeBuffer) -> bool {
        match buffer.since(self.seen) {
            Since::Changes(changes, tip) => {
                for change in changes {
                    self.notify_one(change.event());
                }
                self.seen = self.seen.max(tip);
            }
            // Before the first poll there is no position.
            Since::Trimmed(_) if self.seen > Revision::ZERO && !self.is_empty() => return false,
            Since::Trimmed(tip) | Since::Ended(tip) => {
                self.notify_all(self.seen);
                self.seen = self.seen.max(tip);
            }
        }
        true
    }

    /// Wakes all watchers, so that each reads for itself.
    fn skip_catch_up(&mut self, buffer: &ChangeBuffer) {
        self.is_catching_up = false;
        self.notify_all(self.seen);
        self.seen = self.seen.max(buffer.tip());
    }
}

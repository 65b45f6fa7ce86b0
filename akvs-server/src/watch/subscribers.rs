//! The watchers of one namespace on one thread: each has a seat, with what it wants and how to wake it.
//!
//! Invariant: a watcher that looks, finds nothing and waits is woken by the next change that it wants. It takes its
//! seat before it looks, and whoever comes by with a change marks the seat before it wakes.
//!
//! Where more has changed than the ring holds, what was missed is read once for all of them: those that want nothing
//! of it never notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use akvs_core::Revision;

use super::change_buffer::{ChangeBuffer, Since};
use super::shared_event::Filter;
use super::subscription::Subscriptions;
use crate::completion::{Mailbox, Message, TaskGroup};

/// So many pages of what was missed are read before other reads get their turn.
const MAX_PAGES_PER_TURN: usize = 16;

pub(super) struct Subscribers {
    buffer: Weak<ChangeBuffer>,
    mailbox: Weak<Mailbox>,
    /// Whether it was called and has not looked yet.
    notified: AtomicBool,
    subscriptions: Mutex<Subscriptions>,
}

/// Which seat.
#[derive(Clone, Copy)]
pub(super) struct SubscriptionId(usize);

/// What a watcher hears when it sits down to wait.
pub(super) enum WaitOutcome {
    /// There may be something for it after this revision, and nothing before that it was not told of.
    ChangesAfter(Revision),
    /// There is nothing for it up to this revision.
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

    /// Whether its thread has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.mailbox.strong_count() == 0 && !self.belongs_to(&Weak::new())
    }

    /// Lets its thread look; where it has no relay, looks here.
    pub(super) fn notify(self: &Arc<Subscribers>) {
        // Once is enough until it has looked.
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

    /// Says how to wake a watcher, and whether there is something for it already.
    pub(super) fn wait(&self, filter: &Filter, id: SubscriptionId, waker: &Waker) -> WaitOutcome {
        let mut subscriptions = self.subscriptions();
        let seen = subscriptions.seen;
        let Some(subscription) = subscriptions.subscription(filter, id.0) else {
            return WaitOutcome::ChangesAfter(Revision::ZERO);
        };
        match &mut subscription.waker {
            Some(known) => known.clone_from(waker),
            None => subscription.waker = Some(waker.clone()),
        }
        match subscription.changed_after.take() {
            Some(after) => WaitOutcome::ChangesAfter(after),
            None => WaitOutcome::NoneUntil(seen),
        }
    }

    /// Finds out what has changed; those whom it concerns, to be woken.
    fn poll(self: &Arc<Subscribers>) -> Vec<Waker> {
        // Before it looks: what comes later calls it again.
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

    /// Reads what was missed, page by page, until the ring has what follows.
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
                // Each of them finds out by itself what that means.
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
    /// Tells of what the ring has that was not told yet; whether that was all there was.
    fn poll(&mut self, buffer: &ChangeBuffer) -> bool {
        match buffer.since(self.seen) {
            Since::Changes(changes, tip) => {
                for change in changes {
                    self.notify_one(change.event());
                }
                self.seen = self.seen.max(tip);
            }
            // Before the first look there is nothing to go on from.
            Since::Behind(_) if self.seen > Revision::ZERO && !self.is_empty() => return false,
            Since::Behind(tip) | Since::Ended(tip) => {
                self.notify_all(self.seen);
                self.seen = self.seen.max(tip);
            }
        }
        true
    }

    /// Lets everybody look for themselves.
    fn skip_catch_up(&mut self, buffer: &ChangeBuffer) {
        self.is_catching_up = false;
        self.notify_all(self.seen);
        self.seen = self.seen.max(buffer.tip());
    }
}

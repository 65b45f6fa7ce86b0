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
const PAGES_IN_A_ROW: usize = 16;

pub(super) struct Subscribers {
    feed: Weak<ChangeBuffer>,
    mailbox: Weak<Mailbox>,
    /// Whether it was called and has not looked yet.
    called: AtomicBool,
    seats: Mutex<Subscriptions>,
}

/// Which seat.
#[derive(Clone, Copy)]
pub(super) struct SubscriptionId(usize);

/// What a watcher hears when it sits down to wait.
pub(super) enum WaitOutcome {
    /// There may be something for it after this revision, and nothing before that it was not told of.
    Something(Revision),
    /// There is nothing for it up to this revision.
    Nothing(Revision),
}

impl Subscribers {
    pub(super) fn new(
        feed: Weak<ChangeBuffer>,
        mailbox: Weak<Mailbox>,
        seen: Revision,
    ) -> Subscribers {
        Subscribers {
            feed,
            mailbox,
            called: AtomicBool::new(false),
            seats: Mutex::new(Subscriptions::new(seen)),
        }
    }

    pub(super) fn is_of(&self, mailbox: &Weak<Mailbox>) -> bool {
        Weak::ptr_eq(&self.mailbox, mailbox)
    }

    /// Whether its thread has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.mailbox.strong_count() == 0 && !self.is_of(&Weak::new())
    }

    /// Lets its thread look; where it has no relay, looks here.
    pub(super) fn summon(self: &Arc<Subscribers>) {
        // Once is enough until it has looked.
        if self.called.swap(true, Ordering::AcqRel) {
            return;
        }
        match self.mailbox.upgrade() {
            Some(mailbox) => mailbox.post(vec![Message::Look(Arc::clone(self) as _)]),
            None => self.look().into_iter().for_each(Waker::wake),
        }
    }

    pub(super) fn subscribe(&self, filter: &Filter) -> SubscriptionId {
        SubscriptionId(self.seats().take(filter))
    }

    pub(super) fn leave(&self, filter: &Filter, place: SubscriptionId) {
        self.seats().leave(filter, place.0);
    }

    /// Says how to wake a watcher, and whether there is something for it already.
    pub(super) fn wait(
        &self,
        filter: &Filter,
        place: SubscriptionId,
        waker: &Waker,
    ) -> WaitOutcome {
        let mut seats = self.seats();
        let seen = seats.seen;
        let Some(seat) = seats.seat(filter, place.0) else {
            return WaitOutcome::Something(Revision::ZERO);
        };
        match &mut seat.waker {
            Some(known) => known.clone_from(waker),
            None => seat.waker = Some(waker.clone()),
        }
        match seat.called.take() {
            Some(after) => WaitOutcome::Something(after),
            None => WaitOutcome::Nothing(seen),
        }
    }

    /// Finds out what has changed; those whom it concerns, to be woken.
    fn look(self: &Arc<Subscribers>) -> Vec<Waker> {
        // Before it looks: what comes later calls it again.
        self.called.store(false, Ordering::Release);
        let mut seats = self.seats();
        if let Some(feed) = self.feed.upgrade()
            && !seats.is_catching_up
            && !seats.look(&feed)
        {
            seats.is_catching_up = true;
            let audience = Arc::clone(self);
            let work = Arc::clone(&feed);
            if feed.spawn(move || audience.catch_up(&work)).is_err() {
                seats.give_up(&feed);
            }
        }
        std::mem::take(&mut seats.woken)
    }

    /// Reads what was missed, page by page, until the ring has what follows.
    fn catch_up(self: &Arc<Subscribers>, feed: &Arc<ChangeBuffer>) {
        for _ in 0..PAGES_IN_A_ROW {
            let seen = self.seats().seen;
            let page = feed.read_history(seen);
            let mut seats = self.seats();
            match page {
                Ok(page) => {
                    for notice in page.after(seats.seen) {
                        seats.tell(notice.event());
                    }
                    seats.seen = seats.seen.max(page.until);
                    seats.is_catching_up = !seats.look(feed);
                }
                // Each of them finds out by itself what that means.
                Err(_) => seats.give_up(feed),
            }
            let is_done = !seats.is_catching_up;
            drop(seats);
            self.summon();
            if is_done {
                return;
            }
        }
        let (audience, work) = (Arc::clone(self), Arc::clone(feed));
        if feed.spawn(move || audience.catch_up(&work)).is_err() {
            self.seats().give_up(feed);
            self.summon();
        }
    }

    fn seats(&self) -> MutexGuard<'_, Subscriptions> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TaskGroup for Subscribers {
    fn take_wakers(self: Arc<Self>) -> Vec<Waker> {
        self.look()
    }
}

impl Subscriptions {
    /// Tells of what the ring has that was not told yet; whether that was all there was.
    fn look(&mut self, feed: &ChangeBuffer) -> bool {
        match feed.since(self.seen) {
            Since::Changes(notices, tip) => {
                for notice in notices {
                    self.tell(notice.event());
                }
                self.seen = self.seen.max(tip);
            }
            // Before the first look there is nothing to go on from.
            Since::Behind(_) if self.seen > Revision::ZERO && !self.is_empty() => return false,
            Since::Behind(tip) | Since::Ended(tip) => {
                self.tell_all(self.seen);
                self.seen = self.seen.max(tip);
            }
        }
        true
    }

    /// Lets everybody look for themselves.
    fn give_up(&mut self, feed: &ChangeBuffer) {
        self.is_catching_up = false;
        self.tell_all(self.seen);
        self.seen = self.seen.max(feed.tip());
    }
}

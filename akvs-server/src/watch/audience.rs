//! The watchers of one namespace on one thread: each has a seat, with what it wants and how to wake it.
//!
//! Invariant: a watcher that looks, finds nothing and waits is woken by the next change that it wants. It takes its
//! seat before it looks, and whoever comes by with a change marks the seat before it wakes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use akvs_core::{Event, Key, Revision};
use slab::Slab;

use super::feed::Feed;
use super::notice::Filter;
use crate::relay::Mailbox;

pub(crate) struct Audience {
    feed: Weak<Feed>,
    mailbox: Weak<Mailbox>,
    /// Whether it was called and has not looked yet.
    called: AtomicBool,
    seats: Mutex<Seats>,
}

struct Seats {
    /// Up to this revision everybody was told of what they want.
    seen: Revision,
    /// Those who want the changes of many keys.
    broad: Slab<Seat>,
    /// Those who want the changes of one: others cost them nothing.
    keyed: HashMap<Key, Slab<Seat>>,
}

struct Seat {
    filter: Filter,
    waker: Option<Waker>,
    /// The revision after which there is something that it was not told of; none where there is nothing.
    called: Option<Revision>,
}

/// Which seat.
#[derive(Clone, Copy)]
pub(super) struct Place(usize);

/// What a watcher hears when it sits down to wait.
pub(super) enum Heard {
    /// There may be something for it after this revision, and nothing before that it was not told of.
    Something(Revision),
    /// There is nothing for it up to this revision.
    Nothing(Revision),
}

impl Audience {
    pub(super) fn new(feed: Weak<Feed>, mailbox: Weak<Mailbox>, seen: Revision) -> Audience {
        Audience {
            feed,
            mailbox,
            called: AtomicBool::new(false),
            seats: Mutex::new(Seats {
                seen,
                broad: Slab::new(),
                keyed: HashMap::new(),
            }),
        }
    }

    pub(super) fn is_of(&self, mailbox: &Weak<Mailbox>) -> bool {
        Weak::ptr_eq(&self.mailbox, mailbox)
    }

    /// Whether its thread has ended.
    pub(super) fn is_gone(&self) -> bool {
        self.mailbox.strong_count() == 0 && !self.is_of(&Weak::new())
    }

    pub(super) fn mailbox(&self) -> Option<Arc<Mailbox>> {
        self.mailbox.upgrade()
    }

    /// Notes that there is something to look at; whether it has to be told.
    pub(super) fn call(&self) -> bool {
        !self.called.swap(true, Ordering::AcqRel)
    }

    pub(super) fn take_seat(&self, filter: &Filter) -> Place {
        let seat = Seat {
            filter: filter.clone(),
            waker: None,
            called: Some(Revision::ZERO),
        };
        Place(self.seats().row(filter).insert(seat))
    }

    pub(super) fn leave(&self, filter: &Filter, place: Place) {
        let mut seats = self.seats();
        let row = seats.row(filter);
        row.try_remove(place.0);
        if let (Filter::Key(key), true) = (filter, row.is_empty()) {
            seats.keyed.remove(key);
        }
        if seats.broad.is_empty() {
            seats.broad.shrink_to_fit();
        }
    }

    /// Says how to wake a watcher, and whether there is something for it already.
    pub(super) fn wait(&self, filter: &Filter, place: Place, waker: &Waker) -> Heard {
        let mut seats = self.seats();
        let seen = seats.seen;
        let Some(seat) = seats.row(filter).get_mut(place.0) else {
            return Heard::Something(Revision::ZERO);
        };
        match &mut seat.waker {
            Some(known) => known.clone_from(waker),
            None => seat.waker = Some(waker.clone()),
        }
        match seat.called.take() {
            Some(after) => Heard::Something(after),
            None => Heard::Nothing(seen),
        }
    }

    /// Finds out what has changed; those whom it concerns, to be woken.
    pub(crate) fn look(&self) -> Vec<Waker> {
        // Before it looks: what comes later calls it again.
        self.called.store(false, Ordering::Release);
        let mut wakers = Vec::new();
        if let Some(feed) = self.feed.upgrade() {
            let mut seats = self.seats();
            let (notices, tip) = feed.since(seats.seen);
            match notices {
                Some(notices) => {
                    for notice in notices {
                        seats.tell(notice.event(), &mut wakers);
                    }
                }
                None => {
                    let seen = seats.seen;
                    seats.tell_all(seen, &mut wakers);
                }
            }
            seats.seen = seats.seen.max(tip);
        }
        wakers
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// The row where one who wants this sits.
    fn row(&mut self, filter: &Filter) -> &mut Slab<Seat> {
        match filter {
            Filter::All | Filter::Prefix(_) => &mut self.broad,
            Filter::Key(key) => self.keyed.entry(key.clone()).or_default(),
        }
    }

    fn tell(&mut self, event: &Event, wakers: &mut Vec<Waker>) {
        let before = Revision::new(event.revision.get().saturating_sub(1));
        let Some(key) = event.key() else {
            return self.tell_all(before, wakers);
        };
        for (_, seat) in &mut self.broad {
            if seat.filter.wants(event) {
                seat.tell(before, wakers);
            }
        }
        for (_, seat) in self.keyed.get_mut(key).into_iter().flatten() {
            seat.tell(before, wakers);
        }
    }

    fn tell_all(&mut self, after: Revision, wakers: &mut Vec<Waker>) {
        let keyed = self.keyed.values_mut().flatten();
        for (_, seat) in self.broad.iter_mut().chain(keyed) {
            seat.tell(after, wakers);
        }
    }
}

impl Seat {
    /// Notes that there is something for it after this revision.
    fn tell(&mut self, after: Revision, wakers: &mut Vec<Waker>) {
        // Who knows already of something earlier reads on from there.
        self.called.get_or_insert(after);
        wakers.extend(self.waker.take());
    }
}

//! One reader of a namespace's changes: from the state or the stored history, page by page, to what changes now.
//!
//! It owns the reader's position and at most a page of what comes next. Invariant: everything up to the position
//! that the reader wants has been given out or is in the page; what follows it is in the feed or in the history, or
//! the reader is told that it has missed something.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::catch_up::{Next, PAGE_LIMIT, Page, StateReader, history_page, to_watch_events};
use super::change_buffer::{ChangeBuffer, ReadResult};
use super::history::HistoryPage;
use super::host::WatchHost;
use super::large_event::ValueLoader;
use super::shared_event::{Filter, SharedEvent};
use super::subscribers::{Subscribers, SubscriptionId, WaitOutcome};
use crate::completion;
use crate::resources::Resources;
use akvs_core::{Code, Namespace, Result, Revision};
use futures_util::Stream;

/// After so many pages of which nothing was wanted, other tasks get their turn.
const MAX_PAGES_PER_TURN: usize = 4;
/// Which changes to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// Of which keys.
    pub filter: Filter,
    /// From where on.
    pub start: Start,
    /// Whether long values are looked up where the history does not have them.
    pub values: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With what changes from now on.
    #[default]
    Now,
    /// With what there is; then what changes.
    State,
    /// With what has changed after this revision.
    After(Revision),
}

/// What a reader is told.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// This is there.
    Entry(Arc<SharedEvent>),
    /// That was all there was at this revision. What has changed since follows.
    Synced(Revision),
    /// This has changed.
    Change {
        /// The change.
        change: Arc<SharedEvent>,
        /// Whether no further change of this revision follows that is wanted.
        is_last: bool,
    },
    /// Changes were missed that are not known any more: the reader has to begin anew. Nothing follows.
    Reset(Revision),
}

/// One reader of a namespace's changes: a stream that waits for the next, and ends when the server stops.
pub struct Watch {
    host: Arc<dyn WatchHost>,
    buffer: Arc<ChangeBuffer>,
    subscribers: Arc<Subscribers>,
    id: SubscriptionId,
    options: WatchOptions,
    position: Revision,
    /// The newest revision when it last looked: of all that came later its seat is told.
    polled_at: Revision,
    /// Whether there may be something in the feed after the position.
    may_have_more: bool,
    page: VecDeque<WatchEvent>,
    source: Source,
}

enum Source {
    State(StateReader),
    History,
    /// A page that a thread reads which may wait for the disk.
    Reading(Pin<Box<dyn Future<Output = Result<Page>> + Send>>),
    ChangeBuffer,
    Ended,
}

impl Watch {
    /// Begins to watch; `history_gone` where not all that changed since is known any more.
    pub(crate) async fn start(
        host: Arc<dyn WatchHost>,
        name: Namespace,
        options: WatchOptions,
    ) -> Result<Watch> {
        let buffer = host.hub().buffer(host.resources(), &name)?;
        let subscribers = buffer.thread_subscribers(&completion::mailbox());
        let id = subscribers.subscribe(&options.filter);
        host.resources().metrics.add_watchers(1);
        // It has its seat before anybody asks what the newest revision is.
        let newest = host.resources().database.revision();
        let mut watch = Watch {
            host,
            buffer,
            subscribers,
            id,
            options,
            position: newest,
            polled_at: newest,
            may_have_more: true,
            page: VecDeque::new(),
            source: Source::ChangeBuffer,
        };
        match watch.options.start {
            Start::Now => {}
            Start::State => {
                let filter = &watch.options.filter;
                let state = StateReader::new(watch.resources(), watch.buffer.name(), filter)?;
                watch.source = Source::State(state);
            }
            Start::After(revision) => {
                watch.position = revision;
                if revision > newest || !watch.buffer.reaches(revision) {
                    watch.source = Source::History;
                    // Here and not later, so that whoever asks for too much is refused.
                    watch.start_page();
                    if let Source::Reading(read) = &mut watch.source {
                        let page = read.await?;
                        watch.accept_page(page);
                    }
                }
            }
        }
        Ok(watch)
    }

    /// Everything up to this revision that is wanted was given out.
    pub fn position(&self) -> Revision {
        self.position
    }

    /// What looks up the value that a change lacks, as of this watch.
    pub fn loader(&self, change: &Arc<SharedEvent>) -> ValueLoader {
        ValueLoader {
            database: self.resources().database.clone(),
            name: self.buffer.name().clone(),
            change: Arc::clone(change),
        }
    }

    fn resources(&self) -> &Resources {
        self.host.resources()
    }

    /// Begins to read the next page of the state or the history, where that may wait for a disk.
    fn start_page(&mut self) {
        let source = std::mem::replace(&mut self.source, Source::Ended);
        self.source = Source::Reading(match source {
            Source::State(state) => {
                let (host, values) = (Arc::clone(&self.host), self.options.values);
                let reads = &self.resources().reads;
                Box::pin(reads.run(move || state.page(host.resources(), values)))
            }
            Source::History | Source::Reading(_) | Source::ChangeBuffer | Source::Ended => {
                let buffer = Arc::clone(&self.buffer);
                let (options, position) = (self.options.clone(), self.position);
                let polled_at = self.polled_at;
                Box::pin(async move {
                    let history = read_history_page(buffer, &options, position).await?;
                    Ok(history_page(&history, &options, position, polled_at))
                })
            }
        });
    }

    fn accept_page(&mut self, page: Page) {
        self.page.extend(page.events);
        if let Some(until) = page.until {
            self.position = self.position.max(until);
        }
        self.source = match page.next {
            Next::State(state) => Source::State(state),
            Next::History => Source::History,
            Next::ChangeBuffer => {
                // What has come since it was read, the seat was told of.
                self.may_have_more = false;
                Source::ChangeBuffer
            }
        };
    }

    /// Looks whether something has changed; whether there is anything to go on with.
    fn poll_buffer(&mut self, context: &mut Context<'_>) -> bool {
        let outcome = self
            .subscribers
            .wait(&self.options.filter, self.id, context.waker());
        match outcome {
            // What it has not read yet, nobody else knows.
            _ if self.may_have_more => {}
            WaitOutcome::ChangesAfter(after) => {
                self.position = self.position.max(after);
                self.may_have_more = true;
            }
            WaitOutcome::NoneUntil(until) => self.position = self.position.max(until),
        }
        if !self.may_have_more {
            return false;
        }
        match self
            .buffer
            .read(self.position, &self.options.filter, PAGE_LIMIT)
        {
            ReadResult::Changes {
                changes,
                until,
                more,
            } => {
                self.page.extend(to_watch_events(changes));
                self.position = until;
                self.may_have_more = more;
                more || !self.page.is_empty()
            }
            ReadResult::Behind => {
                // After its seat was heard: of what comes later it is told anew.
                self.polled_at = self.resources().database.revision();
                self.may_have_more = self.position < self.polled_at;
                if self.may_have_more {
                    self.source = Source::History;
                }
                self.may_have_more
            }
            ReadResult::Ended => {
                self.source = Source::Ended;
                true
            }
        }
    }

    /// The reader has missed something.
    fn reset(&mut self) -> WatchEvent {
        self.source = Source::Ended;
        WatchEvent::Reset(self.resources().database.revision())
    }
}

/// A page of what follows a position. Values are looked up only from the first change on that is wanted and lacks its
/// own: readers that want nothing of it share the page without values, wherever they are.
async fn read_history_page(
    buffer: Arc<ChangeBuffer>,
    options: &WatchOptions,
    position: Revision,
) -> Result<Arc<HistoryPage>> {
    if !options.values {
        return buffer.history(position, false).await;
    }
    if options.filter == Filter::All {
        return buffer.history(position, true).await;
    }
    let page = Arc::clone(&buffer).history(position, false).await?;
    match page.before_value(position, &options.filter) {
        Some(before) => buffer.history(before, true).await,
        None => Ok(page),
    }
}

impl Stream for Watch {
    type Item = Result<WatchEvent>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<WatchEvent>>> {
        let mut pages = 0;
        loop {
            if let Some(event) = self.page.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            let accepted = match &mut self.source {
                Source::Ended => return Poll::Ready(None),
                Source::ChangeBuffer => {
                    if !self.poll_buffer(context) {
                        return Poll::Pending;
                    }
                    continue;
                }
                Source::Reading(read) => {
                    let page = ready!(read.as_mut().poll(context));
                    page.map(|page| self.accept_page(page))
                }
                Source::State(_) | Source::History if pages >= MAX_PAGES_PER_TURN => {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Source::State(_) | Source::History => {
                    pages += 1;
                    self.start_page();
                    continue;
                }
            };
            match accepted {
                Ok(()) => {}
                Err(error) if error.code() == Code::HistoryGone => {
                    let reset = self.reset();
                    return Poll::Ready(Some(Ok(reset)));
                }
                Err(error) => {
                    self.source = Source::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.subscribers.unsubscribe(&self.options.filter, self.id);
        self.resources().metrics.add_watchers(-1);
    }
}

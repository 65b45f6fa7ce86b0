//! A watch: one reader of a namespace's changes, from the state or the stored history, page by page, to new changes.
//!
//! It owns the reader's position and at most a page of the next events. Invariant: every matching change up to the
//! position was returned or is in the page; later changes are in the buffer or in the history, or the reader receives a
//! reset.

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

/// The maximum number of pages without a matching change before other tasks run.
const MAX_PAGES_PER_TURN: usize = 4;
/// Options of a watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// The keys to watch.
    pub filter: Filter,
    /// The position to start at.
    pub start: Start,
    /// Whether values are loaded that the history does not store.
    pub values: bool,
}

/// The start of a watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// New changes only.
    #[default]
    Now,
    /// The current entries, then new changes.
    State,
    /// Changes after this revision.
    After(Revision),
}

/// An event of a watch.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// An entry of the state.
    Entry(Arc<SharedEvent>),
    /// The end of the state at this revision. Later changes follow.
    Synced(Revision),
    /// A change.
    Change {
        /// The change.
        change: Arc<SharedEvent>,
        /// Whether it is the last matching change of its revision.
        is_last: bool,
    },
    /// Changes were missed that the history no longer has: the reader must start again from the state. Nothing follows.
    Reset(Revision),
}

/// A reader of a namespace's changes: a stream that waits for the next change and ends when the server stops.
pub struct Watch {
    host: Arc<dyn WatchHost>,
    buffer: Arc<ChangeBuffer>,
    subscribers: Arc<Subscribers>,
    id: SubscriptionId,
    options: WatchOptions,
    position: Revision,
    /// The newest revision at the last poll: the subscription is notified of all later changes.
    polled_at: Revision,
    /// Whether the buffer may have changes after the position.
    may_have_more: bool,
    page: VecDeque<WatchEvent>,
    source: Source,
}

enum Source {
    State(StateReader),
    History,
    /// A page that is being read on a thread that may wait for a disk.
    Reading(Pin<Box<dyn Future<Output = Result<Page>> + Send>>),
    ChangeBuffer,
    Ended,
}

impl Watch {
    /// Starts a watch; fails with `history_gone` if the history no longer has all changes since the start.
    pub(crate) async fn start(
        host: Arc<dyn WatchHost>,
        name: Namespace,
        options: WatchOptions,
    ) -> Result<Watch> {
        let buffer = host.hub().buffer(host.resources(), &name)?;
        if let Some(started) = host.start(&buffer) {
            started.await?;
        }
        let subscribers = buffer.thread_subscribers(&completion::mailbox());
        let id = subscribers.subscribe(&options.filter);
        host.resources().metrics.add_watchers(1);
        // It subscribes before it reads the newest revision.
        let newest = host.newest(buffer.tip());
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
                let (host, buffer) = (Arc::clone(&watch.host), Arc::clone(&watch.buffer));
                let filter = watch.options.filter.clone();
                // A shared database is waited for.
                let state = watch
                    .resources()
                    .reads
                    .run(move || StateReader::new(host.resources(), buffer.name(), &filter));
                let state = state.await?;
                watch.source = Source::State(state);
            }
            Start::After(revision) => {
                watch.position = revision;
                if revision > newest || !watch.buffer.reaches(revision) {
                    watch.check_since(revision).await?;
                    watch.source = Source::History;
                    // Read here, so that the caller receives the error.
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

    /// Returns `history_gone` where not all changes after a revision are kept. The pages of other watchers do not show
    /// it: they may have been read before changes were compacted.
    async fn check_since(&self, revision: Revision) -> Result<()> {
        let resources = self.resources();
        let (snapshots, name) = (Arc::clone(&resources.snapshots), self.buffer.name().clone());
        let check = move || snapshots.namespace_snapshot(&name)?.check_since(revision);
        resources.reads.run(check).await
    }

    /// Returns the revision up to which all matching changes were returned.
    pub fn position(&self) -> Revision {
        self.position
    }

    /// Returns the loader of a value that a change lacks, as this watch sees it.
    pub fn loader(&self, change: &Arc<SharedEvent>) -> ValueLoader {
        ValueLoader {
            snapshots: Arc::clone(&self.resources().snapshots),
            name: self.buffer.name().clone(),
            change: Arc::clone(change),
        }
    }

    fn resources(&self) -> &Resources {
        self.host.resources()
    }

    /// Starts to read the next page of the state or the history on a thread that may wait for a disk.
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
                // The subscription was notified of changes since the page was read.
                self.may_have_more = false;
                Source::ChangeBuffer
            }
        };
    }

    /// Reads new changes from the buffer; returns whether there is more to do.
    fn poll_buffer(&mut self, context: &mut Context<'_>) -> bool {
        let outcome = self
            .subscribers
            .wait(&self.options.filter, self.id, context.waker());
        match outcome {
            // There are changes that it has not read yet.
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
            ReadResult::Trimmed => {
                // Read after the subscription, which is notified of later changes.
                self.polled_at = self.host.newest(self.buffer.tip());
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
            ReadResult::Reset => {
                let reset = self.reset();
                self.page.push_back(reset);
                true
            }
        }
    }

    /// Ends the watch because the reader has missed changes.
    fn reset(&mut self) -> WatchEvent {
        self.source = Source::Ended;
        WatchEvent::Reset(self.host.newest(self.buffer.tip()))
    }
}

/// Returns the page of history after a position. Values are loaded only from the first matching change on that lacks
/// its own, so that readers without a match share the page without values.
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

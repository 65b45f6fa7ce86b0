//! Many watchers cost little more than one: missed changes are read once for all of them, watchers without a match are
//! not woken, and large values are loaded one at a time.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::common::{key, server};
use akvs_core::engine::{Engine, KeyRange, PageLimit, Snapshot, Table};
use akvs_core::{Database, EventKind, MemoryEngine, Options, Result, Revision};
use akvs_server::{
    Committer, CommitterOptions, CompletionQueue, Filter, Server, SharedEvent, Start, SystemClock,
    Watch, WatchEvent, WatchOptions,
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};

/// An engine that counts its reads.
#[derive(Default)]
struct Counting {
    engine: MemoryEngine,
    reads: Arc<Reads>,
}

#[derive(Default)]
struct Reads {
    history_pages: AtomicUsize,
    data_rows: AtomicUsize,
}

struct CountingSnapshot(Box<dyn Snapshot>, Arc<Reads>);

impl Snapshot for CountingSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>> {
        if table == Table::Data {
            self.1.data_rows.fetch_add(1, Ordering::SeqCst);
        }
        self.0.get(table, key)
    }
    fn page(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        if table == Table::History {
            self.1.history_pages.fetch_add(1, Ordering::SeqCst);
        }
        self.0.page(table, range, limit)
    }
    fn page_back(
        &self,
        table: Table,
        range: &KeyRange,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        self.0.page_back(table, range, limit)
    }
}

impl Engine for Counting {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        let snapshot = self.engine.snapshot()?;
        Ok(Box::new(CountingSnapshot(
            snapshot,
            Arc::clone(&self.reads),
        )))
    }

    akvs_core::forward_engine!(engine: get, page, commit, sync, watermark, raise_watermark, stored_bytes, capabilities);
}

fn counting() -> (Committer, Arc<Reads>) {
    let engine = Counting::default();
    let reads = Arc::clone(&engine.reads);
    let options = Options {
        cache_bytes: 0,
        ..Options::default()
    };
    let database = Database::open(Arc::new(engine), options).expect("a database");
    let clock = Arc::new(SystemClock::new());
    let committer = Committer::start(database, CommitterOptions::default(), clock);
    (committer.expect("a committer"), reads)
}

fn watch(server: &Server, filter: Filter, start: Start) -> Watch {
    let options = WatchOptions {
        filter,
        start,
        values: true,
    };
    pollster::block_on(server.watch(options)).expect("a watch")
}

fn set(server: &Server, name: &str, value: impl Into<Bytes>) -> Revision {
    let outcome = pollster::block_on(server.set(key(name.to_owned()), value));
    outcome.expect("a set").revision.expect("a revision")
}

fn poll(watch: &mut Watch, waker: &Waker) -> Poll<Option<Result<WatchEvent>>> {
    pin!(watch).poll_next(&mut Context::from_waker(waker))
}

fn change_of(event: WatchEvent) -> Arc<SharedEvent> {
    match event {
        WatchEvent::Entry(change) | WatchEvent::Change { change, .. } => change,
        other @ (WatchEvent::Synced(_) | WatchEvent::Reset(_)) => panic!("{other:?}"),
    }
}

/// Counts wake-ups.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Delivers the messages of this thread until the future is ready.
fn deliver_until<T>(queue: &mut CompletionQueue, done: impl Future<Output = T>) -> T {
    let mut done = pin!(done);
    pollster::block_on(std::future::poll_fn(|context| {
        assert!(Pin::new(&mut *queue).poll(context).is_pending());
        done.as_mut().poll(context)
    }))
}

/// Resolves when a watch without matching changes has reached a revision.
async fn reaches(watch: &mut Watch, revision: Revision) {
    std::future::poll_fn(|context| {
        assert!(poll(watch, Waker::noop()).is_pending());
        if watch.position() == revision {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

const BURST: usize = 4_096;
/// The maximum number of changes in a page.
const PAGES: usize = BURST / 128;

#[test]
fn a_burst_beyond_the_ring_is_read_once_and_wakes_only_matching_watchers() {
    let (committer, reads) = counting();
    let server = server(&committer, "ns");
    set(&server, "before", "1");
    let mut queue = CompletionQueue::attach().expect("a queue");
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut others: Vec<Watch> = (0..500)
        .map(|number: usize| {
            let filter = match number % 2 {
                0 => Filter::Prefix(format!("other{number}").into()),
                _ => Filter::Key(key(format!("other{number}"))),
            };
            watch(&server, filter, Start::Now)
        })
        .collect();
    let mut wanting = watch(&server, Filter::Prefix("k".into()), Start::Now);
    // After this write the committer publishes.
    let ready = server.set(key("ready"), "1");
    deliver_until(&mut queue, ready).expect("a set");
    for watch in &mut others {
        assert!(poll(watch, &waker).is_pending());
    }
    assert!(poll(&mut wanting, Waker::noop()).is_pending());
    let before = reads.history_pages.load(Ordering::SeqCst);
    woken.0.store(0, Ordering::SeqCst);
    // The thread does not poll meanwhile.
    let mut last = Revision::ZERO;
    std::thread::scope(|scope| {
        let server = &server;
        let writer = scope.spawn(move || {
            (0..BURST).fold(Revision::ZERO, |_, number| {
                set(server, &format!("k{number}"), vec![b'x'; 200])
            })
        });
        last = writer.join().expect("a writer");
    });
    let received = async {
        let mut received = 0;
        while received < BURST {
            let step = wanting
                .next()
                .await
                .expect("not the end")
                .expect("no error");
            change_of(step);
            received += 1;
        }
    };
    deliver_until(&mut queue, received);
    assert_eq!(wanting.position(), last);
    let read = reads.history_pages.load(Ordering::SeqCst) - before;
    assert!(read <= 2 * PAGES + 4, "{read} pages for {PAGES}");
    assert_eq!(
        woken.0.load(Ordering::SeqCst),
        0,
        "watchers without a match were woken"
    );
    // They have missed nothing and reach the newest revision.
    for watch in &mut others {
        deliver_until(&mut queue, reaches(watch, last));
    }
}

#[test]
fn watchers_that_resume_at_the_same_revision_share_pages() {
    let (committer, reads) = counting();
    let server = server(&committer, "ns");
    let first = set(&server, "first", "1");
    for number in 0..BURST {
        set(&server, &format!("k{number}"), vec![b'x'; 200]);
    }
    let mut watches: Vec<Watch> = (0..100)
        .map(|_| watch(&server, Filter::All, Start::After(first)))
        .collect();
    for watch in &mut watches {
        for number in 0..BURST {
            let step = pollster::block_on(watch.next()).expect("not the end");
            let change = change_of(step.expect("no error"));
            assert_eq!(change.event().key(), Some(&key(format!("k{number}"))));
            assert!(change.event().has_value());
        }
    }
    let read = reads.history_pages.load(Ordering::SeqCst);
    assert!(read <= PAGES + 8, "{read} pages for {PAGES}");
}

#[test]
fn unwanted_values_are_not_loaded() {
    let (committer, reads) = counting();
    let server = server(&committer, "ns");
    let revisions: Vec<Revision> = (0..200)
        .map(|number| set(&server, &format!("k{number}"), vec![b'x'; 20_000]))
        .collect();
    let newest = *revisions.last().expect("a revision");
    let before = reads.data_rows.load(Ordering::SeqCst);
    let pages = reads.history_pages.load(Ordering::SeqCst);
    // Each resumes at another revision and matches no change.
    let mut queue = CompletionQueue::attach().expect("a queue");
    let _other = watch(&server, Filter::All, Start::Now);
    for (number, after) in revisions.iter().enumerate() {
        let filter = match number % 2 {
            0 => Filter::Prefix("other".into()),
            _ => Filter::Key(key("other".to_owned())),
        };
        let mut watch = watch(&server, filter, Start::After(*after));
        deliver_until(&mut queue, reaches(&mut watch, newest));
    }
    let looked_up = reads.data_rows.load(Ordering::SeqCst) - before;
    assert_eq!(looked_up, 0, "rows of values");
    let read = reads.history_pages.load(Ordering::SeqCst) - pages;
    assert!(read <= 8, "{read} pages");
    // A watch that matches one change loads the values of its page.
    let mut watch = watch(
        &server,
        Filter::Key(key("k150".to_owned())),
        Start::After(revisions[0]),
    );
    let received = deliver_until(&mut queue, watch.next());
    let received = change_of(received.expect("not the end").expect("no error"));
    assert_eq!(received.event().revision, revisions[150]);
    assert!(received.event().has_value());
    let looked_up = reads.data_rows.load(Ordering::SeqCst) - before;
    assert!((1..=30).contains(&looked_up), "{looked_up} rows of values");
}

#[test]
fn a_state_without_values_reads_none() {
    let (committer, reads) = counting();
    let server = server(&committer, "ns");
    for number in 0..20 {
        set(&server, &format!("k{number}"), vec![b'x'; 20_000]);
    }
    let options = WatchOptions {
        filter: Filter::All,
        start: Start::State,
        values: false,
    };
    let before = reads.data_rows.load(Ordering::SeqCst);
    let mut watch = pollster::block_on(server.watch(options)).expect("a watch");
    for _ in 0..20 {
        let step = pollster::block_on(watch.next());
        let change = change_of(step.expect("not the end").expect("no error"));
        let EventKind::Set { size, entry, .. } = &change.event().kind else {
            panic!("{change:?}")
        };
        assert_eq!((*size, entry.value.len()), (20_000, 0));
    }
    assert_eq!(reads.data_rows.load(Ordering::SeqCst), before);
}

#[test]
fn large_values_are_loaded_one_at_a_time_on_demand() {
    let (committer, reads) = counting();
    let server = server(&committer, "ns");
    let first = set(&server, "first", "1");
    let large = |number: u8| Bytes::from(vec![number; 1 << 20]);
    for number in 0..20 {
        set(&server, &format!("k{number}"), large(number));
    }
    for start in [Start::After(first), Start::State] {
        let mut watch = watch(&server, Filter::Prefix("k".into()), start);
        let before = reads.data_rows.load(Ordering::SeqCst);
        let steps: Vec<WatchEvent> = (0..20)
            .map(|_| {
                let step = pollster::block_on(watch.next());
                step.expect("not the end").expect("no error")
            })
            .collect();
        let mut sizes = 0;
        for step in steps {
            let change = change_of(step);
            assert!(change.lacks_value() && change.event().bytes() < 4_096);
            let event = watch.loader(&change).load().expect("a read");
            assert!(event.has_value());
            sizes += event.bytes();
        }
        assert!(sizes > 20 << 20);
        // The rows of each entry and its value.
        let read = reads.data_rows.load(Ordering::SeqCst) - before;
        assert!((40..=60).contains(&read), "{read} rows");
    }
}

#[test]
fn a_large_value_is_not_kept_for_watchers() {
    let (committer, _) = counting();
    let server = server(&committer, "ns");
    let mut watches: Vec<Watch> = (0..50)
        .map(|_| watch(&server, Filter::All, Start::Now))
        .collect();
    set(&server, "k", vec![7; 8 << 20]);
    let changes: Vec<Arc<SharedEvent>> = watches
        .iter_mut()
        .map(|watch| {
            let step = pollster::block_on(watch.next()).expect("not the end");
            change_of(step.expect("no error"))
        })
        .collect();
    for other in &changes {
        assert!(Arc::ptr_eq(&changes[0], other), "it is one change for all");
        assert!(
            Arc::ptr_eq(&changes[0].render_cell(), &other.render_cell()) || other.lacks_value()
        );
    }
    let shared: Vec<_> = changes.iter().map(|change| change.render_cell()).collect();
    assert!(shared.iter().all(|large| Arc::ptr_eq(large, &shared[0])));
    // A replaced value is sent without its value.
    set(&server, "k", "small");
    let event = watches[0].loader(&changes[0]).load().expect("a read");
    assert!(!event.has_value());
}

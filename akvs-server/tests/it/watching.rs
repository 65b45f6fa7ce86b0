//! A watch returns every matching change once and in order, wherever it starts and however slow its reader is, or
//! reports that it has missed some.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::common::{key, server};
use akvs_core::engine::PageLimit;
use akvs_core::{Code, Database, Event, EventKind, MemoryEngine, Namespace, Op, Options, Revision};
use akvs_server::{
    Committer, CommitterOptions, CompletionQueue, Filter, Server, Start, SystemClock, Watch,
    WatchEvent, WatchOptions,
};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};

const ALL: PageLimit = PageLimit {
    rows: usize::MAX,
    bytes: usize::MAX,
};

fn keeping(history_changes: u64) -> Committer {
    let options = Options {
        history_changes,
        ..Options::default()
    };
    let database = Database::open(Arc::new(MemoryEngine::new()), options).expect("a database");
    let clock = Arc::new(SystemClock::new());
    Committer::start(database, CommitterOptions::default(), clock).expect("a committer")
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

/// Returns the next event, which must come.
fn next(watch: &mut Watch) -> WatchEvent {
    let step = pollster::block_on(watch.next()).expect("not the end");
    step.expect("no error")
}

fn next_change(watch: &mut Watch) -> Event {
    match next(watch) {
        WatchEvent::Change { change, .. } => change.event().clone(),
        other @ (WatchEvent::Entry(_) | WatchEvent::Synced(_) | WatchEvent::Reset(_)) => {
            panic!("{other:?}")
        }
    }
}

fn is_waiting(watch: &mut Watch) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    pin!(watch).poll_next(&mut context).is_pending()
}

/// Asserts that the history after a revision is gone.
fn assert_history_gone(server: &Server, revision: Revision) {
    let options = WatchOptions {
        start: Start::After(revision),
        ..WatchOptions::default()
    };
    let refused = pollster::block_on(server.watch(options)).map(drop);
    let code = refused.map_err(|error| error.code());
    assert_eq!(code, Err(Code::HistoryGone));
}

/// Returns all changes of the history.
fn history(committer: &Committer, name: &str) -> Vec<Event> {
    let name = Namespace::new(name).expect("a name");
    let snapshot = committer
        .database()
        .namespace_snapshot(&name)
        .expect("a snapshot");
    let changes = snapshot
        .changes(Revision::ZERO, ALL, true)
        .expect("changes");
    changes.events
}

#[test]
fn a_watch_starts_with_new_changes() {
    let committer = crate::common::memory();
    let server = server(&committer, "ns");
    set(&server, "before", "1");
    let mut watch = watch(&server, Filter::All, Start::Now);
    assert!(is_waiting(&mut watch));
    let revision = set(&server, "after", "2");
    let event = next_change(&mut watch);
    assert_eq!((event.revision, event.is_last), (revision, true));
    assert_eq!(event.key(), Some(&key("after")));
    assert!(is_waiting(&mut watch));
    assert_eq!(watch.position(), revision);
}

#[test]
fn a_namespace_is_watched_before_it_exists_and_after_its_drop() {
    let committer = crate::common::memory();
    let server = server(&committer, "ns");
    let mut watch = watch(&server, Filter::All, Start::State);
    assert!(matches!(
        next(&mut watch),
        WatchEvent::Synced(Revision::ZERO)
    ));
    set(&server, "k", "1");
    assert!(matches!(
        next_change(&mut watch).kind,
        EventKind::Set { .. }
    ));
    assert!(pollster::block_on(server.drop_namespace()).expect("a drop"));
    assert_eq!(next_change(&mut watch).kind, EventKind::Drop);
    let again = crate::common::server(&committer, "ns");
    let revision = set(&again, "k", "2");
    assert_eq!(next_change(&mut watch).revision, revision);
    pollster::block_on(again.del(key("k"))).expect("a delete");
    assert_eq!(
        next_change(&mut watch).kind,
        EventKind::Delete { key: key("k") }
    );
}

#[test]
fn a_slow_reader_continues_in_the_history() {
    let committer = crate::common::memory();
    let server = server(&committer, "ns");
    let mut watch = watch(&server, Filter::All, Start::Now);
    // More than the buffer holds.
    for number in 0..1_000 {
        set(&server, "k", number.to_string().repeat(400));
    }
    for event in history(&committer, "ns") {
        assert_eq!(next_change(&mut watch), event);
    }
    assert!(is_waiting(&mut watch));
}

#[test]
fn a_reader_beyond_the_history_receives_a_reset() {
    let committer = keeping(50);
    let server = server(&committer, "ns");
    let mut slow = watch(&server, Filter::All, Start::Now);
    let mut patient = watch(&server, Filter::Key(key("rare")), Start::Now);
    let mut prefix = watch(&server, Filter::Prefix("ra".into()), Start::Now);
    assert!(is_waiting(&mut slow) && is_waiting(&mut patient) && is_waiting(&mut prefix));
    for number in 0..1_000 {
        set(&server, "k", number.to_string().repeat(400));
    }
    assert!(matches!(next(&mut slow), WatchEvent::Reset(_)));
    assert!(pollster::block_on(slow.next()).is_none());
    // Changes of other keys push no watcher out.
    let revision = set(&server, "rare", "1");
    assert_eq!(next_change(&mut patient).revision, revision);
    assert_eq!(next_change(&mut prefix).revision, revision);
    assert_history_gone(&server, Revision::new(1));
}

#[test]
fn a_future_revision_is_rejected() {
    let committer = crate::common::memory();
    let server = server(&committer, "ns");
    let newest = set(&server, "k", "1");
    let mut reader = watch(&server, Filter::All, Start::After(newest));
    assert!(is_waiting(&mut reader));
    assert_history_gone(&server, newest.next());
}

#[test]
fn ending_watches_ends_open_ones_and_rejects_new_ones() {
    let committer = crate::common::memory();
    let server = server(&committer, "ns");
    let mut watches: Vec<Watch> = (0..10)
        .map(|_| watch(&server, Filter::All, Start::Now))
        .collect();
    assert!(watches.iter_mut().all(is_waiting));
    committer.end_watches();
    for watch in &mut watches {
        assert!(matches!(watch.next().now_or_never(), Some(None)));
    }
    let refused = pollster::block_on(server.watch(WatchOptions::default())).map(drop);
    assert_eq!(refused.map_err(|error| error.code()), Err(Code::Closing));
    set(&server, "writes", "continue");
}

#[test]
fn a_watch_survives_the_purge_of_its_history() {
    let committer = crate::common::memory();
    let drop_of = |name: &str| {
        let server = server(&committer, name);
        set(&server, "k", "1");
        assert!(pollster::block_on(server.drop_namespace()).expect("a drop"));
    };
    let mut watch = watch(&server(&committer, "ns"), Filter::All, Start::Now);
    drop_of("ns");
    assert!(matches!(
        next_change(&mut watch).kind,
        EventKind::Set { .. }
    ));
    assert_eq!(next_change(&mut watch).kind, EventKind::Drop);
    // Enough drops that the first one is purged.
    for number in 0..300 {
        drop_of(&number.to_string());
    }
    let name = Namespace::new("ns").expect("a name");
    let history = committer.database().history_id(&name).expect("a read");
    assert_eq!(history, None);
    assert!(is_waiting(&mut watch));
    let revision = set(&server(&committer, "ns"), "k", "2");
    assert_eq!(next_change(&mut watch).revision, revision);
}

/// The events that a reader of the race received.
#[derive(Default)]
struct Received {
    /// The state when it was synced.
    state: BTreeMap<Bytes, Revision>,
    from: Revision,
    changes: Vec<Event>,
}

/// Reads until the last change, of a key that every filter matches.
async fn read(mut watch: Watch, start: Start, pauses: bool) -> Received {
    let mut received = Received::default();
    if let Start::After(revision) = start {
        received.from = revision;
    }
    while let Some(step) = watch.next().await {
        match step.expect("no error") {
            WatchEvent::Entry(change) => {
                let event = change.event();
                let key = event.key().expect("a key").as_bytes();
                let key = Bytes::copy_from_slice(key);
                let twice = received.state.insert(key, event.revision);
                assert_eq!(twice, None, "a state has each entry once");
            }
            WatchEvent::Synced(revision) => received.from = revision,
            WatchEvent::Change { change, .. } => {
                let event = change.event();
                received.changes.push(event.clone());
                if matches!(&event.kind, EventKind::Set { entry, .. } if entry.value == "end") {
                    return received;
                }
            }
            WatchEvent::Reset(revision) => panic!("reset at {revision}"),
        }
        if pauses {
            for _ in 0..20 {
                yield_now().await;
            }
        }
    }
    panic!("the end came too early")
}

async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Compares the events of a reader with all changes.
fn check(received: &Received, all: &[Event], filter: &Filter, start: Start) {
    let wanted = |event: &&Event| filter.matches(event);
    let expected: Vec<&Event> = all.iter().filter(wanted).collect();
    let (before, after): (Vec<&Event>, Vec<&Event>) = expected
        .into_iter()
        .partition(|event| event.revision <= received.from);
    match start {
        // It starts at some change and misses no later one.
        Start::Now => {
            let seen = received.changes.len();
            assert!(seen <= after.len(), "{seen} of {}", after.len());
            let after = &after[after.len() - seen..];
            assert!(received.changes.iter().eq(after.iter().copied()));
        }
        Start::State | Start::After(_) => assert!(received.changes.iter().eq(after)),
    }
    let mut state = BTreeMap::new();
    for event in before {
        match &event.kind {
            EventKind::Set { key, .. } => {
                state.insert(Bytes::copy_from_slice(key.as_bytes()), event.revision);
            }
            EventKind::Delete { key } | EventKind::Expire { key } => {
                state.remove(key.as_bytes());
            }
            EventKind::Drop => state.clear(),
        }
    }
    if start == Start::State {
        assert_eq!(received.state, state, "the state at {}", received.from);
    }
}

const WRITERS: u64 = 3;
const WRITES: u64 = 1_500;
const READERS: u64 = 3;
const WATCHES: u64 = 12;

/// The progress of the race.
#[derive(Default)]
struct Race {
    written: AtomicU64,
    newest: AtomicU64,
    begun: AtomicU64,
}

/// A reader that starts after a number of writes.
async fn reader(server: &Server, race: &Race, number: u64) -> (Received, Filter, Start) {
    while race.written.load(Ordering::SeqCst) < number * WRITERS * WRITES / WATCHES {
        yield_now().await;
    }
    let filter = match number % 3 {
        0 => Filter::All,
        1 => Filter::Prefix("a".into()),
        _ => Filter::Key(key("a1")),
    };
    let start = match number % 4 {
        0 => Start::Now,
        1 => Start::State,
        2 => Start::After(Revision::new(race.newest.load(Ordering::SeqCst))),
        _ => Start::After(Revision::new(1)),
    };
    let options = WatchOptions {
        filter: filter.clone(),
        start,
        values: true,
    };
    let watch = server.watch(options).await.expect("a watch");
    race.begun.fetch_add(1, Ordering::SeqCst);
    (
        read(watch, start, number.is_multiple_of(2)).await,
        filter,
        start,
    )
}

/// The readers of a thread.
fn readers(server: &Server, race: &Race, with_queue: bool) -> Vec<(Received, Filter, Start)> {
    let all = (0..WATCHES).map(|number| reader(server, race, number));
    let mut all = pin!(futures_util::future::join_all(all));
    let mut queue = with_queue.then(CompletionQueue::attach).flatten();
    pollster::block_on(std::future::poll_fn(|context| {
        if let Some(queue) = &mut queue {
            assert!(pin!(queue).poll(context).is_pending());
        }
        all.as_mut().poll(context)
    }))
}

fn write(server: &Server, race: &Race, writer: u64) {
    for number in 0..WRITES {
        let name = format!("{}{}", ["a", "b"][(number % 2) as usize], number % 5);
        let op = match (number + writer) % 4 {
            0 => Op::delete(),
            _ => Op::set(vec![b'x'; (number % 700) as usize]),
        };
        let outcome = pollster::block_on(server.submit(key(name), op)).expect("a write");
        if let Some(revision) = outcome.revision {
            race.newest.fetch_max(revision.get(), Ordering::SeqCst);
        }
        race.written.fetch_add(1, Ordering::SeqCst);
    }
}

/// Writers on some threads and readers on others, which start at different times and revisions.
fn race(committer: &Committer, with_queue: bool) {
    let server = &server(committer, "race");
    let race = &Race::default();
    race.newest
        .store(set(server, "a1", "first").get(), Ordering::SeqCst);
    let received: Vec<_> = thread::scope(|scope| {
        let readers: Vec<_> = (0..READERS)
            .map(|_| scope.spawn(move || readers(server, race, with_queue)))
            .collect();
        for writer in 0..WRITERS {
            scope.spawn(move || write(server, race, writer));
        }
        while race.begun.load(Ordering::SeqCst) < READERS * WATCHES
            || race.written.load(Ordering::SeqCst) < WRITERS * WRITES
        {
            thread::yield_now();
        }
        set(server, "a1", "end");
        let received = readers
            .into_iter()
            .map(|reader| reader.join().expect("a reader"));
        received.flatten().collect()
    });
    let all = history(committer, "race");
    for (received, filter, start) in &received {
        check(received, &all, filter, *start);
    }
}

#[test]
fn readers_and_writers_race_over_memory() {
    race(&crate::common::memory(), false);
    race(&crate::common::memory(), true);
}

#[test]
fn readers_and_writers_race_over_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    race(&crate::common::disk(folder.path()), true);
}

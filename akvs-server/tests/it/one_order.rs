//! Every caller sees one order of changes, and an answered write is seen by every later read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::common::{key, server};
use akvs_server::{CompletionQueue, Server};

const WRITERS: u64 = 8;
const WRITES: u64 = 300;

/// Many threads write the same key; each reads at least its own revision after its answer.
fn race(server: &Server) {
    let newest = AtomicU64::new(0);
    let mut revisions: Vec<u64> = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| scope.spawn(|| write(server, &newest)))
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().expect("a writer"))
            .collect()
    });
    let last = *revisions.iter().max().expect("some writes");
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(
        revisions.len() as u64,
        WRITERS * WRITES,
        "each write has a revision of its own"
    );
    assert_eq!(
        pollster::block_on(server.get(b"key"))
            .expect("a read")
            .revision
            .get(),
        last
    );
}

fn write(server: &Server, newest: &AtomicU64) -> Vec<u64> {
    let write = |number: u64| async move {
        let outcome = server
            .set(key("key"), number.to_string())
            .await
            .expect("a write");
        outcome.revision.expect("a revision").get()
    };
    let mut revisions = Vec::new();
    for number in 0..WRITES {
        let revision = pollster::block_on(write(number));
        newest.fetch_max(revision, Ordering::SeqCst);
        let answered = newest.load(Ordering::SeqCst);
        let seen = pollster::block_on(server.get(b"key"))
            .expect("a read")
            .revision
            .get();
        assert!(
            seen >= answered,
            "read revision {seen} after revision {answered} was answered"
        );
        revisions.push(revision);
    }
    revisions
}

#[test]
fn writers_and_readers_see_one_order_in_memory() {
    race(&server(&crate::common::memory(), "ns"));
}

#[test]
fn writers_and_readers_see_one_order_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    race(&server(&crate::common::disk(folder.path()), "ns"));
}

#[test]
fn writers_and_readers_see_one_order_with_a_completion_queue() {
    let committer = crate::common::memory();
    let server = server(&committer, "ns");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let queue = tokio::task::spawn_local(CompletionQueue::attach().expect("the first one"));
        let writes = (0..500).map(|number| {
            let server = server.clone();
            tokio::task::spawn_local(
                async move { server.set(key(format!("key{number}")), "v").await },
            )
        });
        for write in writes.collect::<Vec<_>>() {
            write.await.expect("a task").expect("a write");
        }
        queue.abort();
        // Later writes are answered without the queue.
        server.set(key("last"), "v").await.expect("a write");
    });
    assert_eq!(server.store().expect("a store").counts().keys, 501);
}

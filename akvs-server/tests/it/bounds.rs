//! The queue is bounded in number and in bytes; a request beyond the bounds is rejected at once and may be repeated.

use crate::common::{CommitResult, GatedEngine, key, server};
use akvs_core::{Action, Code, Op, Ttl};
use akvs_server::CommitterOptions;
use futures_util::FutureExt;
use futures_util::future::join_all;

#[test]
fn a_full_queue_rejects_writes_until_it_drains() {
    let (engine, gate) = GatedEngine::new();
    let options = CommitterOptions {
        max_queued_writes: 5,
        ..Default::default()
    };
    let committer = crate::common::committer(engine, options);
    let (one, two) = (server(&committer, "one"), server(&committer, "two"));

    let mut taken = vec![one.submit(key("first"), Op::set("v"))];
    gate.waiting.recv().expect("the first commit");
    for number in 0..4 {
        taken.push(if number % 2 == 0 { &one } else { &two }.submit(key("key"), Op::set("v")));
    }
    let refused = two
        .submit(key("key"), Op::set("v"))
        .now_or_never()
        .expect("an answer at once")
        .unwrap_err();
    assert_eq!(refused.code(), Code::Overloaded);
    assert_eq!(
        (
            &refused.context()["limit"],
            &refused.context()["retry_after_s"]
        ),
        (&5.into(), &1.into())
    );

    gate.results.send(CommitResult::Commit).unwrap();
    // Without a test at the gate, all commits pass.
    drop(gate);
    pollster::block_on(async {
        for result in join_all(taken).await {
            result.unwrap();
        }
        for _ in 0..20 {
            two.set(key("key"), "v").await.unwrap();
        }
    });
}

#[test]
fn too_many_queued_bytes_are_rejected_until_they_drain() {
    let (engine, gate) = GatedEngine::new();
    let options = CommitterOptions {
        max_queued_bytes: 1_000,
        ..Default::default()
    };
    let committer = crate::common::committer(engine, options);
    let server = server(&committer, "ns");

    let first = server.submit(key("key"), Op::set(vec![0; 2_000]));
    gate.waiting.recv().expect("the first commit");
    let refused = server
        .submit(key("key"), Op::set("v"))
        .now_or_never()
        .expect("an answer at once")
        .unwrap_err();
    assert_eq!(refused.code(), Code::Overloaded);

    gate.results.send(CommitResult::Commit).unwrap();
    // Without a test at the gate, all commits pass.
    drop(gate);
    pollster::block_on(async {
        first.await.unwrap();
        server.set(key("key"), "v").await.unwrap();
    });
}

#[test]
fn a_commit_is_bounded_by_the_bytes_that_it_writes() {
    const VALUE_BYTES: usize = 8 << 20;
    const APPENDS: usize = 40;
    let (engine, gate) = GatedEngine::new();
    let committer = crate::common::committer(engine.clone(), CommitterOptions::default());
    let server = server(&committer, "ns");
    let first = server.submit(key("key"), Op::set(vec![0; VALUE_BYTES]));
    gate.waiting.recv().expect("the first commit");
    let append = |_| {
        let action = Action::Append {
            value: "x".into(),
            max_bytes: 2 * VALUE_BYTES,
            ttl: Ttl::Keep,
        };
        server.submit(key("key"), Op::from(action))
    };
    let mut appended: Vec<_> = (0..APPENDS).map(append).collect();
    let last = server.submit(key("last"), Op::set("v"));
    gate.results.send(CommitResult::Commit).unwrap();
    drop(gate);
    pollster::block_on(async {
        first.await.unwrap();
        let mut revisions = Vec::new();
        for answer in appended.drain(..) {
            let outcome = answer.await.unwrap();
            assert!(outcome.entry.unwrap().value.is_empty(), "it holds no value");
            revisions.push(outcome.revision.unwrap());
        }
        assert!(revisions.is_sorted(), "in the order in which they came");
        assert!(last.await.unwrap().revision.unwrap() > revisions[APPENDS - 1]);
        let found = server.get(b"key").await.unwrap();
        assert_eq!(found.value.len(), VALUE_BYTES + APPENDS);
    });
    // The first commit, and then four or five appends in each.
    let commits = engine.commits();
    assert!(commits > APPENDS / 5, "{commits} commits");
    assert_eq!(committer.stats().queued_writes, 0);
    assert_eq!(committer.stats().queued_bytes, 0);
}

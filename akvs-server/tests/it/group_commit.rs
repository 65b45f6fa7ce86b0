//! Writes that wait at the same time share one commit, across namespaces, and are evaluated in order.

use crate::common::{CommitResult, GatedEngine, key, server};
use akvs_core::Op;
use futures_util::future::join_all;

#[test]
fn writes_that_wait_during_a_commit_share_the_next_one() {
    let (engine, gate) = GatedEngine::new();
    let committer = crate::common::committer(engine.clone(), Default::default());
    let servers: Vec<_> = (0..10)
        .map(|number| server(&committer, &format!("ns{number}")))
        .collect();

    let first = servers[0].submit(key("first"), Op::set("v"));
    gate.waiting.recv().expect("the first commit");
    let rest: Vec<_> = (0..100)
        .map(|number| servers[number % 10].submit(key(format!("key{number}")), Op::set("v")))
        .collect();
    gate.results.send(CommitResult::Commit).unwrap();
    gate.waiting.recv().expect("the second commit");
    gate.results.send(CommitResult::Commit).unwrap();

    pollster::block_on(async {
        first.await.unwrap();
        for outcome in join_all(rest).await {
            assert!(!outcome.unwrap().existed);
        }
    });
    assert_eq!(engine.commits(), 2);
}

#[test]
fn operations_of_one_commit_see_those_before_them() {
    let (engine, gate) = GatedEngine::new();
    let committer = crate::common::committer(engine.clone(), Default::default());
    let server = server(&committer, "ns");

    let first = server.submit(key("other"), Op::set("v"));
    gate.waiting.recv().expect("the first commit");
    let ops = [
        Op::delete(),
        Op::set("1"),
        Op::set("2"),
        Op::delete(),
        Op::delete(),
        Op::set("3"),
    ];
    let rest: Vec<_> = ops
        .into_iter()
        .map(|op| server.submit(key("key"), op))
        .collect();
    gate.results.send(CommitResult::Commit).unwrap();
    gate.waiting.recv().expect("the second commit");
    gate.results.send(CommitResult::Commit).unwrap();

    let outcomes = pollster::block_on(async {
        first.await.unwrap();
        join_all(rest).await
    });
    let outcomes: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap())
        .collect();
    let existed: Vec<bool> = outcomes.iter().map(|outcome| outcome.existed).collect();
    assert_eq!(existed, [false, false, true, true, false, false]);
    let revisions: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| outcome.revision)
        .collect();
    assert_eq!(revisions.len(), 4, "two deletes had nothing to delete");
    assert!(revisions.is_sorted_by(|before, after| before < after));
    assert_eq!(pollster::block_on(server.get(b"key")).unwrap().value, "3");
    assert_eq!(engine.commits(), 2);
}

#[test]
fn a_write_is_invisible_until_it_is_committed() {
    let (engine, gate) = GatedEngine::new();
    let committer = crate::common::committer(engine, Default::default());
    let server = server(&committer, "ns");

    let write = server.submit(key("key"), Op::set("v"));
    gate.waiting.recv().expect("the commit");
    assert!(pollster::block_on(server.find(b"key")).unwrap().is_none());
    gate.results.send(CommitResult::Commit).unwrap();
    pollster::block_on(write).unwrap();
    assert!(pollster::block_on(server.find(b"key")).unwrap().is_some());
}

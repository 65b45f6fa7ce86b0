//! A commit that fails answers all callers, leaves the store unchanged, and is the last one.

use crate::common::{CommitResult, GatedEngine, key, server};
use akvs_core::{Code, Op};
use futures_util::FutureExt;
use futures_util::future::join_all;

#[test]
fn a_failed_commit_fails_its_writes_and_all_later_ones_but_no_reads() {
    let (engine, gate) = GatedEngine::new();
    let committer = crate::common::committer(engine, Default::default());
    let server = server(&committer, "ns");

    let stored = server.submit(key("key"), Op::set("stored"));
    gate.waiting.recv().expect("the first commit");
    let failing: Vec<_> = (0..10)
        .map(|_| server.submit(key("key"), Op::set("lost")))
        .collect();
    gate.results.send(CommitResult::Commit).unwrap();
    gate.waiting.recv().expect("the second commit");
    assert!(committer.is_writable());
    gate.results
        .send(CommitResult::Fail(Code::StorageFull))
        .unwrap();

    pollster::block_on(async {
        stored.await.unwrap();
        // Each write may be in the store after a restart.
        for result in join_all(failing).await {
            let error = result.unwrap_err();
            assert_eq!(error.code(), Code::OutcomeUnknown, "{error}");
        }
        // This write was not tried.
        assert_eq!(
            server.set(key("other"), "v").await.unwrap_err().code(),
            Code::StorageFull
        );
        assert_eq!(server.get(b"key").await.unwrap().value, "stored");
    });
    assert!(!committer.is_writable());
    assert!(
        pollster::block_on(committer.ping()),
        "the committer responds"
    );
}

#[test]
fn a_rejected_commit_is_not_applied_and_a_later_one_succeeds() {
    let (engine, gate) = GatedEngine::new();
    let committer = crate::common::committer(engine.clone(), Default::default());
    let server = server(&committer, "ns");
    drop(gate);
    pollster::block_on(async {
        server.set(key("key"), "stored").await.unwrap();
        let stored = server.get(b"key").await.unwrap();
        engine.refuse(Some(Code::StorageFull));
        let refused = server.set(key("key"), "refused").await.unwrap_err();
        assert_eq!(refused.code(), Code::StorageFull);
        assert_eq!(server.get(b"key").await.unwrap(), stored);
        assert!(committer.is_writable());
        engine.refuse(None);
        let taken = server.set(key("key"), "taken").await.unwrap();
        assert_eq!(
            taken.revision,
            Some(stored.revision.next()),
            "none is skipped"
        );
    });
    assert_eq!((engine.commits(), committer.stats().failed_commits), (2, 0));
}

#[test]
fn a_ping_waits_for_a_commit_that_hangs() {
    let (engine, gate) = GatedEngine::new();
    let committer = crate::common::committer(engine, Default::default());
    let server = server(&committer, "ns");
    assert!(
        pollster::block_on(committer.ping()),
        "the committer responds"
    );

    let hanging = server.submit(key("key"), Op::set("v"));
    gate.waiting.recv().expect("the commit");
    let mut questions = [committer.ping(), committer.ping()].map(Box::pin);
    for question in &mut questions {
        assert!(question.as_mut().now_or_never().is_none());
    }
    gate.results.send(CommitResult::Commit).unwrap();
    pollster::block_on(async {
        hanging.await.unwrap();
        for question in questions {
            assert!(question.await);
        }
    });
}

#[test]
fn a_panic_while_committing_answers_all_callers() {
    let (engine, gate) = GatedEngine::new();
    let committer = crate::common::committer(engine, Default::default());
    let (one, two) = (server(&committer, "one"), server(&committer, "two"));

    let committing = one.submit(key("key"), Op::set("v"));
    gate.waiting.recv().expect("the commit");
    let queued = [
        one.submit(key("key"), Op::set("v")),
        two.submit(key("key"), Op::set("v")),
    ];
    let question = committer.ping();
    gate.results.send(CommitResult::Panic).unwrap();

    pollster::block_on(async {
        assert!(!question.await && !committer.ping().await);
        assert_eq!(committing.await.unwrap_err().code(), Code::OutcomeUnknown);
        for result in join_all(queued).await {
            assert_eq!(result.unwrap_err().code(), Code::Closing);
        }
        for server in [&one, &two] {
            assert_eq!(
                server.set(key("key"), "v").await.unwrap_err().code(),
                Code::Closing
            );
            assert!(server.find(b"key").await.unwrap().is_none());
        }
    });
    assert!(!committer.is_writable());
}

#[test]
fn a_failure_in_the_background_is_detected() {
    let (engine, _gate) = GatedEngine::new();
    engine.fail_in_background();
    let committer = crate::common::committer(engine, Default::default());
    // The engine is checked at the start and every few seconds.
    while committer.is_writable() {
        std::thread::yield_now();
    }
    let server = server(&committer, "ns");
    let refused = pollster::block_on(server.set(key("k"), "v")).map_err(|error| error.code());
    assert_eq!(refused, Err(Code::Storage));
}

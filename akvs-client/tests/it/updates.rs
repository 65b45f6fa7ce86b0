//! Updates, long polls, codecs, and reads of metadata.

use std::time::Duration;

use akvs_client::{Error, IfChanged, Json, Raw, Revision, Text};

use akvs_testing::scripted::{ScriptedServer, Step};
use akvs_testing::server::{TestServer, block_on};

fn found(tag: u64) -> Step {
    Step::answer("200 OK", &format!("ETag: \"{tag}\"\r\n"), "1")
}

fn refused() -> Step {
    Step::problem(
        "412 Precondition Failed",
        "precondition_failed",
        "ETag: \"9\"\r\n",
    )
}

#[test]
fn concurrent_updates_are_not_lost() {
    const TASKS: u32 = 16;
    const EACH: u32 = 50;
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let namespace = namespace.clone();
                tokio::spawn(async move {
                    for _ in 0..EACH {
                        let update = namespace.update("count", |count: Option<u32>| {
                            Some(count.unwrap_or_default() + 1)
                        });
                        update.max_tries(10_000).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let entry = namespace.get::<u32>("count").await.unwrap().unwrap();
        assert_eq!(entry.value, TASKS * EACH);
        assert_eq!(entry.content_type, "application/json");
    });
}

#[test]
fn an_update_returns_the_entry_keeps_its_expiry_and_can_delete() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        let none = namespace.update("k", |_: Option<u8>| None).await.unwrap();
        assert!(none.is_none());
        assert!(app.namespaces().is_empty(), "nothing was sent");
        let minute = Duration::from_secs(60);
        let made = namespace.update("k", |_| Some(1)).ttl(minute).await;
        let made = made.unwrap().unwrap();
        let read = namespace.get::<u8>("k").await.unwrap().unwrap();
        assert_eq!((made.value, made.revision), (1, read.revision));
        assert!(made.expires.is_some() && made.expires == read.expires);
        let kept = namespace.update("k", |old: Option<u8>| old.map(|old| old + 1));
        let kept = kept.await.unwrap().unwrap();
        assert_eq!((kept.value, kept.expires), (2, made.expires));
        let stays = namespace.update("k", |_| Some(3)).no_ttl().await.unwrap();
        assert_eq!(stays.unwrap().expires, None);
        let gone = namespace.update("k", |_: Option<u8>| None).await.unwrap();
        assert!(gone.is_none() && !namespace.exists("k").await.unwrap());
        namespace.set_bytes("k", "no number").await.unwrap();
        let error = namespace.update("k", |_: Option<u8>| Some(1)).await;
        assert!(matches!(error, Err(Error::Decode { .. })));
    });
}

#[test]
fn an_update_is_tried_again_after_a_conflict_up_to_a_limit() {
    let server = ScriptedServer::new([found(7), refused(), found(9), Step::created(10)]);
    let update = server.namespace().update("k", |old: Option<u8>| old);
    assert_eq!(
        block_on(update).unwrap().unwrap().revision,
        Some(Revision::new(10))
    );
    let requests = server.requests();
    assert!(requests[1].contains("if-match: \"7\"") && requests[3].contains("if-match: \"9\""));
    assert!(
        requests[3].starts_with("POST /kv/ns/k?ttl=keep "),
        "{requests:?}"
    );

    let server = ScriptedServer::new([
        found(7),
        refused(),
        found(7),
        refused(),
        found(7),
        refused(),
    ]);
    let update = server.namespace().update("k", |old: Option<u8>| old);
    let error = block_on(update.max_tries(2)).unwrap_err();
    assert!(error.is_precondition_failed());
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn an_update_of_unknown_outcome_is_an_error_and_not_repeated() {
    let server = ScriptedServer::new([found(7), Step::Cut, refused()]);
    let mut calls = 0;
    let update = server.namespace().update("k", move |old: Option<u8>| {
        calls += 1;
        assert_eq!(calls, 1, "it was computed again");
        old
    });
    let error = block_on(update).unwrap_err();
    assert!(error.is_unknown_outcome(), "{error:?}");
    assert_eq!(error.current_revision(), Some(Revision::new(9)));
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn an_update_needs_a_revision() {
    let server = ScriptedServer::new([Step::answer("200 OK", "", "1")]);
    let update = server.namespace().update("k", |old: Option<u8>| old);
    let error = block_on(update).unwrap_err();
    assert!(error.to_string().contains("needs the revision"), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_change_ends_a_wait() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        let hour = Duration::from_secs(3_600);
        let known = namespace.set("k", &1).await.unwrap().revision.unwrap();
        let (changed, _) = tokio::join!(
            namespace.wait_for_change::<u8>("k", known, hour),
            namespace.set("k", &2).into_future(),
        );
        assert!(matches!(changed.unwrap(), IfChanged::Changed(entry) if entry.value == 2));
        let known = namespace
            .get::<u8>("k")
            .await
            .unwrap()
            .unwrap()
            .revision
            .unwrap();
        let (gone, _) = tokio::join!(
            namespace.wait_for_change::<u8>("k", known, hour),
            namespace.del("k").into_future(),
        );
        assert_eq!(gone.unwrap(), IfChanged::Missing);
        let gone = namespace.wait_for_change::<u8>("k", known, hour).await;
        assert_eq!(gone.unwrap(), IfChanged::Missing);
    });
}

#[test]
fn a_long_wait_is_split_into_steps() {
    let unchanged = || Step::send("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n");
    for (millis, steps) in [
        (130_000, &[60, 60, 10][..]),
        (60_000, &[60]),
        (1_001, &[2]),
        (0, &[1]),
    ] {
        let server = ScriptedServer::new([unchanged()]);
        let namespace = server.namespace();
        let timeout = Duration::from_millis(millis);
        let wait = namespace.wait_for_change::<u8>("k", Revision::new(7), timeout);
        assert_eq!(block_on(wait).unwrap(), IfChanged::Unchanged);
        let requests = server.requests();
        assert_eq!(requests.len(), steps.len());
        for (request, step) in requests.iter().zip(steps) {
            assert!(
                request.contains(&format!("prefer: wait={step}\r\n")),
                "{request}"
            );
            assert!(request.contains("if-none-match: \"7\"\r\n"), "{request}");
        }
    }
}

#[test]
fn a_head_has_all_but_the_value() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        assert!(namespace.head("k").await.unwrap().is_none());
        let minute = Duration::from_secs(60);
        let write = namespace.set_bytes("k", "abc").content_type("text/csv");
        let written = write.ttl(minute).await.unwrap();
        let entry = namespace.head("k").await.unwrap().unwrap();
        assert_eq!(
            (entry.revision, entry.expires),
            (written.revision, written.expires)
        );
        assert_eq!((&*entry.content_type, entry.value), ("text/csv", ()));
        assert!(entry.modified.is_some() && namespace.exists("k").await.unwrap());
    });
    // A 404 of a proxy says nothing about the key.
    let server = ScriptedServer::new([Step::send("HTTP/1.1 404 Not Found\r\n\r\n")]);
    assert!(block_on(server.namespace().exists("k")).is_err());
}

#[test]
fn codecs_set_format_and_content_type() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        namespace.set_with(&Json, "k", &vec![1, 2]).await.unwrap();
        let entry = namespace.get::<Vec<u8>>("k").await.unwrap().unwrap();
        assert_eq!(
            (entry.value, &*entry.content_type),
            (vec![1, 2], "application/json")
        );
        let text = namespace.get_with(&Text, "k").await.unwrap().unwrap();
        assert_eq!(text.value, "[1,2]");
        namespace.set_with(&Raw, "k", &vec![255_u8]).await.unwrap();
        let raw = namespace.get_with::<Vec<u8>>(&Raw, "k").await.unwrap();
        assert_eq!(raw.unwrap().value, [255]);
        let error = namespace.get_with(&Text, "k").await.unwrap_err();
        assert!(matches!(&error, Error::Decode { key, .. } if **key == *b"k"));
        let none = namespace.get_with::<String>(&Text, "none").await.unwrap();
        assert!(none.is_none());
        let odd = std::collections::HashMap::from([((1, 2), 3)]);
        let error = namespace.set("odd", &odd).await.unwrap_err();
        assert!(error.to_string().contains("cannot encode"), "{error}");
    });
}

//! Section 4.2 and 4.3, preconditions of writes and reads.

use akvs_client::{Code, IfChanged, Revision};

use akvs_testing::server::{TestServer, block_on};

#[test]
fn if_none_match_any_only_creates() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let first = namespace.set("key", &1).if_absent().await.unwrap();
        assert!(!first.existed);
        let error = namespace.set("key", &2).if_absent().await.unwrap_err();
        assert!(error.is_precondition_failed(), "{error:?}");
        assert_eq!(error.current_revision(), first.revision);
        assert_eq!(namespace.get_or("key", 0).await.unwrap(), 1);
        namespace.del("key").await.unwrap();
        namespace.set("key", &3).if_absent().await.unwrap();
        assert_eq!(namespace.get_or("key", 0).await.unwrap(), 3);
    });
}

#[test]
fn if_match_any_needs_an_existing_key() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let error = namespace.set("key", &1).if_exists().await.unwrap_err();
        assert!(error.is_precondition_failed(), "{error:?}");
        assert_eq!(error.current_revision(), None);
        let error = namespace.del("key").if_exists().await.unwrap_err();
        assert!(error.is_precondition_failed(), "{error:?}");
        assert!(namespace.get_bytes("key").await.unwrap().is_none());

        namespace.set("key", &1).await.unwrap();
        assert!(namespace.set("key", &2).if_exists().await.unwrap().existed);
        assert!(namespace.del("key").if_exists().await.unwrap());
    });
}

#[test]
fn if_match_requires_the_current_revision() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let old = namespace.set("key", &1).await.unwrap().revision.unwrap();
        let write = namespace.set("key", &2).if_revision(old);
        let new = write.await.unwrap().revision.unwrap();
        for error in [
            namespace.set("key", &3).if_revision(old).await.unwrap_err(),
            namespace.del("key").if_revision(old).await.unwrap_err(),
        ] {
            assert!(error.is_precondition_failed(), "{error:?}");
            assert_eq!(error.current_revision(), Some(new));
        }
        assert_eq!(namespace.get_or("key", 0).await.unwrap(), 2);
        assert!(namespace.del("key").if_revision(new).await.unwrap());
        assert!(namespace.get_bytes("key").await.unwrap().is_none());
    });
}

#[test]
fn if_match_accepts_a_list() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let current = namespace.set("key", &1).await.unwrap().revision.unwrap();
        let others = [Revision::new(999_999), Revision::ZERO];
        let neither = namespace.set("key", &2).if_revision(others[0]);
        let error = neither.if_revision(others[1]).await.unwrap_err();
        assert!(error.is_precondition_failed(), "{error:?}");
        let one_of = namespace.set("key", &2).if_revision(others[0]);
        one_of.if_revision(current).await.unwrap();
        assert_eq!(namespace.get_or("key", 0).await.unwrap(), 2);
    });
}

#[test]
fn a_list_may_have_any_spelling_and_span_lines() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for form in [
        "If-Match: \"0\",{}\r\n",
        "If-Match: {} ,\t\"0\"\r\n",
        "If-Match: \"not a number\", {}\r\n",
        "If-Match: \"0\"\r\nIf-Match: {}\r\n",
        "if-match: W/\"0\", {}\r\n",
    ] {
        let stored = connection.ask("POST", "/kv/ns/key", "", b"1");
        let headers = form.replace("{}", stored.header("ETag").unwrap());
        let answer = connection.ask("POST", "/kv/ns/key", &headers, b"2");
        assert_eq!(answer.status, 201, "{headers}: {answer:?}");
    }
}

#[test]
fn a_missing_key_never_matches() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let gone = connection.ask("POST", "/kv/ns/gone", "", b"1");
    let gone = gone.header("ETag").unwrap().to_owned();
    connection.ask("DELETE", "/kv/ns/gone", "", b"");
    for tag in ["*", "\"0\"", "\"1\"", &gone] {
        let headers = format!("If-Match: {tag}\r\n");
        for key in ["/kv/ns/gone", "/kv/ns/never", "/kv/nowhere/key"] {
            for method in ["POST", "DELETE"] {
                let answer = connection.ask(method, key, &headers, b"");
                let expected = (412, "precondition_failed".into());
                assert_eq!(answer.refusal(), expected, "{method} {key} {tag}");
                assert_eq!(connection.ask("GET", key, "", b"").status, 404);
            }
        }
    }
}

#[test]
fn a_weak_tag_never_matches_a_write() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let stored = connection.ask("POST", "/kv/ns/key", "", b"1");
    let headers = format!("If-Match: W/{}\r\n", stored.header("ETag").unwrap());
    for method in ["POST", "DELETE"] {
        let answer = connection.ask(method, "/kv/ns/key", &headers, b"");
        assert_eq!(answer.status, 412, "{method}");
    }
    assert_eq!(app.value("/kv/ns/key"), b"1");
}

#[test]
fn a_malformed_tag_is_400_and_changes_nothing() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection.ask("POST", "/kv/ns/key", "", b"1");
    for tag in ["7", "\"7", "7\"", "\"7\" \"8\"", "*, \"7\"", "w/\"7\"", ""] {
        let headers = format!("If-Match: {tag}\r\n");
        for method in ["POST", "DELETE"] {
            let answer = connection.ask(method, "/kv/ns/key", &headers, b"");
            let expected = (400, "invalid_request".into());
            assert_eq!(answer.refusal(), expected, "{method} {tag:?}");
        }
    }
    assert_eq!(app.value("/kv/ns/key"), b"1");
}

#[test]
fn of_many_concurrent_creators_exactly_one_wins() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        let tasks: Vec<_> = (0..32_u32)
            .map(|number| tokio::spawn(namespace.set("key", &number).if_absent().into_future()))
            .collect();
        let mut winners = Vec::new();
        for (number, task) in tasks.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(written) => winners.push((number, written.revision)),
                Err(error) => assert!(error.is_precondition_failed(), "{error:?}"),
            }
        }
        let [(winner, revision)] = winners[..] else {
            panic!("{winners:?}")
        };
        let entry = namespace.get::<usize>("key").await.unwrap().unwrap();
        assert_eq!((entry.value, entry.revision), (winner, revision));
    });
}

#[test]
fn of_many_concurrent_if_match_writers_exactly_one_wins() {
    let app = TestServer::on_disk();
    let namespace = app.namespace("ns");
    block_on(async {
        let mut current = namespace.set("key", &0).await.unwrap().revision.unwrap();
        for _ in 0..10 {
            let tasks: Vec<_> = (0..32_u32)
                .map(|number| namespace.set("key", &number).if_revision(current))
                .map(|write| tokio::spawn(write.into_future()))
                .collect();
            let (mut won, mut seen) = (Vec::new(), Vec::new());
            for task in tasks {
                match task.await.unwrap() {
                    Ok(written) => won.push(written.revision.unwrap()),
                    Err(error) => {
                        assert!(error.is_precondition_failed(), "{error:?}");
                        seen.push(error.current_revision().unwrap());
                    }
                }
            }
            let [winner] = won[..] else { panic!("{won:?}") };
            // Each losing writer receives the winning revision.
            assert_eq!(seen, [winner; 31]);
            current = winner;
        }
    });
}

#[test]
fn a_read_modify_write_by_revision_loses_no_change() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        namespace.set("key", &0).await.unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let namespace = namespace.clone();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        loop {
                            let seen = namespace.get::<u32>("key").await.unwrap().unwrap();
                            let write = namespace.set("key", &(seen.value + 1));
                            match write.if_revision(seen.revision.unwrap()).await {
                                Ok(_) => break,
                                Err(error) => assert!(error.is_precondition_failed()),
                            }
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(namespace.get_or("key", 0).await.unwrap(), 80);
    });
}

#[test]
fn if_none_match_on_a_read_is_304_without_a_body_if_unchanged() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let stored = connection.ask("POST", "/kv/ns/key", "", b"hello");
    let tag = stored.header("ETag").unwrap();
    for condition in [
        tag.to_owned(),
        format!("W/{tag}"),
        format!("\"0\", {tag}"),
        "*".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            let headers = format!("If-None-Match: {condition}\r\n");
            let answer = connection.ask(method, "/kv/ns/key", &headers, b"");
            assert_eq!(answer.status, 304, "{method} {condition}");
            assert_eq!(answer.header("ETag"), Some(tag), "{method} {condition}");
        }
    }
    // If any of them had a body, this answer would begin with it.
    let answer = connection.ask("GET", "/kv/ns/key", "If-None-Match: \"0\"\r\n", b"");
    assert_eq!(answer.summary(), (200, "hello"));
}

#[test]
fn if_none_match_on_a_read_of_a_missing_key_is_404() {
    let app = TestServer::start();
    for condition in ["*", "\"1\""] {
        let headers = format!("If-None-Match: {condition}\r\n");
        let answer = app.connect().ask("GET", "/kv/ns/key", &headers, b"");
        assert_eq!(answer.status, 404, "{condition}");
    }
}

#[test]
fn the_client_distinguishes_unchanged_changed_and_missing() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let known = namespace.set("key", &1).await.unwrap().revision.unwrap();
        let look = async || namespace.get_if_changed::<u8>("key", known).await.unwrap();
        assert_eq!(look().await, IfChanged::Unchanged);
        let written = namespace.set("key", &2).await.unwrap();
        let IfChanged::Changed(entry) = look().await else {
            panic!("not changed")
        };
        assert_eq!((entry.value, entry.revision), (2, written.revision));
        namespace.del("key").await.unwrap();
        assert_eq!(look().await, IfChanged::Missing);
        namespace.set("key", "no number").await.unwrap();
        let error = namespace.get_if_changed::<u8>("key", known).await;
        assert!(matches!(error, Err(akvs_client::Error::Decode { .. })));
    });
}

#[test]
fn conditions_that_exclude_each_other_never_write() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let write = namespace.set("key", &1).if_absent().if_exists();
        let error = write.await.unwrap_err();
        let code = error.code();
        let refused = [Some(Code::PreconditionFailed), Some(Code::InvalidRequest)];
        assert!(refused.contains(&code), "{error:?}");
        assert!(namespace.get_bytes("key").await.unwrap().is_none());
    });
}

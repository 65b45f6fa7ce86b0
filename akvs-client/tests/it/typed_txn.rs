//! Transactions and multi-gets of the client: types, and no request for invalid arguments.

use std::time::Duration;

use akvs_client::{Client, Code, Error, Put, Revision};

use akvs_testing::server::{TestServer, block_on};

#[test]
fn operations_share_a_revision_and_results_keep_their_order() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("a b/ü");
        namespace.set_bytes(b"\xff", "40").await.unwrap();
        namespace.set("gone", &1).await.unwrap();
        namespace
            .set("kept", &1)
            .ttl(Duration::from_secs(9))
            .await
            .unwrap();
        let txn = namespace
            .txn()
            .set("json", &["hello"])
            .set_bytes(b"\0\xfe", vec![0, 255, 1])
            .put(
                "timed",
                Put::bytes("x")
                    .content_type("a/b")
                    .ttl(Duration::from_millis(1_500)),
            )
            .put("kept", Put::json(&2).keep_ttl())
            .delete("gone")
            .delete("never")
            .add(b"\xff", 2);
        let done = txn.commit().await.unwrap();
        let existed: Vec<bool> = done.results.iter().map(|one| one.existed).collect();
        assert_eq!(existed, [false, false, false, true, true, false, true]);
        assert_eq!(done.results[6].value, Some(42));
        assert!(done.results[..6].iter().all(|one| one.value.is_none()));
        for (at, result) in done.results.iter().enumerate() {
            assert_eq!(result.revision, done.revision.filter(|_| at != 5), "{at}");
        }
        let json = namespace.get::<Vec<String>>("json").await.unwrap().unwrap();
        assert_eq!(
            (json.value, json.revision),
            (vec!["hello".to_owned()], done.revision)
        );
        assert_eq!(json.content_type, "application/json");
        let bytes = namespace.get_bytes(b"\0\xfe").await.unwrap().unwrap();
        assert_eq!(bytes.value, [0, 255, 1][..]);
        assert_eq!(bytes.content_type, "application/octet-stream");
        let timed = namespace.get_bytes("timed").await.unwrap().unwrap();
        assert_eq!(
            (&*timed.content_type, timed.expires),
            ("a/b", Some(clock.after(1_500)))
        );
        let kept = namespace.get_bytes("kept").await.unwrap().unwrap();
        assert_eq!(kept.expires, Some(clock.after(9_000)));
    });
}

#[test]
fn a_failed_operation_aborts_the_transaction() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        namespace.set_bytes("text", "no number").await.unwrap();
        let txn = namespace.txn().set("a", &1).touch("missing", None);
        let error = txn.commit().await.unwrap_err();
        assert!(error.is_not_found() && error.failed_check().is_none());
        let txn = namespace
            .txn()
            .delete("text")
            .set("a", &1)
            .add("b", i64::MAX);
        txn.check_exists("text").commit().await.unwrap();
        let txn = namespace.txn().set("a", &2).add("b", 1);
        let error = txn.commit().await.unwrap_err();
        assert_eq!(error.code(), Some(Code::Conflict));
        assert_eq!(namespace.get_or("a", 0).await.unwrap(), 1);
    });
}

#[test]
fn a_failed_check_is_reported_and_aborts_the_transaction() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let seen = namespace.set(b"\xfe", &1).await.unwrap().revision.unwrap();
        let now = namespace.set(b"\xfe", &2).await.unwrap().revision;
        for (txn, index, current) in [
            (
                namespace
                    .txn()
                    .check_absent("a")
                    .check_revision(b"\xfe", seen),
                1,
                now,
            ),
            (namespace.txn().check_absent(b"\xfe"), 0, now),
        ] {
            let error = txn.set("b", &1).commit().await.unwrap_err();
            assert!(error.is_precondition_failed());
            let failed = error.failed_check().unwrap();
            assert_eq!((failed.index, &failed.key[..]), (index, &b"\xfe"[..]));
            assert_eq!(failed.current_revision, current);
        }
        let txn = namespace.txn().check_revision("none", Revision::new(1));
        let failed = txn.commit().await.unwrap_err().failed_check().unwrap();
        assert_eq!(
            (&failed.key[..], failed.current_revision),
            (&b"none"[..], None)
        );
        assert!(namespace.get_bytes("b").await.unwrap().is_none());
    });
}

#[test]
fn concurrent_transactions_are_serialized() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        namespace
            .txn()
            .set("from", &100)
            .set("to", &0)
            .commit()
            .await
            .unwrap();
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let namespace = namespace.clone();
                tokio::spawn(async move {
                    let mut moved = 0;
                    while moved < 5 {
                        let from = namespace.get::<i64>("from").await.unwrap().unwrap();
                        let to = namespace.get::<i64>("to").await.unwrap().unwrap();
                        let txn = namespace
                            .txn()
                            .check_revision("from", from.revision.unwrap())
                            .check_revision("to", to.revision.unwrap())
                            .set("from", &(from.value - 1))
                            .set("to", &(to.value + 1));
                        match txn.commit().await {
                            Ok(_) => moved += 1,
                            Err(error) => assert!(error.failed_check().is_some(), "{error:?}"),
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let both = namespace.get_many::<i64>(["from", "to"]).await.unwrap();
        let both: Vec<i64> = both.into_iter().map(|entry| entry.unwrap().value).collect();
        assert_eq!(both, [60, 40]);
    });
}

#[test]
fn invalid_transactions_are_not_sent() {
    // No server listens there: a request would fail with another error.
    let client = Client::new("http://127.0.0.1:1").unwrap();
    let namespace = client.namespace("ns").unwrap();
    let many = (0..1_001_u32).fold(namespace.txn(), |txn, n| txn.add(n.to_string(), 1));
    let checks = (0..1_001_u32).fold(namespace.txn(), |txn, n| txn.check_absent(n.to_string()));
    let unwritable = std::collections::HashMap::from([((1, 2), 3)]);
    block_on(async {
        for (txn, code) in [
            (
                namespace.txn().set("a", &1).delete("a"),
                Some(Code::InvalidRequest),
            ),
            (
                namespace.txn().set("", &1).delete("a"),
                Some(Code::InvalidKey),
            ),
            (
                namespace.txn().check_absent(vec![0; 1_025]),
                Some(Code::InvalidKey),
            ),
            (
                namespace.txn().touch("a", Duration::ZERO),
                Some(Code::InvalidRequest),
            ),
            (
                namespace
                    .txn()
                    .put("a", Put::bytes("").content_type("a\nb")),
                Some(Code::InvalidRequest),
            ),
            (namespace.txn().set("a", &unwritable), None),
            (many, Some(Code::TooLarge)),
            (checks, Some(Code::TooLarge)),
        ] {
            let error = txn.commit().await.unwrap_err();
            assert!(
                matches!(error, Error::Invalid(_) | Error::Encode { .. }),
                "{error:?}"
            );
            assert_eq!(error.code(), code);
        }
        let keys: Vec<String> = (0..1_001).map(|number: u32| number.to_string()).collect();
        let error = namespace.get_many_bytes(&keys).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::TooLarge));
        let error = namespace.get_many_bytes([""]).await.unwrap_err();
        assert_eq!(error.code(), Some(Code::InvalidKey));
    });
}

#[test]
fn a_multi_get_keeps_the_order_and_has_all_metadata() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("ns");
        let none = namespace.get_many_bytes(["a", "b"]).await.unwrap();
        assert_eq!(none, [None, None]);
        let write = namespace
            .set_bytes(b"\xff", vec![0, 255])
            .content_type("a/b");
        let write = write.content_encoding("br").ttl(Duration::from_secs(1));
        let written = write.await.unwrap();
        namespace.set("a", &[1, 2]).await.unwrap();
        let keys = [&b"a"[..], b"none", b"\xff", b"a"];
        let found = namespace.get_many_bytes(keys).await.unwrap();
        assert_eq!(found.len(), 4);
        assert_eq!((&found[0], &found[1]), (&found[3], &None));
        let entry = found[2].as_ref().unwrap();
        assert_eq!(entry.value, [0, 255][..]);
        assert_eq!(
            (&*entry.content_type, entry.content_encoding.as_deref()),
            ("a/b", Some("br"))
        );
        assert_eq!(
            (entry.revision, entry.expires),
            (written.revision, Some(clock.after(1_000)))
        );
        let typed = namespace.get_many::<Vec<u8>>(["a", "b"]).await.unwrap();
        assert_eq!(typed[0].as_ref().unwrap().value, [1, 2]);
        assert!(typed[1].is_none());
        let error = namespace.get_many::<u8>(["none", "a"]).await.unwrap_err();
        assert!(
            matches!(&error, Error::Decode { key, .. } if **key == *b"a"),
            "{error:?}"
        );
        assert_eq!(namespace.get_many_bytes([""; 0]).await.unwrap(), []);
    });
}

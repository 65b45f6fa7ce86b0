//! Namespaces of the client: their list, their settings, and deletions.

use std::time::Duration;

use akvs_client::{Client, Code, Error, NamespaceInfo, Settings};

use akvs_testing::server::{TestServer, block_on};

async fn names(client: &Client, prefix: &str, limit: u16) -> Vec<String> {
    let mut stream = client.namespaces().prefix(prefix).limit(limit).stream();
    let mut names = Vec::new();
    while let Some(info) = stream.next().await {
        names.push(info.expect("a namespace").name);
    }
    names
}

#[test]
fn namespaces_are_listed_by_name_over_pages() {
    let (app, clock) = TestServer::with_clock();
    let client = app.client();
    block_on(async {
        assert!(names(&client, "", 1).await.is_empty());
        let mut expected: Vec<String> = (0..25).map(|number| format!("n {number}/ü")).collect();
        expected.push("z".into());
        for name in &expected {
            client
                .namespace(name)
                .unwrap()
                .set("key", &1)
                .await
                .unwrap();
        }
        expected.sort();
        for limit in [1, 7, 1_000] {
            assert_eq!(names(&client, "", limit).await, expected, "{limit}");
            assert_eq!(names(&client, "z", limit).await, ["z"]);
            assert_eq!(names(&client, "n 1", limit).await.len(), 11);
        }
        let written = client
            .namespace("z")
            .unwrap()
            .set("more", &22)
            .await
            .unwrap();
        let page = client.namespaces().prefix("z").page().await.unwrap();
        let NamespaceInfo {
            name,
            keys,
            bytes,
            revision,
            created,
            ..
        } = &page.namespaces[0];
        assert_eq!((&name[..], *keys, *bytes), ("z", Some(2), Some(4 + 6)));
        assert_eq!(
            (*revision, *created),
            (written.revision, Some(clock.after(0)))
        );
        let error = client.namespaces().limit(0).stream().next().await.unwrap();
        assert_eq!(error.unwrap_err().code(), Some(Code::InvalidRequest));
    });
}

#[test]
fn settings_are_kept_and_replaced() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let namespace = app.namespace("a b/ü");
        let settings = Settings::default()
            .ttl(Duration::from_millis(1_500))
            .max_value_bytes(4)
            .max_keys(2)
            .max_bytes(20);
        assert!(namespace.configure(&settings).await.unwrap());
        assert!(!namespace.configure(&settings).await.unwrap());
        let written = namespace.set_bytes("a", "1234").await.unwrap();
        assert_eq!(written.expires, Some(clock.after(1_500)));
        let long = namespace.set_bytes("a", "12345").await.unwrap_err();
        assert_eq!(long.code(), Some(Code::TooLarge));
        namespace.set_bytes("b", "").await.unwrap();
        let full = namespace.set_bytes("c", "").await.unwrap_err();
        assert_eq!(full.code(), Some(Code::QuotaExceeded));
        assert!(!namespace.configure(&Settings::default()).await.unwrap());
        let written = namespace.set_bytes("c", "12345").await.unwrap();
        assert_eq!(written.expires, None);
    });
}

#[test]
fn only_the_named_namespace_is_dropped() {
    let app = TestServer::start();
    block_on(async {
        let (one, other) = (app.namespace("a b/ü"), app.namespace("a b"));
        assert!(!one.drop_namespace().await.unwrap());
        one.set("key", &1).await.unwrap();
        other.set("key", &2).await.unwrap();
        assert!(one.drop_namespace().await.unwrap());
        assert_eq!(one.get_or("key", 0).await.unwrap(), 0);
        assert_eq!(other.get_or("key", 0).await.unwrap(), 2);
        assert!(!one.drop_namespace().await.unwrap());
    });
    assert_eq!(app.namespaces(), ["a b"]);
}

#[test]
fn a_prefix_of_any_bytes_is_deleted_and_counted() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        assert_eq!(namespace.delete_prefix("a").await.unwrap(), 0);
        let mut txn = namespace.txn().set(b"\xff", &1).set(b"\xff.", &1);
        for number in 0..900_u32 {
            let key = [&b"\xff/"[..], &number.to_be_bytes()].concat();
            txn = txn.set_bytes(key, "v");
        }
        txn.commit().await.unwrap();
        assert_eq!(namespace.delete_prefix(b"\xff/").await.unwrap(), 900);
        assert_eq!(namespace.list().page().await.unwrap().items.len(), 2);
        let error = namespace.delete_prefix("").await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
        assert_eq!(namespace.list().page().await.unwrap().items.len(), 2);
    });
}

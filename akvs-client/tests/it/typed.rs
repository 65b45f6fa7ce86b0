//! The client's own promises: types, defaults, errors, sharing.

use std::net::TcpListener;
use std::time::Duration;

use akvs_client::{Client, Code, Error};
use serde::{Deserialize, Serialize};

use akvs_testing::server::{TestServer, block_on};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: u8,
    mails: Vec<String>,
}

fn user() -> User {
    User {
        name: "Grüße \0 \"".into(),
        age: 36,
        mails: vec!["a@b.example".into()],
    }
}

#[test]
fn a_typed_value_is_returned_unchanged() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let written = namespace.set("user", &user()).await.unwrap();
        let entry = namespace.get::<User>("user").await.unwrap().unwrap();
        assert_eq!(entry.value, user());
        assert_eq!(entry.content_type, "application/json");
        assert!(entry.revision.is_some());
        assert_eq!(entry.revision, written.revision);
        let stored = namespace.get_bytes("user").await.unwrap().unwrap().value;
        assert_eq!(stored, serde_json::to_vec(&user()).unwrap());
    });
}

#[test]
fn a_missing_key_is_none_or_the_default() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        assert!(namespace.get::<u8>("k").await.unwrap().is_none());
        assert!(namespace.get_bytes("k").await.unwrap().is_none());
        assert_eq!(namespace.get_or("k", 7_u8).await.unwrap(), 7);
        assert_eq!(namespace.get_bytes_or("k", "seven").await.unwrap(), "seven");
        namespace.set("k", &8).await.unwrap();
        assert_eq!(namespace.get_or("k", 7_u8).await.unwrap(), 8);
        assert_eq!(namespace.get_bytes_or("k", "seven").await.unwrap(), "8");
    });
}

#[test]
fn a_value_of_another_type_is_an_error_that_names_the_key() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        namespace.set_bytes(b"k\xff", "hello world").await.unwrap();
        for error in [
            namespace.get::<User>(b"k\xff").await.unwrap_err(),
            namespace.get_or(b"k\xff", user()).await.unwrap_err(),
        ] {
            assert!(
                matches!(&error, Error::Decode { key, .. } if **key == *b"k\xff"),
                "{error:?}"
            );
            assert!(error.to_string().contains("k\\xff"), "{error}");
            assert_eq!(error.code(), None);
        }
    });
}

#[test]
fn a_value_without_json_is_an_error_and_not_stored() {
    let app = TestServer::start();
    let value = std::collections::HashMap::from([((1, 2), 3)]);
    let error = block_on(async { app.namespace("ns").set("k", &value).await }).unwrap_err();
    assert!(
        matches!(&error, Error::Encode { key, .. } if **key == *b"k"),
        "{error:?}"
    );
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn writes_return_whether_the_key_existed() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        assert!(!namespace.del("k").await.unwrap());
        let first = namespace.set("k", &1).await.unwrap();
        let second = namespace.set("k", &2).await.unwrap();
        assert!(!first.existed && second.existed);
        assert!(first.revision.unwrap() < second.revision.unwrap());
        assert!(namespace.del("k").await.unwrap());
        assert!(!namespace.set("k", &3).await.unwrap().existed);
    });
}

#[test]
fn content_fields_are_stored_and_returned() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let write = namespace.set_bytes("k", vec![0x1f, 0x8b, 0xff]);
        write
            .content_type("text/csv; header=present")
            .content_encoding("gzip")
            .await
            .unwrap();
        let entry = namespace.get_bytes("k").await.unwrap().unwrap();
        assert_eq!(entry.value, [0x1f, 0x8b, 0xff][..]);
        assert_eq!(entry.content_type, "text/csv; header=present");
        assert_eq!(entry.content_encoding.as_deref(), Some("gzip"));
        let write = namespace
            .set("k", &1)
            .content_type("application/vnd.number+json");
        write.await.unwrap();
        let entry = namespace.get_bytes("k").await.unwrap().unwrap();
        assert_eq!(entry.content_type, "application/vnd.number+json");
        namespace.set_bytes("k", "plain").await.unwrap();
        let entry = namespace.get_bytes("k").await.unwrap().unwrap();
        assert_eq!(entry.content_type, "application/octet-stream");
        assert_eq!(entry.content_encoding, None);
    });
}

#[test]
fn a_field_with_line_breaks_is_refused_before_the_request() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        for field in ["", "text/plain\r\nX: y", "a\0b", "ü", &"x".repeat(256)] {
            let error = namespace
                .set_bytes("k", "v")
                .content_type(field)
                .await
                .unwrap_err();
            assert!(matches!(error, Error::Invalid(_)), "{field:?}: {error:?}");
            let error = namespace
                .set_bytes("k", "v")
                .content_encoding(field)
                .await
                .unwrap_err();
            assert_eq!(error.code(), Some(Code::InvalidRequest), "{field:?}");
        }
    });
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn an_invalid_key_or_namespace_is_refused_before_the_request() {
    // No server listens there: a request would fail with another error.
    let client = Client::new("http://127.0.0.1:1").unwrap();
    let namespace = client.namespace("ns").unwrap();
    block_on(async {
        for key in [vec![], vec![b'k'; 1_025]] {
            assert_eq!(
                namespace.get_bytes(&key).await.unwrap_err().code(),
                Some(Code::InvalidKey)
            );
            assert_eq!(
                namespace.set(&key, &1).await.unwrap_err().code(),
                Some(Code::InvalidKey)
            );
            assert_eq!(
                namespace.del(&key).await.unwrap_err().code(),
                Some(Code::InvalidKey)
            );
        }
    });
    for name in ["", ".", "..", "a\nb", &"n".repeat(129)] {
        let error = client.namespace(name).unwrap_err();
        assert_eq!(error.code(), Some(Code::InvalidNamespace), "{name:?}");
    }
}

#[test]
fn namespaces_of_any_name_are_separate() {
    let app = TestServer::start();
    let names = [
        "a", "A", "a/b", "a b", "a+b", "%61", "...", "~64", "日本", "?", "#", "\\", ";",
    ];
    block_on(async {
        for name in names {
            app.namespace(name).set("key", &name).await.unwrap();
        }
        for name in names {
            let found = app
                .namespace(name)
                .get::<String>("key")
                .await
                .unwrap()
                .unwrap();
            assert_eq!(found.value, name);
        }
    });
    assert_eq!(app.namespaces().len(), names.len());
}

#[test]
fn many_tasks_share_one_client() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    block_on(async {
        let tasks: Vec<_> = (0..50_u32)
            .map(|number| {
                let namespace = namespace.clone();
                tokio::spawn(async move {
                    let key = number.to_string();
                    namespace.set(&key, &number).await?;
                    namespace.get_or(&key, 0).await
                })
            })
            .collect();
        for (number, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap().unwrap() as usize, number);
        }
    });
}

#[test]
fn an_unreachable_server_is_a_transport_error_without_the_url() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://me:hidden@{}", free.local_addr().unwrap());
    drop(free);
    let namespace = Client::new(&url).unwrap().namespace("hidden").unwrap();
    let error = block_on(namespace.get_bytes("hidden")).unwrap_err();
    assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    assert_eq!(error.to_string(), "the server cannot be reached");
    assert!(std::error::Error::source(&error).is_some());
    assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
    assert_eq!(akvs_core::Error::from(error).code(), Code::Unavailable);
}

#[test]
fn a_silent_server_is_a_transport_error_after_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::builder()
        .base_url(format!("http://{}", silent.local_addr().unwrap()))
        .timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    let write = client.namespace("ns").unwrap().set("key", &1);
    // Much less than the default timeout.
    let timeout = Duration::from_secs(10);
    let answer = block_on(async { tokio::time::timeout(timeout, write.into_future()).await });
    let error = answer.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the server did not answer in time");
    assert_eq!(akvs_core::Error::from(error).code(), Code::OutcomeUnknown);
}

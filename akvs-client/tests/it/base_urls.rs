//! A wrong base URL: the client neither reports a missing key nor writes.

use akvs_client::{
    Client, Code, Encoding, Error, IfChanged, Namespace, RetryPolicy, Revision, Settings,
};

use akvs_testing::server::{TestServer, block_on};

/// The paths that are appended to the server's address.
const WRONG: [&str; 8] = [
    "/kv",
    "/kv/",
    "/kv/ns",
    "/prefix",
    "/prefix/kv",
    "/txn",
    "/import",
    "/export",
];

fn client(app: &TestServer, path: &str) -> Client {
    let builder = Client::builder().retry(RetryPolicy::disabled());
    let builder = builder.base_url(format!("{}{path}", app.url()));
    builder.build().expect("a client")
}

/// Asserts that the result is an error that names the base URL, and not a missing key.
fn is_wrong<T: std::fmt::Debug>(path: &str, what: &str, result: Result<T, Error>) {
    let error = result.expect_err(what);
    assert!(!error.is_not_found(), "{path} {what}: {error:?}");
    assert!(!error.is_unknown_outcome(), "{path} {what}: {error:?}");
    assert_eq!(
        error.code(),
        Some(Code::InvalidRequest),
        "{path} {what}: {error:?}"
    );
    assert!(
        error.to_string().contains("base URL"),
        "{path} {what}: {error}"
    );
}

async fn every_read_is_wrong(path: &str, namespace: &Namespace) {
    is_wrong(path, "get", namespace.get::<u8>("key").await);
    is_wrong(path, "get_or", namespace.get_or("key", 1).await);
    is_wrong(path, "get_bytes", namespace.get_bytes(b"a/\xff").await);
    is_wrong(path, "head", namespace.head("key").await);
    is_wrong(path, "exists", namespace.exists("key").await);
    is_wrong(path, "get_range", namespace.get_range("key", 0..1).await);
    is_wrong(path, "get_many", namespace.get_many::<u8>(["key"]).await);
    is_wrong(path, "list", namespace.list().page().await);
    let changed = namespace
        .get_if_changed::<u8>("key", Revision::new(1))
        .await;
    is_wrong::<IfChanged<u8>>(path, "get_if_changed", changed);
    let mut changes = namespace.watch().since(Revision::ZERO).stream();
    is_wrong(path, "watch", changes.next().await.expect("an end"));
    let mut file = namespace.export().bytes(Encoding::Identity);
    is_wrong(path, "export", file.next().await.expect("an end"));
}

async fn every_write_is_wrong(path: &str, namespace: &Namespace) {
    is_wrong(path, "set", namespace.set("key", &1).await);
    is_wrong(path, "set_bytes", namespace.set_bytes(b"a/\xff", "1").await);
    is_wrong(path, "add", namespace.add("key", 1).await);
    is_wrong(path, "append", namespace.append("key", "1").await);
    is_wrong(path, "touch", namespace.touch("key").await);
    is_wrong(path, "del", namespace.del("key").await);
    is_wrong(path, "del_prefix", namespace.delete_prefix("k").await);
    is_wrong(path, "drop_all", namespace.drop_namespace().await);
    is_wrong(
        path,
        "configure",
        namespace.configure(&Settings::default()).await,
    );
    is_wrong(path, "txn", namespace.txn().set("key", &1).commit().await);
    is_wrong(path, "import", namespace.import().body("{}").await);
}

#[test]
fn a_wrong_base_url_is_an_error_and_writes_nothing() {
    let app = TestServer::start();
    // The keys that a wrong path could address.
    for path in [
        "/kv/kv/ns",
        "/kv/kv/txn",
        "/kv/version/x",
        "/kv/ns/kv",
        "/kv/kv/~64/a2V5",
    ] {
        assert_eq!(app.post(path, "1").status, 201, "{path}");
    }
    let before = app.ask("GET", "/kv").text().to_owned();
    block_on(async {
        for path in WRONG {
            let client = client(&app, path);
            // The last two are names of routes.
            for name in ["ns", "kv", "txn", "~64"] {
                let namespace = client.namespace(name).expect("a namespace");
                every_read_is_wrong(path, &namespace).await;
                every_write_is_wrong(path, &namespace).await;
            }
            is_wrong(path, "version", client.version().await);
            is_wrong(path, "ping", client.ping().await);
            is_wrong(path, "metrics", client.metrics().await);
            is_wrong(path, "is_ready", client.is_ready().await);
            is_wrong(path, "import", client.import().body("{}").await);
            let mut file = client.export().bytes(Encoding::Identity);
            is_wrong(path, "export", file.next().await.expect("an end"));
            is_wrong(path, "namespaces", client.namespaces().page().await);
        }
    });
    assert_eq!(app.ask("GET", "/kv").text(), before);
}

#[test]
fn every_404_names_the_missing_resource() {
    let app = TestServer::start();
    app.post("/kv/n/k", "v");
    for (method, path, missing) in [
        ("GET", "/kv/n/none", "key"),
        ("HEAD", "/kv/n/none", "key"),
        ("GET", "/kv/none/none", "key"),
        ("POST", "/kv/n/none?op=touch", "key"),
        ("GET", "/kv/none", "namespace"),
        ("DELETE", "/kv/none?confirm=none", "namespace"),
        ("DELETE", "/kv/none?prefix=a", "namespace"),
        ("GET", "/settings/none", "namespace"),
        ("GET", "/export/none", "namespace"),
        ("GET", "/nowhere", "path"),
        ("HEAD", "/nowhere", "path"),
        ("GET", "/kv/a/b/c", "path"),
        ("POST", "/kv/a/b/c", "path"),
        ("GET", "/kv/n/", "path"),
        ("GET", "/txn", "path"),
        ("GET", "/watch/a/b", "path"),
        ("GET", "/admin/status", "path"),
    ] {
        for accept in ["", "Accept: application/json\r\n"] {
            let answer = app.connect().ask(method, path, accept, b"");
            assert_eq!(answer.status, 404, "{method} {path}");
            assert_eq!(
                answer.header("AKVS-Missing"),
                Some(missing),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn a_request_of_another_route_than_its_field_names_is_refused() {
    let app = TestServer::start();
    for (method, path, route, status) in [
        ("POST", "/kv/n/k", "key", 201),
        ("POST", "/kv/n/k", "key64", 404),
        ("POST", "/kv/n/~64/aw", "key64", 201),
        ("POST", "/kv/n/~64/aw", "key", 404),
        ("POST", "/kv/txn/n", "txn", 404),
        ("POST", "/kv/n/k", "", 404),
        ("GET", "/kv/n", "namespace", 200),
        ("GET", "/kv", "namespaces", 200),
        ("GET", "/kv", "namespace", 404),
        ("GET", "/version", "version", 200),
        ("GET", "/version", "ping", 404),
        ("POST", "/import/n", "import_all", 404),
        ("GET", "/export/n", "export_all", 404),
    ] {
        let headers = format!("AKVS-Route: {route}\r\n");
        let answer = app.connect().ask(method, path, &headers, b"");
        assert_eq!(answer.status, status, "{method} {path} {route}");
    }
    assert_eq!(app.namespaces(), ["n"]);
}

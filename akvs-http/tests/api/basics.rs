//! Section 3, set, get and delete: statuses and bodies, byte for byte.

use akvs_testing::server::TestServer;

#[test]
fn a_session_with_curl_is_answered_byte_for_byte() {
    let app = TestServer::start();
    let path = "/kv/foo/bar";
    let curl = "Accept: */*\r\nUser-Agent: curl/8.0\r\n";
    let form = "Accept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let ask = |method, headers, body: &[u8]| {
        let answer = app.connect().ask(method, path, headers, body);
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    let expect = |status, body: &str| (status, body.to_owned());

    assert_eq!(ask("GET", curl, b""), expect(404, "Not Found"));
    assert_eq!(ask("POST", form, b"hello world"), expect(201, "Created"));
    assert_eq!(ask("GET", curl, b""), expect(200, "hello world"));
    assert_eq!(ask("DELETE", curl, b""), expect(200, "OK"));
    assert_eq!(ask("GET", curl, b""), expect(404, "Not Found"));
    assert_eq!(
        ask("PUT", form, b"hello world"),
        expect(405, "Method Not Allowed")
    );
}

#[test]
fn replacing_a_value_is_201() {
    let app = TestServer::start();
    assert_eq!(app.post("/kv/foo/bar", "1").summary(), (201, "Created"));
    assert_eq!(app.post("/kv/foo/bar", "2").summary(), (201, "Created"));
    assert_eq!(app.value("/kv/foo/bar"), b"2");
}

#[test]
fn deleting_a_missing_key_is_200() {
    let app = TestServer::start();
    assert_eq!(app.ask("DELETE", "/kv/foo/bar").summary(), (200, "OK"));
}

#[test]
fn other_methods_are_405_with_the_allowed_methods() {
    let app = TestServer::start();
    app.post("/kv/foo/bar", "kept");
    for method in ["PUT", "PATCH", "TRACE", "PROPFIND", "PURGE", "post", "X"] {
        for body in [&b""[..], b"hello world"] {
            let answer = app.connect().ask(method, "/kv/foo/bar", "", body);
            assert_eq!(answer.summary(), (405, "Method Not Allowed"), "{method}");
            let allow = answer.header("Allow").expect("an Allow header");
            let mut allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
            allowed.sort_unstable();
            allowed.retain(|method| *method != "OPTIONS");
            assert_eq!(allowed, ["DELETE", "GET", "HEAD", "POST"], "{method}");
        }
    }
    assert_eq!(app.value("/kv/foo/bar"), b"kept");
}

#[test]
fn another_method_on_a_missing_key_is_405_and_creates_nothing() {
    let app = TestServer::start();
    assert_eq!(app.ask("PUT", "/kv/foo/bar").status, 405);
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn any_other_path_is_404() {
    let app = TestServer::start();
    for path in [
        "/nope",
        "/kvx/a/b",
        "/KV/a/b",
        "/k/a/b",
        "//kv/a/b",
        "/x/kv/a/b",
        "/kv/a/b/c",
    ] {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            let answer = app.ask(method, path);
            assert_eq!(answer.summary(), (404, "Not Found"), "{method} {path}");
        }
    }
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_namespace_is_created_by_its_first_write() {
    let app = TestServer::start();
    app.post("/kv/foo/bar", "1");
    assert_eq!(app.namespaces(), ["foo"]);
}

#[test]
fn reading_a_namespace_that_does_not_exist_is_404_and_creates_nothing() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for method in ["GET", "HEAD"] {
        assert_eq!(connection.ask(method, "/kv/foo/bar", "", b"").status, 404);
    }
    assert_eq!(connection.ask("DELETE", "/kv/foo/bar", "", b"").status, 200);
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn head_is_get_without_the_body() {
    let app = TestServer::start();
    let mut connection = app.connect();
    connection.ask(
        "POST",
        "/kv/foo/bar",
        "Content-Type: text/plain\r\n",
        b"hello world",
    );
    let get = connection.ask("GET", "/kv/foo/bar", "", b"");
    let head = connection.ask("HEAD", "/kv/foo/bar", "", b"");
    assert_eq!((head.status, &head.body[..]), (200, &b""[..]));
    for name in [
        "Content-Length",
        "Content-Type",
        "ETag",
        "X-Content-Type-Options",
    ] {
        assert!(get.header(name).is_some(), "{name}");
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
    let missing = connection.ask("HEAD", "/kv/foo/nope", "", b"");
    assert_eq!(missing.status, 404);
    // If either HEAD had a body, this answer would begin with it.
    assert_eq!(
        connection.ask("GET", "/kv/foo/bar", "", b"").text(),
        "hello world"
    );
}

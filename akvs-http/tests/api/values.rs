//! Sections 2.5 and 3, values: their size, their metadata, and that they are returned unchanged.

use akvs_http::Options;

use akvs_testing::raw::request;
use akvs_testing::server::{TestServer, block_on};

const LIMIT: usize = 10_000;

fn limited() -> TestServer {
    TestServer::with(Options {
        max_value_bytes: LIMIT,
        ..Options::default()
    })
}

#[test]
fn a_value_may_have_any_size_up_to_the_limit() {
    let app = limited();
    for size in [0, 1, LIMIT - 1, LIMIT] {
        let value = vec![b'x'; size];
        assert_eq!(app.post("/kv/ns/key", &value).status, 201, "{size}");
        let answer = app.ask("GET", "/kv/ns/key");
        assert_eq!(answer.body, value);
        assert_eq!(answer.header("Content-Length"), Some(&*size.to_string()));
    }
}

#[test]
fn the_limit_is_16_mib_unless_configured() {
    let app = TestServer::start();
    let namespace = app.namespace("ns");
    let value = vec![7; 16 << 20];
    block_on(async {
        namespace.set_bytes("key", value.clone()).await.unwrap();
        assert!(namespace.get_bytes("key").await.unwrap().unwrap().value == value);
        let error = namespace
            .set_bytes("key", vec![7; (16 << 20) + 1])
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(akvs_client::Code::TooLarge), "{error:?}");
    });
}

#[test]
fn a_longer_value_is_413_with_limit_and_setting() {
    let app = limited();
    app.post("/kv/ns/key", "kept");
    let answer = app.post("/kv/ns/key", vec![b'x'; LIMIT + 1]);
    assert_eq!(answer.refusal(), (413, "too_large".into()));
    let problem = answer.problem();
    assert_eq!(problem["limit"], LIMIT);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("10000") || detail.contains("10,000"),
        "{detail}"
    );
    assert!(
        answer.text().contains("max_value_bytes"),
        "{}",
        answer.text()
    );
    assert_eq!(app.value("/kv/ns/key"), b"kept");
}

#[test]
fn a_content_length_above_the_limit_is_413_before_the_body() {
    let app = limited();
    for expect in ["", "Expect: 100-continue\r\n"] {
        for length in [LIMIT as u64 + 1, 1 << 40, u64::MAX] {
            let mut connection = app.connect();
            connection.send(format!(
                "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\n{expect}Content-Length: {length}\r\n\r\n"
            ));
            assert_eq!(
                connection.final_answer().refusal(),
                (413, "too_large".into()),
                "{length}"
            );
        }
    }
}

#[test]
fn a_chunked_body_that_is_too_long_is_413() {
    let app = limited();
    for size in [1, 100, 4_096, LIMIT + 1] {
        let mut connection = app.connect();
        connection.send(
            "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for _ in 0..LIMIT / size + 1 {
            connection.send(format!("{size:x}\r\n{}\r\n", "x".repeat(size)));
        }
        connection.send("0\r\n\r\n");
        assert_eq!(
            connection.answer().refusal(),
            (413, "too_large".into()),
            "chunks of {size}"
        );
    }
    assert_eq!(app.ask("GET", "/kv/ns/key").status, 404);
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_chunked_body_is_one_value() {
    let app = limited();
    let mut connection = app.connect();
    let head = "POST /kv/ns/key HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (chunks, value) in [
        ("0\r\n\r\n", ""),
        (
            "5\r\nhello\r\n6;name=x\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
            "hello world",
        ),
    ] {
        connection.send([head, chunks].concat());
        assert_eq!(connection.answer().status, 201, "{chunks}");
        assert_eq!(app.value("/kv/ns/key"), value.as_bytes());
    }
    let chunk = format!("{LIMIT:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(LIMIT));
    connection.send([head, &chunk].concat());
    assert_eq!(connection.answer().status, 201);
}

#[test]
fn every_byte_is_returned_unchanged() {
    let app = TestServer::start();
    let value: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    app.post("/kv/ns/key", &value);
    assert!(app.value("/kv/ns/key") == value);
}

#[test]
fn a_content_type_is_stored_and_returned() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for media_type in [
        "text/plain",
        "text/html; charset=utf-8",
        "application/json",
        "image/svg+xml",
        "Application/X-Mixed; A=\"b c\"",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-8",
        "not a media type",
    ] {
        let header = format!("Content-Type: {media_type}\r\n");
        let stored = connection.ask("POST", "/kv/ns/key", &header, b"{}");
        assert_eq!(stored.status, 201, "{media_type}");
        let found = connection.ask("GET", "/kv/ns/key", "", b"");
        if media_type.starts_with("application/x-www-form") {
            // The contract does not state whether a type with parameters counts as curl's default.
            continue;
        }
        assert_eq!(found.header("Content-Type"), Some(media_type));
        assert_eq!(found.header("Content-Encoding"), None);
    }
}

#[test]
fn without_a_content_type_or_with_curls_default_a_value_is_an_octet_stream() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for header in [
        "",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: Application/X-WWW-Form-Urlencoded\r\n",
    ] {
        connection.ask("POST", "/kv/ns/key", "Content-Type: text/plain\r\n", b"a=b");
        connection.ask("POST", "/kv/ns/key", header, b"a=b");
        let found = connection.ask("GET", "/kv/ns/key", "", b"");
        assert_eq!(
            found.header("Content-Type"),
            Some("application/octet-stream"),
            "{header}"
        );
        assert_eq!(found.text(), "a=b");
    }
}

#[test]
fn a_content_encoding_is_kept_and_the_body_never_decoded() {
    let app = TestServer::start();
    let mut connection = app.connect();
    // The body is not encoded in this way, so decoding it would fail.
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, aes128gcm"] {
        let header = format!("Content-Encoding: {encoding}\r\n");
        assert_eq!(
            connection
                .ask("POST", "/kv/ns/key", &header, b"not it")
                .status,
            201
        );
        for accept in [
            "",
            "Accept-Encoding: identity\r\n",
            "Accept-Encoding: gzip, br, zstd\r\n",
        ] {
            let found = connection.ask("GET", "/kv/ns/key", accept, b"");
            assert_eq!(found.header("Content-Encoding"), Some(encoding));
            assert_eq!(found.text(), "not it");
        }
    }
}

#[test]
fn a_body_is_never_encoded() {
    let app = TestServer::start();
    let value = "long and boring, ".repeat(1_000);
    let mut connection = app.connect();
    connection.ask(
        "POST",
        "/kv/ns/key",
        "Content-Type: text/html\r\n",
        value.as_bytes(),
    );
    let found = connection.ask(
        "GET",
        "/kv/ns/key",
        "Accept-Encoding: gzip, br, zstd\r\n",
        b"",
    );
    assert_eq!(
        (found.text(), found.header("Content-Encoding")),
        (&*value, None)
    );
}

#[test]
fn values_always_have_the_headers_that_prevent_their_execution() {
    let app = TestServer::start();
    for (path, header) in [
        ("/kv/ns/page", "Content-Type: text/html\r\n"),
        ("/kv/ns/plain", ""),
        ("/kv/ns/~64/Lw", "Content-Type: image/svg+xml\r\n"),
    ] {
        let mut connection = app.connect();
        connection.send(request("POST", path, header, b"<script>alert(1)</script>"));
        assert_eq!(connection.answer().status, 201);
        for method in ["GET", "HEAD"] {
            let found = connection.ask(method, path, "", b"");
            assert_eq!(
                found.header("X-Content-Type-Options"),
                Some("nosniff"),
                "{method} {path}"
            );
            assert_eq!(
                found.header("Content-Security-Policy"),
                Some("sandbox; default-src 'none'"),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn every_answer_about_an_existing_key_has_its_revision() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let mut last = 0;
    let tagged = |answer: &akvs_testing::raw::Answer| -> u64 {
        let tag = answer.header("ETag").expect("a tag");
        tag.trim_matches('"')
            .parse()
            .unwrap_or_else(|_| panic!("{tag}"))
    };
    for value in ["1", "2", "2"] {
        let written = tagged(&connection.ask("POST", "/kv/ns/key", "", value.as_bytes()));
        assert!(written > last);
        last = written;
        assert_eq!(tagged(&connection.ask("GET", "/kv/ns/key", "", b"")), last);
        assert_eq!(tagged(&connection.ask("HEAD", "/kv/ns/key", "", b"")), last);
    }
    assert!(tagged(&connection.ask("DELETE", "/kv/ns/key", "", b"")) > last);
}

#[test]
fn a_write_returns_whether_the_key_existed() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for (method, existed) in [
        ("DELETE", "?0"),
        ("POST", "?0"),
        ("POST", "?1"),
        ("DELETE", "?1"),
        ("DELETE", "?0"),
    ] {
        let answer = connection.ask(method, "/kv/ns/key", "", b"");
        assert_eq!(answer.header("AKVS-Existed"), Some(existed), "{method}");
    }
}

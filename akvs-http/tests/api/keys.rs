//! Section 2.2 and 2.3, keys: any bytes, from the raw path.

use akvs_testing::server::{TestServer, block_on};

#[test]
fn each_spelling_is_the_key_of_its_bytes() {
    let app = TestServer::start();
    for (path, key) in [
        ("%2F", &b"/"[..]),
        ("a%2Fb", b"a/b"),
        ("%FF", b"\xff"),
        ("%FE", b"\xfe"),
        ("%ef%bf%bd", "\u{fffd}".as_bytes()),
        ("+", b"+"),
        ("%20", b" "),
        ("%00", b"\0"),
        ("%0D%0A", b"\r\n"),
        ("%25", b"%"),
        ("%2525", b"%25"),
        ("%3F", b"?"),
        ("%23", b"#"),
        ("a;b=c", b"a;b=c"),
        ("!$&'()*,:@", b"!$&'()*,:@"),
        (".", b"."),
        ("..", b".."),
        ("%2e", b"."),
        ("%2E%2E", b".."),
        ("%41", b"A"),
        ("%c3%BC", "ü".as_bytes()),
    ] {
        let value = format!("value of {path}");
        assert_eq!(
            app.post(&format!("/kv/ns/{path}"), &value).status,
            201,
            "{path}"
        );
        assert_eq!(
            app.value(&format!("/kv/ns/{path}")),
            value.as_bytes(),
            "{path}"
        );
        let found = block_on(app.namespace("ns").get_bytes(key)).unwrap();
        assert_eq!(
            found
                .unwrap_or_else(|| panic!("{path} names another key"))
                .value,
            value
        );
    }
}

#[test]
fn keys_that_are_not_utf8_do_not_collide() {
    let app = TestServer::start();
    for byte in 0x80..=0xff_u8 {
        app.post(&format!("/kv/ns/%{byte:02X}"), [byte]);
    }
    for byte in 0x80..=0xff_u8 {
        assert_eq!(app.value(&format!("/kv/ns/%{byte:02x}")), [byte]);
    }
}

#[test]
fn a_plus_is_not_a_space() {
    let app = TestServer::start();
    app.post("/kv/ns/a+b", "plus");
    assert_eq!(app.ask("GET", "/kv/ns/a%20b").status, 404);
    assert_eq!(app.value("/kv/ns/a%2Bb"), b"plus");
}

#[test]
fn a_malformed_percent_is_400_and_stores_nothing() {
    let app = TestServer::start();
    for key in [
        "%", "%4", "%GG", "a%", "%%41", "%u0041", "%+1", "%-1", "a%2", "%2%46",
    ] {
        for path in [
            format!("/kv/ns/{key}"),
            format!("/kv/{key}/key"),
            format!("/kv/ns/{key}/"),
        ] {
            for method in ["GET", "POST", "DELETE"] {
                let answer = app.ask(method, &path);
                assert_eq!(answer.status, 400, "{method} {path}");
                answer.problem();
            }
        }
    }
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn an_empty_key_is_404() {
    let app = TestServer::start();
    for path in ["/kv/ns/", "/kv/ns//"] {
        for method in ["POST", "DELETE"] {
            assert_eq!(
                app.ask(method, path).summary(),
                (404, "Not Found"),
                "{method} {path}"
            );
        }
    }
    assert_eq!(app.ask("GET", "/kv/ns//").summary(), (404, "Not Found"));
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn one_trailing_slash_after_a_key_is_dropped() {
    let app = TestServer::start();
    assert_eq!(app.post("/kv/ns/key/", "1").status, 201);
    assert_eq!(app.value("/kv/ns/key"), b"1");
    assert_eq!(app.value("/kv/ns/key/"), b"1");
    assert_eq!(app.ask("GET", "/kv/ns/key//").status, 404);
    assert_eq!(app.ask("PUT", "/kv/ns/key/").status, 405);
    assert_eq!(app.ask("GET", "/kv/ns/key%2F").status, 404);
    assert_eq!(app.ask("DELETE", "/kv/ns/key/").status, 200);
    assert_eq!(app.ask("GET", "/kv/ns/key").status, 404);
}

#[test]
fn a_query_is_not_part_of_the_key() {
    let app = TestServer::start();
    app.post("/kv/ns/key", "1");
    assert_eq!(app.post("/kv/ns/key?", "2").status, 201);
    assert_eq!(app.value("/kv/ns/key?"), b"2");
}

#[test]
fn the_base64url_path_has_every_method() {
    let app = TestServer::start();
    let path = "/kv/ns/~64/YmFy";
    assert_eq!(app.ask("GET", path).summary(), (404, "Not Found"));
    assert_eq!(app.post(path, "hello").summary(), (201, "Created"));
    assert_eq!(app.value("/kv/ns/bar"), b"hello");
    assert_eq!(app.value(path), b"hello");
    assert_eq!(app.ask("HEAD", path).header("Content-Length"), Some("5"));
    assert_eq!(app.ask("PUT", path).summary(), (405, "Method Not Allowed"));
    assert!(app.ask("PATCH", path).header("Allow").is_some());
    assert_eq!(app.post(&format!("{path}?tll=1"), "x").status, 400);
    assert_eq!(app.ask("DELETE", path).summary(), (200, "OK"));
    assert_eq!(app.ask("GET", "/kv/ns/bar").status, 404);
}

#[test]
fn the_base64url_path_names_any_key() {
    let app = TestServer::start();
    for (encoded, plain) in [
        ("Lg", "%2E"),
        ("Li4", "%2E%2E"),
        ("Lw", "%2F"),
        ("YS9i", "a%2Fb"),
        ("AA", "%00"),
        ("__4", "%FF%FE"),
        ("-_-_", "%FB%FF%BF"),
    ] {
        assert_eq!(
            app.post(&format!("/kv/ns/~64/{encoded}"), plain).status,
            201,
            "{encoded}"
        );
        assert_eq!(app.value(&format!("/kv/ns/{plain}")), plain.as_bytes());
    }
    app.post("/kv/ns/~64/fjY0", "the key ~64");
    assert_eq!(app.value("/kv/ns/~64/fjY0/"), b"the key ~64");
}

#[test]
fn malformed_base64url_is_400() {
    let app = TestServer::start();
    for text in [
        "YmFy=", "YmE=", "Y", "a+b/", "YmF%20", "YmF%00", "Ym.y", "YmFyY",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = app.ask(method, &format!("/kv/ns/~64/{text}"));
            let expected = if text.contains('/') { 404 } else { 400 };
            assert!(
                [400, expected].contains(&answer.status),
                "{method} {text}: {answer:?}"
            );
        }
    }
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_key_has_exactly_one_spelling_in_base64url() {
    let app = TestServer::start();
    app.post("/kv/ns/~64/YQ", "a");
    // The last two bits of the second letter are unused; values other than zero would be another name for `a`.
    assert_eq!(app.ask("GET", "/kv/ns/~64/YR").status, 400);
}

#[test]
fn a_key_has_at_most_1024_bytes_decoded() {
    let app = TestServer::start();
    for unit in ["k", "%FF", "%6b"] {
        let longest = format!("/kv/ns/{}", unit.repeat(1_024));
        assert_eq!(app.post(&longest, unit).status, 201, "{unit}");
        assert_eq!(app.value(&longest), unit.as_bytes());
        let longer = format!("/kv/ns/{}", unit.repeat(1_025));
        for method in ["GET", "POST", "DELETE"] {
            let answer = app.ask(method, &longer);
            assert_eq!(
                answer.refusal(),
                (400, "invalid_key".into()),
                "{method} {unit}"
            );
        }
    }
    // 1,024 and 1,025 bytes have 1,366 and 1,367 letters.
    assert_eq!(
        app.post(&format!("/kv/ns/~64/{}", "A".repeat(1_366)), "")
            .status,
        201
    );
    let answer = app.post(&format!("/kv/ns/~64/{}", "A".repeat(1_367)), "");
    assert_eq!(answer.refusal(), (400, "invalid_key".into()));
}

#[test]
fn a_target_in_absolute_form_names_the_same_key() {
    let app = TestServer::start();
    let url = format!("{}/kv/ns/a%2Fb", app.url());
    assert_eq!(app.post(&url, "absolute").status, 201);
    assert_eq!(app.value("/kv/ns/a%2Fb"), b"absolute");
    assert_eq!(app.value("http://elsewhere/kv/ns/a%2Fb/"), b"absolute");
    assert_eq!(app.ask("GET", "http://elsewhere/nope").status, 404);
}

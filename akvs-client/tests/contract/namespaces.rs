//! Section 2, namespaces: their names, and that they are apart from each other.

use crate::app::TestApp;

#[test]
fn namespaces_do_not_see_each_others_keys() {
    let app = TestApp::start();
    for name in ["a", "b", "A", "a%20", "a%2F", "%C3%A4", "~64"] {
        assert_eq!(app.post(&format!("/kv/{name}/key"), name).status, 201);
    }
    for name in ["a", "b", "A", "a%20", "a%2F", "%C3%A4", "~64"] {
        assert_eq!(app.value(&format!("/kv/{name}/key")), name.as_bytes());
    }
    app.ask("DELETE", "/kv/a/key");
    assert_eq!(app.ask("GET", "/kv/a/key").status, 404);
    assert_eq!(app.value("/kv/b/key"), b"b");
}

#[test]
fn the_border_between_namespace_and_key_is_not_blurred() {
    let app = TestApp::start();
    app.post("/kv/a/bc", "1");
    app.post("/kv/ab/c", "2");
    app.post("/kv/a%2Fb/c", "3");
    app.post("/kv/a/b%2Fc", "4");
    for (path, value) in [
        ("/kv/a/bc", "1"),
        ("/kv/ab/c", "2"),
        ("/kv/a%2Fb/c", "3"),
        ("/kv/a/b%2Fc", "4"),
    ] {
        assert_eq!(app.value(path), value.as_bytes());
    }
}

#[test]
fn a_namespace_has_1_to_128_bytes_decoded() {
    let app = TestApp::start();
    for (unit, most) in [("n", 128), ("%6E", 128), ("%C3%BC", 64)] {
        assert_eq!(
            app.post(&format!("/kv/{}/k", unit.repeat(most)), "1")
                .status,
            201,
            "{unit}"
        );
        for method in ["GET", "POST", "DELETE"] {
            let answer = app.ask(method, &format!("/kv/{}/k", unit.repeat(most + 1)));
            assert_eq!(
                answer.refusal(),
                (400, "invalid_namespace".into()),
                "{method} {unit}"
            );
        }
    }
}

#[test]
fn a_path_without_a_namespace_is_404() {
    let app = TestApp::start();
    for method in ["GET", "POST", "DELETE"] {
        assert_eq!(
            app.ask(method, "/kv//key").summary(),
            (404, "Not Found"),
            "{method}"
        );
    }
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_namespace_is_utf8_without_control_characters() {
    let app = TestApp::start();
    for name in [
        "%FF",
        "a%E9",
        "%C3",
        "%ED%A0%80",
        "%00",
        "a%0Ab",
        "%1B",
        "%7F",
        "%C2%85",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = app.ask(method, &format!("/kv/{name}/key"));
            assert_eq!(
                answer.refusal(),
                (400, "invalid_namespace".into()),
                "{method} {name}"
            );
        }
    }
    assert_eq!(app.namespaces(), [""; 0]);
}

#[test]
fn a_namespace_may_have_any_other_characters() {
    let app = TestApp::start();
    for (path, name) in [
        ("%20", " "),
        ("%2F", "/"),
        ("%E6%97%A5%E6%9C%AC", "日本"),
        ("..", ".."),
        ("%2E", "."),
        ("%25", "%"),
        ("a+b", "a+b"),
    ] {
        assert_eq!(
            app.post(&format!("/kv/{path}/key"), "1").status,
            201,
            "{path}"
        );
        assert!(app.namespaces().iter().any(|found| found == name), "{path}");
    }
}

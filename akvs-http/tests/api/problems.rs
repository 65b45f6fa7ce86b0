//! Section 16, errors: the requests that get short texts, and those that get problem documents.

use akvs_testing::server::TestServer;

/// Values of `Accept`, and whether they ask for a problem document in place of the text.
const ACCEPTS: [(&str, bool); 9] = [
    ("", false),
    ("Accept: */*\r\n", false),
    ("Accept: text/plain\r\n", false),
    ("Accept: text/html,*/*;q=0.8\r\n", false),
    ("Accept: application/problem+json\r\n", true),
    ("Accept: application/json\r\n", true),
    ("Accept: application/problem+json, */*\r\n", true),
    ("Accept: text/html, application/json;q=0.5\r\n", true),
    ("Accept: text/html\r\nAccept: Application/JSON\r\n", true),
];

#[test]
fn plain_text_errors_are_problem_documents_on_request() {
    let app = TestServer::start();
    for (accept, wants) in ACCEPTS {
        for (method, path, status, text, code) in [
            ("GET", "/kv/foo/bar", 404, "Not Found", "not_found"),
            ("GET", "/nope", 404, "Not Found", "not_found"),
            (
                "PUT",
                "/kv/foo/bar",
                405,
                "Method Not Allowed",
                "method_not_allowed",
            ),
        ] {
            let answer = app.connect().ask(method, path, accept, b"");
            if wants {
                assert_eq!(
                    answer.refusal(),
                    (status, code.into()),
                    "{accept}{method} {path}"
                );
            } else {
                assert_eq!(answer.summary(), (status, text), "{accept}{method} {path}");
            }
            assert_eq!(answer.header("Allow").is_some(), status == 405);
        }
    }
}

#[test]
fn all_other_errors_are_always_problem_documents() {
    let app = TestServer::start();
    for (accept, _) in ACCEPTS {
        for (method, path) in [
            ("GET", "/kv/foo/%"),
            ("POST", "/kv/foo/bar?tll=60"),
            ("POST", "/kv/%00/bar"),
            ("DELETE", "/kv/foo/%zz"),
        ] {
            let answer = app.connect().ask(method, path, accept, b"");
            assert_eq!(answer.status, 400, "{accept}{method} {path}");
            answer.problem();
        }
    }
}

#[test]
fn a_path_with_more_segments_explains_how_to_encode_a_slash() {
    let app = TestServer::start();
    let accept = "Accept: application/problem+json\r\n";
    for path in ["/kv/a/b/c", "/kv/a/b/c/d", "/kv/a/b/c/"] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = app.connect().ask(method, path, accept, b"");
            assert_eq!(
                answer.refusal(),
                (404, "not_found".into()),
                "{method} {path}"
            );
            let problem = answer.problem();
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("%2F"), "{method} {path}: {detail}");
        }
    }
}

#[test]
fn a_refused_parameter_is_named() {
    let app = TestServer::start();
    for (method, query, name) in [
        ("POST", "tll=60", "tll"),
        ("POST", "x", "x"),
        ("POST", "op=frobnicate", "op"),
        ("DELETE", "confirm=foo", "confirm"),
    ] {
        let answer = app.ask(method, &format!("/kv/foo/bar?{query}"));
        assert_eq!(
            answer.refusal(),
            (400, "invalid_request".into()),
            "{method} {query}"
        );
        let problem = answer.problem();
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(name), "{method} {query}: {detail}");
        assert_eq!(problem["parameter"], name, "{method} {query}");
    }
    assert_eq!(
        app.namespaces(),
        [""; 0],
        "a misspelt parameter created a key without a deadline"
    );
}

#[test]
fn a_refused_parameter_does_not_change_the_value() {
    let app = TestServer::start();
    app.post("/kv/foo/bar", "kept");
    assert_eq!(app.post("/kv/foo/bar?tll=60", "new").status, 400);
    assert_eq!(app.ask("DELETE", "/kv/foo/bar?force=1").status, 400);
    assert_eq!(app.value("/kv/foo/bar"), b"kept");
}

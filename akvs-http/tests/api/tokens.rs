//! Section 14.2, access control with tokens.

mod batches;
mod disclosure;
mod matrix;
mod reach;
mod replacement;
mod whoami;

use akvs_http::{Options, Right, Token, Tokens};

use akvs_testing::raw::Answer;
use akvs_testing::server::TestServer;

/// Returns a token with this secret.
pub(crate) fn token(secret: &str, rights: &[Right], namespaces: &[&str]) -> Token {
    Token {
        name: format!("name of {}", secret.len()),
        sha256: Token::hash(secret),
        rights: rights.to_vec(),
        namespaces: namespaces.iter().map(|&text| text.into()).collect(),
        key_prefix: Default::default(),
        expires: None,
    }
}

/// Returns the options of a server with these tokens.
pub(crate) fn options(tokens: Vec<Token>) -> Options {
    Options {
        tokens: Tokens::new(tokens).expect("tokens"),
        ..Options::default()
    }
}

/// Sends a request with this token and these fields.
fn ask_with(
    app: &TestServer,
    secret: &str,
    method: &str,
    path: &str,
    fields: &str,
    body: &str,
) -> Answer {
    let header = format!("Authorization: Bearer {secret}\r\n{fields}");
    let mut connection = app.connect();
    connection.send(akvs_testing::raw::request(
        method,
        path,
        &header,
        body.as_bytes(),
    ));
    connection.whole_answer_to(method)
}

/// Sends a request with this token.
pub(crate) fn ask(app: &TestServer, secret: &str, method: &str, path: &str, body: &str) -> Answer {
    let header = format!("Authorization: Bearer {secret}\r\n");
    app.connect().ask(method, path, &header, body.as_bytes())
}

/// A request, and the first right that it needs, if any; `matrix` has all rights.
type Needs = (&'static str, &'static str, &'static str, Option<Right>);

/// All kinds of requests on a server with the key `k` in the namespace `n`.
const REQUESTS: [Needs; 28] = [
    ("GET", "/kv/n/k", "", Some(Right::Read)),
    ("HEAD", "/kv/n/k", "", Some(Right::Read)),
    ("GET", "/kv/n/missing", "", Some(Right::Read)),
    ("GET", "/kv/n/~64/aw", "", Some(Right::Read)),
    ("POST", "/kv/n/k", "v", Some(Right::Write)),
    ("POST", "/kv/n/~64/aw", "v", Some(Right::Write)),
    ("POST", "/kv/n/sum?op=add", "1", Some(Right::Write)),
    ("POST", "/kv/n/k?op=append", "w", Some(Right::Write)),
    ("POST", "/kv/n/k?op=touch", "", Some(Right::Write)),
    ("DELETE", "/kv/n/none", "", Some(Right::Write)),
    ("GET", "/kv/n", "", Some(Right::Read)),
    ("HEAD", "/kv/n", "", Some(Right::Read)),
    ("PUT", "/kv/n", "{}", Some(Right::Admin)),
    ("DELETE", "/kv/n?prefix=zzz", "", Some(Right::Write)),
    ("DELETE", "/kv/none?confirm=none", "", Some(Right::Admin)),
    ("HEAD", "/watch/n", "", Some(Right::Read)),
    (
        "POST",
        "/txn/n",
        r#"{"ops":[{"op":"delete","key":"none"}]}"#,
        Some(Right::Write),
    ),
    ("POST", "/get/n", r#"{"keys":["k"]}"#, Some(Right::Read)),
    ("GET", "/kv", "", Some(Right::Read)),
    ("HEAD", "/kv", "", Some(Right::Read)),
    ("GET", "/version", "", None),
    ("GET", "/whoami", "", None),
    ("GET", "/metrics", "", Some(Right::Read)),
    ("HEAD", "/export/n", "", Some(Right::Read)),
    ("HEAD", "/export", "", Some(Right::Read)),
    ("POST", "/import/n", "", Some(Right::Write)),
    ("POST", "/import", "", Some(Right::Write)),
    ("GET", "/no/such/path", "", None),
];

#[test]
fn requests_without_a_token_are_401_and_change_nothing() {
    let app = TestServer::with(options(vec![token("s", &[Right::Admin], &["*"])]));
    for (method, path, body, _) in REQUESTS {
        let answer = app.connect().ask(method, path, "", body.as_bytes());
        assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
        let challenge = answer.header("WWW-Authenticate");
        assert_eq!(challenge, Some("Bearer realm=\"akvs\""), "{method} {path}");
        if method != "HEAD" {
            assert_eq!(answer.refusal().1, "unauthorized");
        }
    }
    assert_eq!(app.namespaces(), Vec::<String>::new());
    for path in ["/ping", "/livez", "/readyz"] {
        assert_eq!(app.ask("GET", path).status, 200, "{path}");
    }
}

#[test]
fn methods_are_not_disclosed_without_a_token() {
    let app = TestServer::with(options(vec![token("s", &[Right::Read], &["*"])]));
    let asked = REQUESTS.iter().map(|(_, path, ..)| *path);
    for path in asked.chain(["/openapi.json", "/watch/", "/export/a/b", "/import/%zz"]) {
        for method in ["OPTIONS", "PATCH"] {
            let answer = app.ask(method, path);
            assert_eq!(
                answer.refusal(),
                (401, "unauthorized".into()),
                "{method} {path}"
            );
            assert_eq!(answer.header("Allow"), None, "{method} {path}");
        }
    }
    // Any token is sufficient, because the answer discloses no data.
    for path in [
        "/kv",
        "/kv/n",
        "/kv/n/k",
        "/settings/n",
        "/txn/n",
        "/get/n",
        "/watch/n",
        "/export/n",
        "/export",
    ]
    .into_iter()
    .chain([
        "/import/n",
        "/import",
        "/metrics",
        "/version",
        "/whoami",
        "/openapi.json",
    ]) {
        let expected = ask(&app, "s", "OPTIONS", path, "");
        assert_eq!(expected.status, 204, "{path}");
        let refused = ask(&app, "s", "TRACE", path, "");
        assert_eq!(refused.status, 405, "{path}");
        assert_eq!(refused.header("Allow"), expected.header("Allow"), "{path}");
    }
    for path in ["/", "/ping", "/livez", "/readyz"] {
        assert_eq!(app.ask("OPTIONS", path).status, 204, "{path}");
        assert_eq!(app.ask("PATCH", path).status, 405, "{path}");
    }
}

#[test]
fn malformed_tokens_are_401() {
    let app = TestServer::with(options(vec![token("secret", &[Right::Admin], &["*"])]));
    for header in [
        "Bearer secre",
        "Bearer secrets",
        "Bearer Secret",
        "Bearer",
        "Bearer secret secret",
        "Basic c2VjcmV0",
        "secret",
    ] {
        let line = format!("Authorization: {header}\r\n");
        let answer = app.connect().ask("POST", "/kv/n/k", &line, b"v");
        assert_eq!(answer.refusal(), (401, "unauthorized".into()), "{header}");
        let challenge = answer.header("WWW-Authenticate").expect("a challenge");
        assert!(challenge.contains("invalid_token"), "{challenge}");
        assert!(!answer.text().contains("secre"), "{}", answer.text());
    }
    let twice = "Authorization: Bearer secret\r\n".repeat(2);
    assert_eq!(app.connect().ask("GET", "/kv", &twice, b"").status, 401);
    // A token in the URL is never accepted.
    for query in ["access_token=secret", "token=secret"] {
        assert_eq!(
            app.ask("GET", &format!("/kv?{query}")).status,
            401,
            "{query}"
        );
    }
    assert_eq!(app.namespaces(), Vec::<String>::new());
    assert_eq!(ask(&app, "secret", "POST", "/kv/n/k", "v").status, 201);
}

#[test]
fn forbidden_writes_change_nothing_and_create_no_namespace() {
    let app = TestServer::with(options(vec![
        token("r", &[Right::Read], &["*"]),
        token("aa", &[Right::Admin], &["*"]),
    ]));
    assert_eq!(ask(&app, "aa", "POST", "/kv/n/k", "kept").status, 201);
    for (method, path, body, needs) in REQUESTS {
        if needs.is_some_and(|needs| needs != Right::Read) {
            let missing_path = path.replace("/n", "/new").replace("=none", "=newone");
            assert_eq!(
                ask(&app, "r", method, path, body).status,
                403,
                "{method} {path}"
            );
            assert_eq!(
                ask(&app, "r", method, &missing_path, body).status,
                403,
                "{missing_path}"
            );
        }
    }
    assert_eq!(app.namespaces(), ["n"]);
    assert_eq!(
        ask(&app, "r", "GET", "/kv/n/k", "").summary(),
        (200, "kept")
    );
    assert_eq!(ask(&app, "r", "GET", "/kv/n/k", "").revision(), 1);
}

#[test]
fn a_write_from_another_site_is_refused_on_an_open_server() {
    let app = TestServer::start();
    assert_eq!(app.post("/kv/n/k", "kept").status, 201);
    let ask = |method: &str, path: &str, headers: &str| {
        app.connect().ask(method, path, headers, b"{}").status
    };
    let own = format!("Origin: http://{}\r\n", app.address);
    for other_site in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:1\r\n",
    ] {
        for (method, path, _, needs) in REQUESTS {
            if needs.is_some_and(|needs| needs != Right::Read) {
                assert_eq!(
                    ask(method, path, other_site),
                    403,
                    "{method} {path} {other_site}"
                );
            }
        }
        assert_eq!(ask("GET", "/kv/n/k", other_site), 200);
    }
    assert_eq!(app.ask("GET", "/kv/n/k").summary(), (200, "kept"));
    for allowed in [
        "",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: none\r\n",
    ] {
        assert_eq!(ask("POST", "/kv/n/k", allowed), 201, "{allowed}");
    }
    let mut connection = app.connect();
    let address = app.address;
    connection.send(format!(
        "POST /kv/n/k HTTP/1.1\r\nHost: {address}\r\n{own}Content-Length: 0\r\n\r\n"
    ));
    assert_eq!(connection.answer().status, 201);
}

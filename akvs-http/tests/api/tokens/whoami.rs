//! Section 14.3, `GET /whoami`: the rights of the caller, and nothing of other tokens.

use std::time::{Duration, SystemTime};

use akvs_http::{Right, Token};
use serde_json::{Value, json};

use super::{ask, options, token};
use akvs_testing::server::TestServer;

fn whoami(app: &TestServer, secret: &str) -> Value {
    let answer = ask(app, secret, "GET", "/whoami", "");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    assert!(!answer.text().contains("secret"), "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("a document")
}

#[test]
fn whoami_has_the_rights_of_the_token() {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let app = TestServer::with(options(vec![
        Token {
            name: "reader".into(),
            key_prefix: "a/".into(),
            expires: Some(end),
            ..token("secret-1", &[Right::Read], &["app-*", "n"])
        },
        Token {
            name: "owner".into(),
            key_prefix: vec![0xff].into(),
            ..token("secret-2", &[Right::Admin], &["*"])
        },
    ]));
    assert_eq!(
        whoami(&app, "secret-1"),
        json!({
            "token": "reader",
            "rights": ["read"],
            "namespaces": ["app-*", "n"],
            "key_prefix": "a/",
            "expires": "2096-10-02T07:06:40.000Z",
        })
    );
    assert_eq!(
        whoami(&app, "secret-2"),
        json!({
            "token": "owner",
            "rights": ["read", "write", "admin"],
            "namespaces": ["*"],
            "key_prefix64": "_w",
            "expires": null,
        })
    );
    assert_eq!(app.ask("GET", "/whoami").status, 401);
    assert_eq!(ask(&app, "other", "GET", "/whoami", "").status, 401);
    let unknown = ask(&app, "secret-1", "GET", "/whoami?of=owner", "");
    assert_eq!(unknown.refusal(), (400, "invalid_request".to_owned()));
}

#[test]
fn without_tokens_all_requests_are_allowed() {
    let answer = TestServer::start().ask("GET", "/whoami");
    assert_eq!(
        serde_json::from_slice::<Value>(&answer.body).expect("a document"),
        json!({
            "token": null,
            "rights": ["read", "write", "admin"],
            "namespaces": ["*"],
            "key_prefix": "",
            "expires": null,
        })
    );
}

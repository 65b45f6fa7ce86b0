//! The scope of a token's rights: namespaces by patterns, and keys by prefixes.

use akvs_http::{Right, Token};
use serde_json::Value;

use super::{ask, options, token};
use akvs_testing::server::TestServer;

/// Starts a server with the token `t` and the token `admin`, which has all rights.
fn app(restricted: Token) -> TestServer {
    TestServer::with(options(vec![
        token("admin", &[Right::Admin], &["*"]),
        restricted,
    ]))
}

#[test]
fn namespaces_are_reached_by_patterns() {
    let app = app(token(
        "t",
        &[Right::Read, Right::Write],
        &["app-*", "one", "v?"],
    ));
    for (namespace, may) in [
        ("app-", true),
        ("app-a%2Fb", true),
        ("app", false),
        ("App-a", false),
        ("one", true),
        ("one1", false),
        ("v1", true),
        ("v%C3%A9", true),
        ("v", false),
        ("v12", false),
        ("my%20app-", false),
    ] {
        let path = format!("/kv/{namespace}/k");
        let status = ask(&app, "t", "POST", &path, "v").status;
        assert_eq!(status, if may { 201 } else { 403 }, "{namespace}");
        let status = ask(&app, "t", "GET", &path, "").status;
        assert_eq!(status, if may { 200 } else { 403 }, "{namespace}");
        if !may {
            // The token does not learn whether the namespace exists.
            assert_eq!(ask(&app, "admin", "POST", &path, "v").status, 201);
            assert_eq!(ask(&app, "t", "GET", &path, "").status, 403, "{namespace}");
        }
    }
}

#[test]
fn only_namespaces_within_reach_are_listed() {
    let app = app(token("t", &[Right::Read], &["a-*"]));
    for number in 0..5 {
        for name in ["a", "a-", "b-"] {
            let path = format!("/kv/{name}{number}/k");
            assert_eq!(ask(&app, "admin", "POST", &path, "v").status, 201);
        }
    }
    let listed = |secret, query: &str| {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/kv?limit=2{query}{cursor}");
            let answer = ask(&app, secret, "GET", &path, "");
            let page: Value = serde_json::from_slice(&answer.body).expect("JSON");
            let page_names = page["namespaces"].as_array().expect("a list");
            names.extend(
                page_names
                    .iter()
                    .map(|info| info["name"].as_str().expect("a name").to_owned()),
            );
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return names,
            }
        }
    };
    assert_eq!(listed("admin", "").len(), 15);
    assert_eq!(listed("t", ""), ["a-0", "a-1", "a-2", "a-3", "a-4"]);
    assert_eq!(listed("t", "&prefix=a-3"), ["a-3"]);
    assert_eq!(listed("t", "&prefix=b"), Vec::<String>::new());
    assert_eq!(listed("t", "&prefix=a3"), Vec::<String>::new());
    // A name that equals the prefix.
    assert_eq!(listed("admin", "&prefix=b-0"), ["b-0"]);
    assert_eq!(listed("t", "&prefix=b-0"), Vec::<String>::new());
}

/// Requests within the keys that begin with `in/`.
const INSIDE: [(&str, &str, &str); 15] = [
    ("GET", "/kv/n/in%2Fk", ""),
    ("GET", "/kv/n/~64/aW4vaw", ""),
    ("POST", "/kv/n/in%2Fk", "v"),
    ("POST", "/kv/n/in%2F", "v"),
    ("POST", "/kv/n/in%2F%FF", "v"),
    ("DELETE", "/kv/n/in%2Fnone", ""),
    ("GET", "/kv/n?prefix=in/", ""),
    ("GET", "/kv/n?prefix=in/k&limit=1", ""),
    ("GET", "/kv/n?prefix64=aW4v&reverse=true", ""),
    ("DELETE", "/kv/n?prefix=in/none", ""),
    ("HEAD", "/watch/n?prefix=in/", ""),
    ("HEAD", "/watch/n?key=in/k", ""),
    (
        "POST",
        "/txn/n",
        r#"{"checks":[{"key":"in/k","exists":true}],"ops":[{"op":"set","key":"in/k","value":"v"}]}"#,
    ),
    ("POST", "/get/n", r#"{"keys":["in/k","in/none"]}"#),
    ("GET", "/kv", ""),
];

/// Requests beyond these keys.
const OUTSIDE: [(&str, &str, &str); 26] = [
    ("GET", "/kv/n/k", ""),
    ("HEAD", "/kv/n/k", ""),
    ("GET", "/kv/n/in", ""),
    ("GET", "/kv/n/IN%2Fk", ""),
    ("GET", "/kv/n/~64/aw", ""),
    ("POST", "/kv/n/k", "v"),
    ("POST", "/kv/n/k?op=add", "1"),
    ("DELETE", "/kv/n/k", ""),
    ("GET", "/kv/n", ""),
    ("GET", "/kv/n?prefix=", ""),
    ("GET", "/kv/n?prefix=in", ""),
    ("GET", "/kv/n?start=in/&end=in0", ""),
    ("GET", "/kv/n?prefix=k", ""),
    ("DELETE", "/kv/n?prefix=i", ""),
    ("DELETE", "/kv/n?prefix=k", ""),
    ("DELETE", "/kv/n?confirm=n", ""),
    ("PUT", "/kv/n", "{}"),
    ("GET", "/watch/n", ""),
    ("GET", "/watch/n?since=0", ""),
    ("GET", "/watch/n?prefix=in", ""),
    ("GET", "/watch/n?key=k", ""),
    (
        "POST",
        "/txn/n",
        r#"{"ops":[{"op":"set","key":"in/k","value":"v"},{"op":"delete","key":"k"}]}"#,
    ),
    (
        "POST",
        "/txn/n",
        r#"{"checks":[{"key":"k","exists":true}],"ops":[{"op":"set","key":"in/k","value":"v"}]}"#,
    ),
    ("POST", "/get/n", r#"{"keys":["in/k","k"]}"#),
    ("GET", "/export/n", ""),
    ("GET", "/export", ""),
];

#[test]
fn keys_are_reached_by_prefixes() {
    let key_prefix = "in/".into();
    // Even with all rights.
    let app = app(Token {
        key_prefix,
        ..token("t", &Right::ALL, &["*"])
    });
    for path in ["/kv/n/k", "/kv/n/in%2Fk"] {
        assert_eq!(ask(&app, "admin", "POST", path, "kept").status, 201);
    }
    for (method, path, body) in OUTSIDE {
        let answer = ask(&app, "t", method, path, body);
        assert_eq!(answer.status, 403, "{method} {path} {body}: {answer:?}");
        if method != "HEAD" {
            let problem = answer.problem();
            assert!(!answer.text().contains("kept"), "{answer:?}");
            assert_eq!(problem["token"], "name of 1");
            if path != "/export" {
                assert_eq!(problem["key_prefix"], "in/", "{method} {path}: {problem:?}");
            }
        }
    }
    assert_eq!(
        ask(&app, "admin", "GET", "/kv/n/in%2Fk", "").summary(),
        (200, "kept")
    );
    assert_eq!(
        ask(&app, "admin", "GET", "/kv/n/k", "").summary(),
        (200, "kept")
    );
    for (method, path, body) in INSIDE {
        let answer = ask(&app, "t", method, path, body);
        assert!(
            matches!(answer.status, 200 | 201),
            "{method} {path} {body}: {answer:?}"
        );
    }
}

#[test]
fn a_list_has_only_keys_within_reach() {
    let key_prefix = "in/".into();
    let app = app(Token {
        key_prefix,
        ..token("t", &[Right::Read], &["*"])
    });
    for key in ["a", "in", "in%2F1", "in%2F2", "in0", "z"] {
        assert_eq!(
            ask(&app, "admin", "POST", &format!("/kv/n/{key}"), "v").status,
            201
        );
    }
    for query in ["", "&start=a", "&end=z", "&reverse=true", "&delimiter=%2F"] {
        let answer = ask(&app, "t", "GET", &format!("/kv/n?prefix=in/{query}"), "");
        let page: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let items = page["items"].as_array().expect("a list");
        let mut keys: Vec<_> = items.iter().map(|item| item["key"].as_str()).collect();
        keys.sort();
        assert_eq!(keys, [Some("in/1"), Some("in/2")], "{query}");
    }
}

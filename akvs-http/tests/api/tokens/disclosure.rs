//! Data outside a token's rights is not disclosed: a token gets the same answers from two servers that differ only in
//! data that it may not read.

use akvs_http::Right;
use serde_json::Value;

use super::matrix::{ROWS, tokens};
use super::{ask_with, options, token};
use akvs_testing::raw::Answer;
use akvs_testing::server::TestServer;

/// Starts a server on which these values were stored in order; a path without a key stores settings.
fn stored(writes: &[(&str, &str)]) -> TestServer {
    let app = TestServer::with(options(tokens()));
    for (path, value) in writes {
        let said = ask_with(&app, "admin-all", "POST", path, "", value);
        assert_eq!(said.status, 201, "{path}: {said:?}");
    }
    app
}

/// Returns the parts of an answer that may depend on data: all but the time and the server itself.
fn visible_parts(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut fields = answer.fields();
    fields.retain(|(name, _)| name != "date");
    fields.sort();
    (answer.status, fields, answer.text().to_owned())
}

/// Asserts that this token gets the same answers to each request of the matrix from two servers that differ in data
/// that it may not read.
fn same_answers(
    secret: &str,
    one: &[(&str, &str)],
    other: &[(&str, &str)],
    is_asked: impl Fn(&str) -> bool,
) {
    let mut count = 0;
    let mut servers = (stored(one), stored(other));
    for &(method, template, path, fields, body, ..) in ROWS {
        if !is_asked(template) {
            continue;
        }
        count += 1;
        let ask = |app: &TestServer| {
            let (status, mut found, text) =
                visible_parts(&ask_with(app, secret, method, path, fields, body));
            // A deadline that the request chose depends on the time of the request.
            found.retain(|(name, _)| !(path.ends_with("ttl=90") && name == "akvs-expires"));
            (status, found, text)
        };
        let (answer, same) = (ask(&servers.0), ask(&servers.1));
        assert_eq!(answer, same, "{method} {path} {fields}{body} by {secret}");
        // A later request must not find the change of an earlier one.
        if answer.0 < 300 && !matches!(method, "GET" | "HEAD") {
            servers = (stored(one), stored(other));
        }
    }
    assert!(count > 1, "{count}");
}

#[test]
fn a_write_only_token_does_not_learn_whether_keys_exist() {
    let one = [
        ("/kv/n/in%2Fk?ttl=9000", "41"),
        ("/kv/n/out", "some text"),
        ("/kv/n/in%2Fd", "more of it"),
    ];
    // The other server does not even have the namespace.
    let other = [("/kv/z/a", "1"), ("/kv/z/b", "2"), ("/kv/y/c", "3")];
    // Answers that do not concern data differ for other reasons.
    let is_asked = |template: &str| !matches!(template, "/metrics");
    same_answers("write-all", &one, &other, is_asked);
}

#[test]
fn keys_out_of_reach_are_not_disclosed() {
    let one = [
        ("/kv/n/in%2Fk", "41"),
        ("/kv/n/out", "some text"),
        ("/kv/n/out2", "more of it"),
    ];
    let other = [("/kv/n/in%2Fk", "41"), ("/kv/z/b", "2"), ("/kv/z/b", "3")];
    let is_asked = |template: &str| {
        // The dates of stored data differ in these.
        matches!(
            template,
            "/kv" | "/metrics" | "/txn/{namespace}" | "/export/{namespace}" | "/import/{namespace}"
        )
    };
    same_answers("admin-prefix", &one, &other, is_asked);
}

#[test]
fn namespaces_out_of_reach_are_not_disclosed() {
    let one = [
        ("/kv/z/a", "41"),
        ("/kv/z/b", "some text"),
        ("/kv/y/c", "4"),
    ];
    let other = [("/kv/x/a", "1"), ("/kv/x/a", "2"), ("/kv/x/a", "3")];
    let is_asked = |template: &str| matches!(template, "/kv" | "/metrics" | "/export" | "/import");
    same_answers("admin-other", &one, &other, is_asked);
    same_answers("admin-prefix", &one, &other, is_asked);
}

#[test]
fn sizes_are_disclosed_only_to_readers_of_the_whole_namespace() {
    let app = stored(&[("/kv/n/in%2Fk", "41"), ("/kv/n/out", "1")]);
    let items = |secret: &str| {
        let answer = ask_with(&app, secret, "GET", "/kv", "", "");
        let page: Value = serde_json::from_slice(&answer.body).expect("JSON");
        page["namespaces"].clone()
    };
    assert_eq!(items("read-glob")[0]["keys"], 2);
    assert_eq!(items("read-prefix"), serde_json::json!([{"name": "n"}]));
    assert_eq!(items("read-other"), serde_json::json!([]));
}

/// Starts a server whose namespace `n` has reached its quota.
fn full() -> TestServer {
    let app = TestServer::with(options(tokens()));
    let settings = r#"{"max_keys":1}"#;
    assert_eq!(
        ask_with(&app, "admin-all", "PUT", "/kv/n", "", settings).status,
        201
    );
    assert_eq!(
        ask_with(&app, "admin-all", "POST", "/kv/n/in%2Fk", "", "v").status,
        201
    );
    app
}

#[test]
fn a_quota_error_does_not_disclose_the_size() {
    let app = full();
    let line =
        "{\"akvs\":1,\"namespace\":\"n\",\"revision\":1}\n{\"key\":\"in/new\",\"value\":\"v\"}\n";
    for (secret, has_size) in [
        ("write-all", false),
        ("write-glob", false),
        ("both-prefix", false),
        ("admin-prefix", false),
        ("both-glob", true),
        ("admin-all", true),
    ] {
        let post = ask_with(&app, secret, "POST", "/kv/n/in%2Fnew", "", "v");
        let ops = r#"{"ops":[{"op":"set","key":"in/new","value":"v"}]}"#;
        let txn = ask_with(&app, secret, "POST", "/txn/n", "", ops);
        for answer in [&post, &txn] {
            assert_eq!(answer.refusal(), (507, "quota_exceeded".into()), "{secret}");
            let problem = answer.problem();
            assert_eq!(
                problem.contains_key("limit"),
                has_size,
                "{secret}: {answer:?}"
            );
            assert_eq!(problem["detail"].as_str().unwrap().contains('1'), has_size);
        }
        let import = ask_with(&app, secret, "POST", "/import/n", "", line);
        if import.status != 403 {
            let problem = import.problem();
            let detail = problem["errors"][0]["detail"].as_str().expect("an error");
            assert_eq!(detail.contains('1'), has_size, "{secret}: {detail}");
        }
    }
}

#[test]
fn the_client_works_with_a_write_only_token() {
    let app = TestServer::with(options(vec![token("secret", &[Right::Write], &["*"])]));
    akvs_testing::server::block_on(async {
        let client = akvs_client::Client::builder().token("secret");
        let client = client.base_url(app.url()).build().expect("a client");
        let namespace = client.namespace("n").expect("a namespace");
        for _ in 0..2 {
            let written = namespace.set("k", &41).await.expect("stored");
            assert!(written.write_only && !written.existed && written.revision.is_some());
        }
        let removed = namespace.del("k").written().await.expect("removed");
        assert!(removed.write_only && removed.revision.is_none());
        let done = namespace
            .txn()
            .set("a", &1)
            .delete("b")
            .commit()
            .await
            .expect("done");
        assert!(done.results.iter().all(|result| result.write_only));
        assert_eq!(done.results[1].revision, None);
        let refused = namespace.add("k", 0).await.unwrap_err();
        assert_eq!(refused.code(), Some(akvs_client::Code::Forbidden));
        assert!(refused.to_string().contains("op=add"), "{refused}");
    });
}

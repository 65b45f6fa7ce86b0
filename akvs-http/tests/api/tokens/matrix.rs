//! The matrix of requests and rights in `docs/access.md`: each request with each token is allowed or refused as it
//! states, and the matrix has every described request.

use std::collections::BTreeSet;

use akvs_http::{Right, Token};
use serde_json::Value;

use super::{ask_with, options, token};
use akvs_testing::server::TestServer;

use Right::{Admin, Read, Write};

/// The keys that a request concerns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scope {
    /// No stored data, and no token is needed.
    Nothing,
    /// No stored data, but a token is needed.
    Server,
    /// Everything that the token reaches.
    Reached,
    /// Keys of the namespace `n` that begin with `in/`.
    Inside,
    /// Other keys, or the whole namespace `n`.
    Whole,
    /// All namespaces.
    Everything,
}

use Scope::{Everything, Inside, Nothing, Reached, Server, Whole};

/// A request: its method, its described path, its real path, fields, a body, the rights that it needs, and their scope.
pub(super) type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [Right],
    Scope,
);

const KEY: &str = "/kv/{namespace}/{key}";
const KEY64: &str = "/kv/{namespace}/~64/{key64}";
const NAMESPACE: &str = "/kv/{namespace}";
const SETTINGS: &str = "/settings/{namespace}";
const TXN: &str = "/txn/{namespace}";
const GET: &str = "/get/{namespace}";
const IMPORT: &str = "/import/{namespace}";
const ONE: &str =
    "{\"akvs\":1,\"namespace\":\"n\",\"revision\":1}\n{\"key\":\"k\",\"value\":\"v\"}\n";
const CONFIGURED: &str =
    "{\"akvs\":1,\"namespace\":\"n\",\"revision\":1,\"settings\":{\"max_keys\":9}}\n";
const BOTH: &[Right] = &[Read, Write];

/// All kinds of requests. `docs/access.md` has the same in words.
pub(super) const ROWS: &[Row] = &[
    ("GET", KEY, "/kv/n/in%2Fk", "", "", &[Read], Inside),
    ("HEAD", KEY, "/kv/n/in%2Fk", "", "", &[Read], Inside),
    ("GET", KEY, "/kv/n/in%2Fnone", "", "", &[Read], Inside),
    ("GET", KEY, "/kv/n/out", "", "", &[Read], Whole),
    ("GET", KEY64, "/kv/n/~64/aW4vaw", "", "", &[Read], Inside),
    ("GET", KEY64, "/kv/n/~64/b3V0", "", "", &[Read], Whole),
    (
        "GET",
        KEY,
        "/kv/n/in%2Fk",
        "If-None-Match: \"0\"\r\nPrefer: wait=1\r\n",
        "",
        &[Read],
        Inside,
    ),
    ("POST", KEY, "/kv/n/in%2Fk", "", "v", &[Write], Inside),
    ("POST", KEY, "/kv/n/in%2Fnew", "", "v", &[Write], Inside),
    (
        "POST",
        KEY,
        "/kv/n/in%2Fk?ttl=keep",
        "",
        "v",
        &[Write],
        Inside,
    ),
    (
        "POST",
        KEY,
        "/kv/n/in%2Fk?ttl=90",
        "",
        "v",
        &[Write],
        Inside,
    ),
    ("POST", KEY, "/kv/n/out", "", "v", &[Write], Whole),
    ("POST", KEY64, "/kv/n/~64/aW4vaw", "", "v", &[Write], Inside),
    ("POST", KEY, "/kv/n/in%2Fk?op=add", "", "0", BOTH, Inside),
    ("POST", KEY, "/kv/n/in%2Fk?op=append", "", "v", BOTH, Inside),
    ("POST", KEY, "/kv/n/in%2Fk?op=touch", "", "", BOTH, Inside),
    (
        "POST",
        KEY64,
        "/kv/n/~64/aW4vaw?op=add",
        "",
        "0",
        BOTH,
        Inside,
    ),
    (
        "POST",
        KEY,
        "/kv/n/in%2Fk",
        "If-None-Match: *\r\n",
        "v",
        BOTH,
        Inside,
    ),
    (
        "POST",
        KEY,
        "/kv/n/in%2Fk",
        "If-Match: *\r\n",
        "v",
        BOTH,
        Inside,
    ),
    (
        "POST",
        KEY,
        "/kv/n/in%2Fk",
        "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT\r\n",
        "v",
        BOTH,
        Inside,
    ),
    (
        "POST",
        KEY,
        "/kv/n/in%2Fk",
        "If-Match: \"1\"\r\n",
        "v",
        BOTH,
        Inside,
    ),
    ("DELETE", KEY, "/kv/n/in%2Fk", "", "", &[Write], Inside),
    ("DELETE", KEY, "/kv/n/in%2Fnone", "", "", &[Write], Inside),
    ("DELETE", KEY, "/kv/n/out", "", "", &[Write], Whole),
    (
        "DELETE",
        KEY64,
        "/kv/n/~64/aW4vaw",
        "",
        "",
        &[Write],
        Inside,
    ),
    (
        "DELETE",
        KEY,
        "/kv/n/in%2Fk",
        "If-Match: \"1\"\r\n",
        "",
        BOTH,
        Inside,
    ),
    ("GET", "/kv", "/kv", "", "", &[Read], Reached),
    ("GET", "/kv", "/kv?prefix=n", "", "", &[Read], Reached),
    ("HEAD", "/kv", "/kv", "", "", &[Read], Reached),
    ("GET", NAMESPACE, "/kv/n", "", "", &[Read], Whole),
    (
        "GET",
        NAMESPACE,
        "/kv/n?start=in/&end=in0",
        "",
        "",
        &[Read],
        Whole,
    ),
    (
        "GET",
        NAMESPACE,
        "/kv/n?prefix=in/&values=true",
        "",
        "",
        &[Read],
        Inside,
    ),
    ("PUT", NAMESPACE, "/kv/n", "", "{}", &[Admin], Whole),
    ("PATCH", NAMESPACE, "/kv/n", "", "{}", &[Admin], Whole),
    ("GET", SETTINGS, "/settings/n", "", "", &[Read], Whole),
    ("HEAD", SETTINGS, "/settings/n", "", "", &[Read], Whole),
    (
        "DELETE",
        NAMESPACE,
        "/kv/n?prefix=in/",
        "",
        "",
        BOTH,
        Inside,
    ),
    ("DELETE", NAMESPACE, "/kv/n?prefix=i", "", "", BOTH, Whole),
    (
        "DELETE",
        NAMESPACE,
        "/kv/n?confirm=n",
        "",
        "",
        &[Admin],
        Whole,
    ),
    (
        "POST",
        TXN,
        "/txn/n",
        "",
        r#"{"ops":[{"op":"set","key":"in/k","value":"v"},{"op":"delete","key":"in/d"}]}"#,
        &[Write],
        Inside,
    ),
    (
        "POST",
        TXN,
        "/txn/n",
        "",
        r#"{"ops":[{"op":"delete","key":"in/k"}]}"#,
        &[Write],
        Inside,
    ),
    (
        "POST",
        TXN,
        "/txn/n",
        "",
        r#"{"ops":[{"op":"delete","key":"out"}]}"#,
        &[Write],
        Whole,
    ),
    (
        "POST",
        TXN,
        "/txn/n",
        "",
        r#"{"ops":[{"op":"add","key":"in/k","by":0}]}"#,
        BOTH,
        Inside,
    ),
    (
        "POST",
        TXN,
        "/txn/n",
        "",
        r#"{"ops":[{"op":"touch","key":"in/k"}]}"#,
        BOTH,
        Inside,
    ),
    (
        "POST",
        TXN,
        "/txn/n",
        "",
        r#"{"checks":[{"key":"in/k","exists":true}],"ops":[]}"#,
        BOTH,
        Inside,
    ),
    (
        "POST",
        TXN,
        "/txn/n",
        "",
        r#"{"checks":[{"key":"out","absent":true}],"ops":[]}"#,
        BOTH,
        Whole,
    ),
    (
        "POST",
        GET,
        "/get/n",
        "",
        r#"{"keys":["in/k"]}"#,
        &[Read],
        Inside,
    ),
    (
        "POST",
        GET,
        "/get/n",
        "",
        r#"{"keys":["in/k","out"]}"#,
        &[Read],
        Whole,
    ),
    (
        "HEAD",
        "/watch/{namespace}",
        "/watch/n",
        "",
        "",
        &[Read],
        Whole,
    ),
    (
        "HEAD",
        "/watch/{namespace}",
        "/watch/n?prefix=in/",
        "",
        "",
        &[Read],
        Inside,
    ),
    (
        "GET",
        "/export/{namespace}",
        "/export/n",
        "",
        "",
        &[Read],
        Whole,
    ),
    ("GET", "/export", "/export", "", "", &[Read], Everything),
    ("POST", IMPORT, "/import/n", "", ONE, &[Write], Whole),
    (
        "POST",
        IMPORT,
        "/import/n?mode=create",
        "",
        ONE,
        BOTH,
        Whole,
    ),
    (
        "POST",
        IMPORT,
        "/import/n?mode=replace",
        "",
        ONE,
        BOTH,
        Whole,
    ),
    (
        "POST",
        IMPORT,
        "/import/new",
        "",
        CONFIGURED,
        &[Admin],
        Whole,
    ),
    ("POST", "/import", "/import", "", "", &[Write], Everything),
    ("GET", "/metrics", "/metrics", "", "", &[Read], Reached),
    ("GET", "/version", "/version", "", "", &[], Server),
    ("GET", "/whoami", "/whoami", "", "", &[], Server),
    ("GET", "/openapi.json", "/openapi.json", "", "", &[], Server),
    ("GET", "/", "/", "", "", &[], Server),
    ("GET", "/ping", "/ping", "", "", &[], Nothing),
    ("GET", "/livez", "/livez", "", "", &[], Nothing),
    ("GET", "/readyz", "/readyz", "", "", &[], Nothing),
];

/// The scopes of tokens: a name, patterns of namespaces, and a prefix of keys.
const REACHES: [(&str, &str, &str); 4] = [
    ("all", "*", ""),
    ("glob", "n*", ""),
    ("prefix", "n*", "in/"),
    ("other", "m*", ""),
];
const RIGHTS: [(&str, &[Right]); 4] = [
    ("read", &[Read]),
    ("write", &[Write]),
    ("both", BOTH),
    ("admin", &[Admin]),
];

/// Returns a token for every set of rights in every scope; its name is its secret.
pub(super) fn tokens() -> Vec<Token> {
    let mut all = Vec::new();
    for (rights, has) in RIGHTS {
        for (reach, namespaces, prefix) in REACHES {
            let name = format!("{rights}-{reach}");
            all.push(Token {
                name: name.clone(),
                key_prefix: prefix.into(),
                ..token(&name, has, &[namespaces])
            });
        }
    }
    all
}

/// Returns whether a token is allowed.
pub(super) fn may(has: &[Right], reach: &str, needs: &[Right], about: Scope) -> bool {
    let has_all = has.contains(&Admin) || needs.iter().all(|right| has.contains(right));
    has_all
        && match about {
            Nothing | Server | Reached => true,
            Inside => reach != "other",
            // Some tokens reach the namespace of the new name.
            Whole => matches!(reach, "all" | "glob"),
            Everything => reach == "all",
        }
}

#[test]
fn each_request_is_allowed_to_the_tokens_of_the_matrix() {
    let app = TestServer::with(options(tokens()));
    for &(method, _, path, fields, body, needs, about) in ROWS {
        let shown = format!("{method} {path} {fields}{body}");
        let mut connection = app.connect();
        connection.send(akvs_testing::raw::request(
            method,
            path,
            fields,
            body.as_bytes(),
        ));
        let status = connection.whole_answer_to(method).status;
        assert_eq!(status == 401, about != Nothing, "{shown} without a token");
        for (rights, has) in RIGHTS {
            for (reach, ..) in REACHES {
                // An earlier request may have dropped it.
                for key in ["in%2Fk", "out"] {
                    let path = format!("/kv/n/{key}");
                    ask_with(&app, "admin-all", "POST", &path, "", "7");
                }
                let secret = format!("{rights}-{reach}");
                let answer = ask_with(&app, &secret, method, path, fields, body);
                let status = answer.status;
                assert_ne!(status, 401, "{shown} by {rights}-{reach}");
                let expected = may(has, reach, needs, about);
                assert_eq!(
                    status != 403,
                    expected,
                    "{shown} by {rights}-{reach}: {status}"
                );
                if status == 403 && method != "HEAD" {
                    let problem = answer.problem();
                    assert_eq!(problem["code"], "forbidden");
                    assert_eq!(problem["token"], secret);
                    let right = problem["right"].as_str().and_then(Right::parse);
                    let right = right.expect("a right");
                    assert!(needs == [Admin] || needs.contains(&right), "{shown}");
                }
            }
        }
    }
}

#[test]
fn the_matrix_has_every_described_request() {
    let app = TestServer::start();
    let answer = app.ask("GET", "/openapi.json");
    let document: Value = serde_json::from_slice(&answer.body).expect("a document");
    let rows: BTreeSet<(String, String)> = ROWS
        .iter()
        .map(|(method, template, ..)| ((*template).to_owned(), (*method).to_owned()))
        .collect();
    let mut described = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for method in operations.as_object().expect("operations").keys() {
            let method = match method.as_str() {
                "parameters" | "options" | "head" => continue,
                // A watch does not end; HEAD is authorized the same way.
                "get" if path.starts_with("/watch/") => "HEAD".to_owned(),
                method => method.to_uppercase(),
            };
            described += 1;
            let row = (path.clone(), method);
            assert!(rows.contains(&row), "{row:?} has no row");
        }
    }
    assert!(described > 20, "{described}");
}

#[test]
fn the_page_of_the_matrix_names_every_path() {
    let page = include_str!("../../../../docs/access.md");
    for (_, template, ..) in ROWS {
        let template = template.replace("/~64/{key64}", "/{key}");
        assert!(
            page.contains(&format!("`{template}")) || page.contains(&format!(" {template}")),
            "{template}"
        );
    }
}

//! Invalid bodies of transactions: each is refused with the path of the invalid member.

use akvs_http::Options;
use serde_json::{Value, json};

use super::{transact, transact_ok};
use akvs_testing::raw::Connection;
use akvs_testing::server::TestServer;

/// The second of two operations, and the path of its invalid member.
const OPS: &[(&str, &str)] = &[
    (r#"{"op":"set","key":"k"}"#, "ops[1].value"),
    (r#"{"op":"set","value":""}"#, "ops[1].key"),
    (r#"{"key":"k","value":""}"#, "ops[1].op"),
    (r#"{"op":"add","key":"k"}"#, "ops[1].by"),
    (r#"{"op":"rename","key":"k"}"#, "ops[1].op"),
    (r#"{"op":"SET","key":"k","value":""}"#, "ops[1].op"),
    (r#"{"op":"set","key":"k","value":"","tll":5}"#, "ops[1].tll"),
    (
        r#"{"op":"set","key":"k","key64":"aw","value":""}"#,
        "ops[1].key64",
    ),
    (
        r#"{"op":"set","key":"k","value":"","value64":""}"#,
        "ops[1].value64",
    ),
    (
        r#"{"op":"set","key":"k","key":"k","value":""}"#,
        "ops[1].key",
    ),
    (r#"{"op":"set","key":1,"value":""}"#, "ops[1].key"),
    (r#"{"op":"set","key":"k","value":1}"#, "ops[1].value"),
    (r#"{"op":"set","key":"k","value":null}"#, "ops[1].value"),
    (
        r#"{"op":"set","key":"k","value":"","ttl":null}"#,
        "ops[1].ttl",
    ),
    (
        r#"{"op":"set","key":"k","value":"","ttl":"soon"}"#,
        "ops[1].ttl",
    ),
    (
        r#"{"op":"set","key":"k","value":"","ttl":""}"#,
        "ops[1].ttl",
    ),
    (
        r#"{"op":"set","key":"k","value":"","ttl":"5m&op=add"}"#,
        "ops[1].ttl",
    ),
    (
        r#"{"op":"set","key":"k","value":"","ttl":-1}"#,
        "ops[1].ttl",
    ),
    (r#"{"op":"set","key":"k","value":"","ttl":0}"#, "ops[1].ttl"),
    (
        r#"{"op":"set","key":"k","value":"","ttl":1.5}"#,
        "ops[1].ttl",
    ),
    (
        r#"{"op":"set","key":"k","value":"","ttl":1e30}"#,
        "ops[1].ttl",
    ),
    (
        r#"{"op":"set","key":"k","value":"","ttl":[5]}"#,
        "ops[1].ttl",
    ),
    (r#"{"op":"touch","key":"k","ttl":"keep"}"#, "ops[1].ttl"),
    (
        r#"{"op":"set","key":"k","value":"","content_type":""}"#,
        "ops[1].content_type",
    ),
    (
        r#"{"op":"set","key":"k","value":"","content_type":"a\nb"}"#,
        "ops[1].content_type",
    ),
    (r#"{"op":"set","key":"","value":""}"#, "ops[1].key"),
    (r#"{"op":"set","key64":"","value":""}"#, "ops[1].key64"),
    (r#"{"op":"set","key64":"a=","value":""}"#, "ops[1].key64"),
    (r#"{"op":"set","key64":"+/==","value":""}"#, "ops[1].key64"),
    (r#"{"op":"set","key":"k","value64":"*"}"#, "ops[1].value64"),
    (r#"{"op":"delete","key":"k","value":""}"#, "ops[1].value"),
    (r#"{"op":"delete","key":"k","ttl":5}"#, "ops[1].ttl"),
    (r#"{"op":"set","key":"k","value":"","by":1}"#, "ops[1].by"),
    (r#"{"op":"add","key":"k","by":1,"ttl":5}"#, "ops[1].ttl"),
    (r#"{"op":"add","key":"k","by":1.5}"#, "ops[1].by"),
    (r#"{"op":"add","key":"k","by":"1"}"#, "ops[1].by"),
    (
        r#"{"op":"add","key":"k","by":9223372036854775808}"#,
        "ops[1].by",
    ),
    (
        r#"{"op":"touch","key":"k","content_type":"a/b"}"#,
        "ops[1].content_type",
    ),
    (r#""delete""#, "ops[1]"),
    ("null", "ops[1]"),
    (r#"["delete"]"#, "ops[1]"),
];

/// The only check, and the path of its invalid member.
const CHECKS: &[(&str, &str)] = &[
    (r#"{"key":"k"}"#, "checks[0]"),
    (r#"{"key":"k","revision":1,"exists":true}"#, "checks[0]"),
    (r#"{"key":"k","absent":true,"exists":true}"#, "checks[0]"),
    (r#"{"key":"k","absent":false}"#, "checks[0].absent"),
    (r#"{"key":"k","exists":false}"#, "checks[0].exists"),
    (r#"{"key":"k","exists":1}"#, "checks[0].exists"),
    (r#"{"key":"k","revision":-1}"#, "checks[0].revision"),
    (r#"{"key":"k","revision":"1"}"#, "checks[0].revision"),
    (r#"{"key":"k","missing":true}"#, "checks[0].missing"),
    (r#"{"revision":1}"#, "checks[0].key"),
    (
        r#"{"key":"k","key64":"aw","revision":1}"#,
        "checks[0].key64",
    ),
];

/// A whole body, and the path of its invalid member.
const BODIES: &[(&str, &str)] = &[
    ("{}", "ops"),
    (r#"{"checks":[]}"#, "ops"),
    (r#"{"ops":{}}"#, "ops"),
    (r#"{"ops":null}"#, "ops"),
    (r#"{"checks":null,"ops":[]}"#, "checks"),
    (r#"{"ops":[],"ops":[]}"#, "ops"),
    (r#"{"ops":[],"check":[]}"#, "check"),
];

/// Sends this text as a transaction, and returns the field that the problem names and its detail contains.
fn refused_field(connection: &mut Connection, body: &str) -> String {
    let answer = connection.ask("POST", "/txn/ns", "", body.as_bytes());
    assert_eq!(answer.status, 400, "{body}: {answer:?}");
    let problem = answer.problem();
    let field = problem["field"].as_str();
    let field = field.unwrap_or_else(|| panic!("{body}: {problem:?}"));
    let detail = problem["detail"].as_str().expect("a text");
    assert!(detail.starts_with(&format!("{field}: ")), "{detail}");
    field.to_owned()
}

#[test]
fn an_invalid_member_is_named_by_its_path() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let op = |op: &str| format!(r#"{{"ops":[{{"op":"delete","key":"a"}},{op}]}}"#);
    let check = |check: &str| format!(r#"{{"checks":[{check}],"ops":[]}}"#);
    let ops = OPS.iter().map(|(text, field)| (op(text), field));
    let checks = CHECKS.iter().map(|(text, field)| (check(text), field));
    let bodies = BODIES.iter().map(|(text, field)| (text.to_string(), field));
    for (body, field) in ops.chain(checks).chain(bodies) {
        assert_eq!(refused_field(&mut connection, &body), *field, "{body}");
    }
    assert!(app.namespaces().is_empty());
}

#[test]
fn a_body_without_a_json_object_is_refused() {
    let app = TestServer::start();
    let mut connection = app.connect();
    for body in [
        &b""[..],
        b"[]",
        b"null",
        b"ops",
        b"{\"ops\":[]",
        b"{\"ops\":[]}x",
        b"{'ops':[]}",
        b"{\"ops\":[{\"op\":\"set\",\"key\":\"\xff\",\"value\":\"\"}]}",
        b"{\"ops\":[{\"op\":\"set\",\"key\":\"\\ud800\",\"value\":\"\"}]}",
        &b"[".repeat(100_000),
        format!("{{\"ops\":[{{\"op\":{:?}}}]}}", "x".repeat(100_000)).as_bytes(),
        format!("{{\"ops\":[{{\"by\":{:?}}}]}}", "\u{20ac}".repeat(100_000)).as_bytes(),
        format!("{{{:?}:1}}", "\u{20ac}".repeat(100_000)).as_bytes(),
    ] {
        let answer = connection.ask("POST", "/txn/ns", "", body);
        assert_eq!(
            answer.refusal(),
            (400, "invalid_request".to_owned()),
            "{body:.40?}"
        );
        assert!(
            answer.body.len() < 3_000,
            "{body:.40?}: {}",
            answer.body.len()
        );
    }
}

#[test]
fn a_ttl_is_text_as_in_a_query_or_a_number_of_seconds() {
    let (app, clock) = TestServer::with_clock();
    let mut connection = app.connect();
    for (ttl, expires) in [
        (json!("90"), Some(90_000)),
        (json!("1500ms"), Some(1_500)),
        (json!("5m"), Some(300_000)),
        (json!(90), Some(90_000)),
        (json!("keep"), Some(3_600_000)),
        (Value::Null, None),
    ] {
        connection.ask("POST", "/kv/ns/key?ttl=1h", "", b"");
        for mut op in [
            json!({"op": "set", "key": "key", "value": ""}),
            json!({"op": "touch", "key": "key"}),
        ] {
            if op["op"] == "touch" && ttl == "keep" {
                continue;
            }
            if !ttl.is_null() {
                op["ttl"] = ttl.clone();
            }
            transact_ok(&mut connection, &json!({"ops": [op]}));
            let answer = connection.ask("GET", "/kv/ns/key", "", b"");
            let expected = expires.map(|millis| humantime(clock.after(millis)));
            assert_eq!(answer.header("AKVS-Expires"), expected.as_deref(), "{op}");
        }
    }
    // A sum keeps the deadline.
    connection.ask("POST", "/kv/ns/sum?ttl=5s", "", b"1");
    transact_ok(
        &mut connection,
        &json!({"ops": [{"op": "add", "key": "sum", "by": 1}]}),
    );
    let answer = connection.ask("GET", "/kv/ns/sum", "", b"");
    let expected = humantime(clock.after(5_000));
    assert_eq!(
        (answer.text(), answer.header("AKVS-Expires")),
        ("2", Some(&*expected))
    );
}

fn humantime(time: std::time::SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

#[test]
fn a_transaction_above_a_limit_is_refused_with_the_limit() {
    let app = TestServer::with(Options {
        max_value_bytes: 10,
        ..Options::default()
    });
    let ops = |count: usize| {
        (0..count)
            .map(|n| json!({"op": "set", "key": n.to_string(), "value": ""}))
            .collect::<Value>()
    };
    let checks = |count: usize| {
        (0..count)
            .map(|n| json!({"key": n.to_string(), "absent": true}))
            .collect::<Value>()
    };
    let mut connection = app.connect();
    for (body, field) in [
        (json!({"ops": ops(1_001)}), "ops"),
        (json!({"checks": checks(1_001), "ops": []}), "checks"),
    ] {
        let answer = transact(&mut connection, &body);
        assert_eq!(answer.refusal(), (413, "too_large".to_owned()));
        let problem = answer.problem();
        assert_eq!(
            (&problem["limit"], &problem["field"]),
            (&json!(1_000), &json!(field))
        );
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|text| text.contains("1001"))
        );
    }
    let body = transact_ok(
        &mut connection,
        &json!({"checks": checks(1_000), "ops": ops(1_000)}),
    );
    assert_eq!(body["results"].as_array().map(Vec::len), Some(1_000));
    for value in [
        json!({"value": "12345678901"}),
        json!({"value64": "MTIzNDU2Nzg5MDE"}),
    ] {
        let mut op = json!({"op": "set", "key": "long"});
        op.as_object_mut()
            .expect("an object")
            .extend(value.as_object().expect("an object").clone());
        let answer = transact(
            &mut connection,
            &json!({"ops": [{"op": "delete", "key": "0"}, op]}),
        );
        assert_eq!(answer.refusal(), (413, "too_large".to_owned()));
        let problem = answer.problem();
        assert_eq!((&problem["limit"], &problem["op"]), (&json!(10), &json!(1)));
        assert_eq!(problem["setting"], "limits.max_value_bytes");
    }
    assert_eq!(app.value("/kv/ns/0"), b"");
}

#[test]
fn a_body_has_at_most_16_mib() {
    const MAX_BYTES: usize = 16 << 20;
    let app = TestServer::start();
    let mut body = json!({"ops": [{"op": "set", "key": "k", "value": "v"}]})
        .to_string()
        .into_bytes();
    body.resize(MAX_BYTES, b' ');
    assert_eq!(app.connect().ask("POST", "/txn/ns", "", &body).status, 200);
    let mut connection = app.connect();
    connection.send(format!(
        "POST /txn/ns HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n",
        MAX_BYTES + 1
    ));
    let answer = connection.answer();
    assert_eq!(answer.refusal(), (413, "too_large".to_owned()));
    assert_eq!(answer.problem()["limit"], MAX_BYTES);
    // A chunked body has the same limit.
    let mut connection = app.connect();
    connection.send(format!(
        "POST /txn/ns HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
        MAX_BYTES + 1
    ));
    body.push(b' ');
    connection.send(&body);
    assert_eq!(connection.answer().refusal(), (413, "too_large".to_owned()));
}

#[test]
fn only_post_without_a_query_is_accepted() {
    let app = TestServer::start();
    let mut connection = app.connect();
    let body = br#"{"ops":[],"keys":[]}"#;
    for path in ["/txn/ns", "/get/ns"] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
            let answer = connection.ask(method, path, "", b"");
            assert_eq!(
                (answer.status, answer.header("Allow")),
                (405, Some("POST, OPTIONS"))
            );
        }
        let answer = connection.ask("OPTIONS", path, "", b"");
        assert_eq!(
            (answer.status, answer.header("Allow")),
            (204, Some("POST, OPTIONS"))
        );
        let answer = connection.ask("POST", &format!("{path}?dry=1"), "", body);
        assert_eq!(
            (answer.status, &answer.problem()["parameter"]),
            (400, &json!("dry"))
        );
        for wrong in [
            format!("{path}/key"),
            format!("{path}/"),
            path.replace("/ns", "/"),
            path.replace("/ns", ""),
        ] {
            assert_eq!(
                connection.ask("POST", &wrong, "", body).status,
                404,
                "{wrong}"
            );
        }
        let answer = connection.ask("POST", &path.replace("ns", "%00"), "", body);
        assert_eq!(answer.refusal(), (400, "invalid_namespace".to_owned()));
    }
}

#[test]
fn a_namespace_may_be_any_text_and_a_key_any_bytes() {
    let app = TestServer::start();
    let body = json!({"ops": [
        {"op": "set", "key": "a/b \u{1f600}\0", "value": "\u{feff}\u{2028}\0"},
        {"op": "set", "key64": "_wA", "value64": ""},
    ]});
    let headers = "Content-Type: text/plain\r\n";
    let path = "/txn/n%2Fs%20%C3%BC";
    let answer = app
        .connect()
        .ask("POST", path, headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(app.namespaces(), ["n/s ü"]);
    let value = app.value("/kv/n%2Fs%20%C3%BC/a%2Fb%20%F0%9F%98%80%00");
    assert_eq!(value, "\u{feff}\u{2028}\0".as_bytes());
    assert_eq!(app.value("/kv/n%2Fs%20%C3%BC/%FF%00"), b"");
}

//! Pipelined requests of all kinds: each gets its own answer, in order, however the bytes are split into packets.

use proptest::collection::vec;
use proptest::test_runner::{Config, TestRunner};

use akvs_testing::raw::request;
use akvs_testing::server::TestServer;

/// A request, and the status and body of its answer.
type Exchange = (&'static str, &'static str, &'static str, u16, &'static str);

const KINDS: [Exchange; 13] = [
    ("GET", "/kv/ns/key", "", 200, "HEAD value"),
    ("HEAD", "/kv/ns/key", "", 200, ""),
    ("GET", "/kv/ns/none", "", 404, "Not Found"),
    ("HEAD", "/kv/ns/none", "", 404, ""),
    ("POST", "/kv/ns/other", "value", 201, "Created"),
    ("POST", "/nope", "value", 404, "Not Found"),
    ("DELETE", "/kv/ns/gone", "", 200, "OK"),
    ("PUT", "/kv/ns/key", "body", 405, "Method Not Allowed"),
    ("OPTIONS", "/kv/ns/key", "", 204, ""),
    ("GET", "/ping", "", 200, "pong"),
    ("POST", "/kv/ns/key", "HEAD value", 201, "Created"),
    (
        "POST",
        "/kv/ns/other",
        "HEAD /kv/ns/key HTTP/1.1\r\n\r\n",
        201,
        "Created",
    ),
    ("POST", "/nope", "HEAD HEAD HEAD ", 404, "Not Found"),
];

fn check(app: &TestServer, kinds: &[usize], cuts: &[usize]) {
    let asked: Vec<Exchange> = kinds.iter().map(|kind| KINDS[*kind]).collect();
    let requests = asked
        .iter()
        .map(|(method, path, body, ..)| request(method, path, "", body.as_bytes()));
    let bytes = requests.collect::<Vec<_>>().concat();
    let mut connection = app.connect();
    // The greatest offset is within the last body.
    let last = bytes.len() - 1;
    let cuts = cuts
        .iter()
        .map(|cut| if *cut == 4_095 { last } else { cut % last });
    let mut cuts: Vec<usize> = cuts.collect();
    cuts.sort_unstable();
    let mut sent = 0;
    for cut in cuts {
        connection.send(&bytes[sent..cut]);
        sent = cut;
    }
    connection.send(&bytes[sent..]);
    for (number, (method, path, _, status, body)) in asked.iter().enumerate() {
        let answer = connection.try_answer(method);
        let answer =
            answer.unwrap_or_else(|| panic!("no answer {number}: {method} {path} in {asked:?}"));
        assert_eq!(
            answer.summary(),
            (*status, *body),
            "{number}: {method} {path} in {asked:?}"
        );
        if *method == "HEAD" && *path == "/kv/ns/key" {
            assert_eq!(answer.header("Content-Length"), Some("10"), "{asked:?}");
        }
    }
    // No bytes are left over, and the connection accepts more requests.
    connection.send(request("GET", "/ping", "", b""));
    let pong = connection.try_answer("GET");
    assert_eq!(
        pong.map(|pong| pong.body).as_deref(),
        Some(&b"pong"[..]),
        "{asked:?}"
    );
}

#[test]
fn pipelined_requests_of_all_kinds_get_their_own_answers() {
    for app in [
        TestServer::start(),
        TestServer::on_disk(),
        TestServer::on_slow_disk(),
    ] {
        assert_eq!(app.post("/kv/ns/key", "HEAD value").status, 201);
        // Each pair at once, and with the second request in two parts.
        for first in 0..KINDS.len() {
            for second in 0..KINDS.len() {
                check(&app, &[first, second], &[]);
                check(&app, &[first, second], &[4_095]);
            }
        }
        let config = Config {
            cases: 100,
            failure_persistence: None,
            ..Config::default()
        };
        let pipelines = (vec(0..KINDS.len(), 1..12), vec(0..4_096_usize, 0..4));
        let mut runner = TestRunner::new(config);
        let ran = runner.run(&pipelines, |(kinds, cuts)| {
            check(&app, &kinds, &cuts);
            Ok(())
        });
        ran.expect("pipelines that are answered");
    }
}

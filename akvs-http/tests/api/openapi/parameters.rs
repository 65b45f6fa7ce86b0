//! Query parameters: those that the server accepts, and those that it describes.

use std::collections::BTreeSet;

use super::{Operation, document, filled, operations};
use akvs_testing::server::TestServer;

/// The files that parse queries. Every quoted word in them may be the name of a parameter.
const READERS: [&str; 3] = [
    include_str!("../../../src/request/query.rs"),
    include_str!("../../../src/request/query/list.rs"),
    include_str!("../../../src/request/query/watch.rs"),
];
/// A name that is not among them.
const UNKNOWN: &str = "tll";

fn described(operation: &Operation<'_>) -> BTreeSet<String> {
    let parameters = operation.description["parameters"].as_array();
    let of_query = parameters
        .into_iter()
        .flatten()
        .filter(|parameter| parameter["in"] == "query");
    let names = of_query.map(|parameter| parameter["name"].as_str().expect("a name").to_owned());
    names.collect()
}

fn words() -> BTreeSet<String> {
    let quoted = READERS.iter().flat_map(|source| source.split('"'));
    let is_name = |word: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !word.is_empty() && word.bytes().all(is_plain)
    };
    let mut words: BTreeSet<String> = quoted.filter(is_name).map(str::to_owned).collect();
    words.insert(UNKNOWN.to_owned());
    words
}

/// Returns whether the server refuses the parameter as unknown.
fn is_unknown(app: &TestServer, operation: &Operation<'_>, name: &str) -> bool {
    let target = format!("{}?{name}=", operation.example());
    // A request for a stream is refused in any case.
    let headers = "Last-Event-ID: none\r\n";
    let mut connection = app.connect();
    connection.send(akvs_testing::raw::request(
        &operation.method,
        &target,
        headers,
        b"",
    ));
    if connection.head().is_none_or(|head| head.status != 400) {
        return false;
    }
    let answer = app.connect().ask(&operation.method, &target, headers, b"");
    answer.problem()["detail"] == format!("unknown query parameter: {name:?}")
}

#[test]
fn the_described_parameters_are_those_that_are_accepted() {
    let app = filled();
    let document = document(&app);
    let mut candidates = words();
    candidates.extend(operations(&document).iter().flat_map(described));
    assert!(candidates.len() > 30, "{candidates:?}");
    let mut strict = 0;
    for operation in &operations(&document) {
        let described_names = described(operation);
        let shown = format!("{} {}", operation.method, operation.path);
        if !is_unknown(&app, operation, UNKNOWN) {
            assert_eq!(
                described_names,
                BTreeSet::new(),
                "{shown} accepts unknown parameters"
            );
            continue;
        }
        strict += 1;
        let is_known = |name: &&String| !is_unknown(&app, operation, name);
        let known: BTreeSet<String> = candidates.iter().filter(is_known).cloned().collect();
        assert_eq!(described_names, known, "{shown}");
    }
    assert!(strict > 10, "{strict} operations refuse unknown parameters");
}

#[test]
fn head_accepts_what_get_accepts() {
    let app = filled();
    let document = document(&app);
    let status = |method: &str, target: &str| {
        let mut connection = app.connect();
        // A request for a stream is refused in any case.
        let headers = "Last-Event-ID: none\r\n";
        connection.send(akvs_testing::raw::request(method, target, headers, b""));
        connection.head().expect("an answer").status
    };
    for operation in &operations(&document) {
        if operation.method != "GET" {
            continue;
        }
        let mut names = described(operation);
        names.insert(UNKNOWN.to_owned());
        for name in names {
            let target = format!("{}?{name}=", operation.example());
            assert_eq!(status("HEAD", &target), status("GET", &target), "{target}");
        }
    }
}

#[test]
fn numbers_are_accepted_up_to_their_limits() {
    let app = filled();
    let document = document(&app);
    let mut count = 0;
    for operation in operations(&document)
        .iter()
        .filter(|one| one.method == "GET")
    {
        let parameters = operation.description["parameters"]
            .as_array()
            .into_iter()
            .flatten();
        for parameter in parameters.filter(|one| one["in"] == "query") {
            let (Some(least), Some(most)) = (
                parameter["schema"]["minimum"].as_i64(),
                parameter["schema"]["maximum"].as_i64(),
            ) else {
                continue;
            };
            count += 1;
            let name = parameter["name"].as_str().expect("a name");
            for (number, status) in [(least - 1, 400), (least, 200), (most, 200), (most + 1, 400)] {
                let target = format!("{}?{name}={number}", operation.example());
                assert_eq!(app.ask("GET", &target).status, status, "{target}");
            }
        }
    }
    assert_eq!(count, 2);
}

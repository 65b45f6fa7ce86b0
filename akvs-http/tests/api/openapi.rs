//! Section 15.3, `/openapi.json`: the description is compared with the server, in both directions.

mod answers;
mod parameters;

use std::collections::{BTreeMap, BTreeSet};

use akvs_http::Right;
use serde_json::Value;

use crate::tokens::{ask, options, token};
use akvs_testing::server::TestServer;

/// The source of the route table.
const ROUTES: &str = include_str!("../../src/router.rs");

/// An operation of the description.
struct Operation<'a> {
    method: String,
    path: &'a str,
    description: &'a Value,
    /// The description of the path.
    place: &'a Value,
}

impl Operation<'_> {
    /// Returns a path that matches the template, on a server that was [`filled`].
    fn example(&self) -> String {
        let path = self.path.replace("{namespace}", "n");
        path.replace("{key}", "k").replace("{key64}", "aw")
    }

    /// Returns the description of an answer with this status.
    fn answer<'a>(&self, document: &'a Value, status: u16) -> Option<&'a Value>
    where
        Self: 'a,
    {
        let description = self.description["responses"].get(status.to_string())?;
        match description.get("$ref") {
            Some(name) => Some(resolve(document, name)),
            // Borrowed from the document, so that the lifetimes match.
            None => document["paths"][self.path][self.method.to_lowercase()]["responses"]
                .get(status.to_string()),
        }
    }
}

fn document(app: &TestServer) -> Value {
    let answer = app.ask("GET", "/openapi.json");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    serde_json::from_slice(&answer.body).expect("a document")
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().expect("paths");
    let mut all = Vec::new();
    for (path, place) in paths {
        for (name, description) in place.as_object().expect("a path") {
            if name != "parameters" {
                let method = name.to_uppercase();
                all.push(Operation {
                    method,
                    path,
                    description,
                    place,
                });
            }
        }
    }
    assert!(all.len() > 20, "{} operations", all.len());
    all
}

fn resolve<'a>(document: &'a Value, reference: &Value) -> &'a Value {
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
    let found = document.pointer(pointer.expect("a reference into the document"));
    found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Starts a server with the key `k` in the namespace `n`.
fn filled() -> TestServer {
    let app = TestServer::start();
    assert_eq!(app.post("/kv/n/k", "v").status, 201);
    app
}

#[test]
fn the_document_is_consistent() {
    let app = TestServer::start();
    let document = document(&app);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["servers"][0]["url"], "/");
    let mut ids = BTreeSet::new();
    for operation in operations(&document) {
        let id = operation.description["operationId"]
            .as_str()
            .expect("an id");
        assert!(ids.insert(id), "duplicate operation id {id}");
        let named = operation.place["parameters"].as_array();
        let named = named.into_iter().flatten();
        let named: BTreeSet<_> = named
            .map(|parameter| parameter["name"].as_str().expect("a name"))
            .collect();
        let braced = operation.path.split('{').skip(1);
        let braced: BTreeSet<_> = braced
            .map(|rest| rest.split('}').next().expect("a name"))
            .collect();
        assert_eq!(named, braced, "{}", operation.path);
    }
    each_reference(&document, &mut |reference| {
        resolve(&document, reference);
    });
}

/// A generated client has a type for an optional member that allows its absence.
#[test]
fn members_that_the_server_always_sends_are_required() {
    let app = TestServer::start();
    let document = document(&app);
    for (schema, members) in [
        (
            "KeyList",
            &["cursor", "items", "namespace", "prefixes", "revision"][..],
        ),
        ("Found", &["items", "revision"]),
    ] {
        let required = document["components"]["schemas"][schema]["required"].as_array();
        let required: BTreeSet<_> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(required, members.iter().copied().collect(), "{schema}");
    }
}

#[test]
fn a_client_can_be_generated_from_each_operation() {
    let app = TestServer::start();
    let document = document(&app);
    for operation in operations(&document) {
        let shown = format!("{} {}", operation.method, operation.path);
        assert!(!matches!(&*operation.method, "HEAD" | "OPTIONS"), "{shown}");
        // A generator cannot make a type of a body without a schema, or with two.
        let body = &operation.description["requestBody"]["content"];
        each_content(body, &mut |content| {
            assert!(content.get("schema").is_some(), "{shown}: {content}");
        });
        for (status, answer) in operation.description["responses"]
            .as_object()
            .expect("answers")
        {
            if status.starts_with(['4', '5']) {
                let shared = format!("#/components/responses/problem-{status}");
                assert_eq!(answer["$ref"], shared, "{shown}");
            }
            each_content(&answer["content"], &mut |content| {
                assert!(content.get("schema").is_some(), "{shown}: {content}");
            });
        }
    }
    for (name, answer) in document["components"]["responses"]
        .as_object()
        .expect("answers")
    {
        let content = &answer["content"]["application/problem+json"];
        let problem = "#/components/schemas/Problem";
        assert_eq!(content["schema"]["$ref"], problem, "{name}");
    }
}

fn each_content(contents: &Value, visit: &mut impl FnMut(&Value)) {
    contents
        .as_object()
        .into_iter()
        .flatten()
        .for_each(|(_, content)| visit(content));
}

#[test]
fn each_operation_and_check_of_a_transaction_has_a_name_and_a_discriminator() {
    let app = TestServer::start();
    let document = document(&app);
    let schemas = &document["components"]["schemas"];
    let mapping = schemas["Operation"]["discriminator"]["mapping"].as_object();
    let mapping = mapping.expect("what `op` may be");
    let references = |of: &str| -> BTreeSet<String> {
        let variants = schemas[of]["oneOf"].as_array().expect("variants").iter();
        let names = variants.map(|variant| variant["$ref"].as_str().expect("a name").to_owned());
        names.collect()
    };
    let mapped: BTreeSet<String> = mapping
        .values()
        .map(|name| name.as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(references("Operation"), mapped);
    for (op, name) in mapping {
        let operation = resolve(&document, name);
        assert_eq!(operation["properties"]["op"]["const"], op.as_str());
        assert_eq!(operation["additionalProperties"], false);
        let required = operation["required"].as_array().expect("required members");
        assert!(required.contains(&"op".into()), "{op}");
    }
    let marks = references("Check").into_iter().map(|name| {
        let check = resolve(&document, &name.into());
        let required = check["required"].as_array().expect("required members");
        assert_eq!(required.len(), 1, "{check}");
        required[0].as_str().expect("a name").to_owned()
    });
    let marks: BTreeSet<String> = marks.collect();
    assert_eq!(
        marks,
        BTreeSet::from(["absent", "exists", "revision"].map(str::to_owned))
    );
}

fn each_reference(value: &Value, visit: &mut impl FnMut(&Value)) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| match name.as_str() {
                "$ref" => visit(value),
                _ => each_reference(value, visit),
            }),
        Value::Array(elements) => elements
            .iter()
            .for_each(|value| each_reference(value, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_described_route_exists() {
    let app = TestServer::start();
    for operation in operations(&document(&app)) {
        assert_eq!(app.post("/kv/n/k", "v").status, 201);
        let (method, path) = (&operation.method, operation.example());
        let mut connection = app.connect();
        connection.send(akvs_testing::raw::request(method, &path, "", b""));
        let answer = connection.head().expect("an answer");
        assert!(
            !matches!(answer.status, 404 | 405),
            "{method} {path}: {answer:?}"
        );
    }
}

#[test]
fn every_route_is_described() {
    let app = filled();
    let document = document(&app);
    let mut described: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for operation in operations(&document) {
        let methods = described.entry(operation.path).or_default();
        methods.insert(operation.method.clone());
    }
    let rows = ROUTES.lines().filter_map(|line| {
        let (_, path) = line.split_once(", \"/")?;
        let (path, columns) = path.split_once("\", ")?;
        (!columns.starts_with("Owner")).then(|| format!("/{path}"))
    });
    let rows: BTreeSet<String> = rows.collect();
    assert!(rows.len() > 10, "{rows:?}");
    let paths: BTreeSet<String> = described.keys().map(|path| (*path).to_owned()).collect();
    assert_eq!(paths, rows);
    for operation in operations(&document) {
        let answer = app.ask("OPTIONS", &operation.example());
        assert_eq!(answer.status, 204, "{}", operation.path);
        let allow = answer.header("Allow").expect("the methods");
        let methods: BTreeSet<String> = allow.split(", ").map(str::to_owned).collect();
        // These two are described in the text, for all paths together.
        let mut expected = described[operation.path].clone();
        expected.insert("OPTIONS".to_owned());
        if expected.contains("GET") {
            expected.insert("HEAD".to_owned());
        }
        assert_eq!(methods, expected, "{}", operation.path);
    }
}

#[test]
fn every_path_that_the_index_lists_is_described() {
    let app = TestServer::start();
    let document = document(&app);
    let root = app.ask("GET", "/");
    let words = root.text().split_whitespace();
    let mut count = 0;
    for path in words.filter(|word| word.starts_with('/')) {
        assert!(document["paths"].get(path).is_some(), "{path}");
        count += 1;
    }
    assert!(count > 10, "{count} paths");
}

#[test]
fn a_cached_document_is_304() {
    let app = TestServer::start();
    let first = app.ask("GET", "/openapi.json");
    let tag = first.header("ETag").expect("a tag").to_owned();
    assert_eq!(first.header("Cache-Control"), Some("no-cache"));
    for (tags, status) in [
        (tag.clone(), 304),
        (format!("W/{tag}"), 304),
        (format!("\"x\", {tag}"), 304),
        ("*".to_owned(), 304),
        ("\"x\"".to_owned(), 200),
    ] {
        let header = format!("If-None-Match: {tags}\r\n");
        let answer = app.connect().ask("GET", "/openapi.json", &header, b"");
        assert_eq!(answer.status, status, "{tags}");
        assert_eq!(answer.header("ETag"), Some(&*tag), "{tags}");
    }
    let head = app.ask("HEAD", "/openapi.json");
    assert_eq!(
        head.header("Content-Length"),
        first.header("Content-Length")
    );
}

#[test]
fn tokens_are_required_where_documented() {
    let app = TestServer::with(options(vec![token("s", &[Right::Admin], &["*"])]));
    let answer = ask(&app, "s", "GET", "/openapi.json", "");
    let document: Value = serde_json::from_slice(&answer.body).expect("a document");
    assert_eq!(app.ask("GET", "/openapi.json").status, 401);
    let scheme = &document["components"]["securitySchemes"]["token"];
    assert_eq!(
        (&scheme["type"], &scheme["scheme"]),
        (&"http".into(), &"bearer".into())
    );
    for operation in operations(&document) {
        let (method, path) = (&operation.method, operation.example());
        let is_open = operation
            .description
            .get("security")
            .is_some_and(|description| description == &Value::Array(vec![]));
        let answer = app.ask(method, &path);
        assert_eq!(answer.status != 401, is_open, "{method} {path}");
        let description = operation.answer(&document, 401).is_some();
        assert_eq!(description, !is_open, "{method} {path}");
    }
}

#[test]
fn another_site_s_page_is_refused_as_the_document_says() {
    let app = filled();
    let document = document(&app);
    let mut count = 0;
    for operation in operations(&document) {
        let (method, path) = (&operation.method, operation.example());
        if method == "GET" {
            continue;
        }
        count += 1;
        let headers = "Sec-Fetch-Site: cross-site\r\n";
        let answer = app.connect().ask(method, &path, headers, b"");
        assert_eq!(
            answer.refusal(),
            (403, "forbidden".into()),
            "{method} {path}"
        );
        let description = operation.answer(&document, 403);
        let codes = &description.expect("what 403 means")["content"]["application/problem+json"];
        assert!(
            codes["examples"].get("forbidden").is_some(),
            "{method} {path}"
        );
    }
    assert_eq!(count, 11);
}

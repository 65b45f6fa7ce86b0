//! The page of the HTTP API: its examples run, and it names everything that the server describes.
//!
//! An example is a line of a `console` block that begins with `$ `, with its output. The examples run in order, in one
//! directory, against one new server; [`examples`] compares the output. If curl is not installed, they are skipped with
//! a message.

use std::collections::BTreeSet;
use std::process::Command;

use super::examples::{Example, Folder};
use crate::common::Server;
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/http-api.md");
const ADDRESS: &str = "localhost:8080";

#[test]
fn the_examples_print_the_output_of_the_page() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: curl is not installed");
        return;
    }
    let folder = Folder::new();
    let mut server = Server::start(&folder.data(), &[]);
    let all = Example::read(PAGE);
    for example in &all {
        if let Err(difference) = folder.run(example, &[(ADDRESS, server.address())]) {
            panic!("{difference}");
        }
        if example.command.starts_with("akvs token") {
            // The next example needs the tokens.
            server.wait_for("loaded ");
        }
    }
    assert!(all.len() > 60, "{} examples", all.len());
    server.stop();
}

#[test]
fn the_page_names_every_route_parameter_field_and_member() {
    let description = description();
    let mut names = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Some(responses) = operation["responses"].as_object() else {
                names.extend(named(&operations["parameters"], &["query", "header"]));
                continue;
            };
            let method = method.to_uppercase();
            let is_row = |line: &str| line.contains(&format!("`{path}`")) && line.contains(&method);
            assert!(PAGE.lines().any(is_row), "no row of {method} {path}");
            names.extend(named(&operation["parameters"], &["query", "header"]));
            for response in responses.values() {
                names.extend(keys(&response["headers"]));
            }
        }
    }
    let components = &description["components"];
    for schema in components["schemas"].as_object().unwrap().values() {
        names.extend(keys(&schema["properties"]));
    }
    assert!(names.len() > 60, "{names:?}");
    for name in names {
        let is_told = PAGE.contains(&format!("`{name}`")) || PAGE.contains(&format!("\"{name}\""));
        let is_field = PAGE.contains(&format!("`{name}: "));
        assert!(is_told || is_field, "the page does not name {name}");
    }
}

#[test]
fn the_table_of_codes_has_each_with_its_status() {
    let description = description();
    let responses = description["components"]["responses"].as_object().unwrap();
    let mut rows = 0;
    for (name, response) in responses {
        let status = name.strip_prefix("problem-").unwrap();
        let examples = &response["content"]["application/problem+json"]["examples"];
        for code in keys(examples) {
            let row = format!("| `{code}` | {status} |");
            assert!(PAGE.contains(&row), "no row {row}");
            rows += 1;
        }
    }
    let codes = PAGE.lines().filter(|line| is_row_of_a_code(line)).count();
    assert_eq!(codes, rows, "rows of codes that the server does not have");
}

/// Returns whether a line is a row `| code | status | …`.
fn is_row_of_a_code(line: &str) -> bool {
    let mut cells = line.split(" | ");
    let code = cells.next().and_then(|cell| cell.strip_prefix("| `"));
    let status = cells.next().and_then(|cell| cell.parse::<u16>().ok());
    code.is_some() && status.is_some_and(|status| status >= 400)
}

/// Returns the server's /openapi.json.
fn description() -> Value {
    let folder = Folder::new();
    let server = Server::start(&folder.data(), &[]);
    let answer = server.ask("GET", "/openapi.json", b"");
    server.stop();
    serde_json::from_slice(&answer.body).unwrap()
}

/// Returns the names of the parameters in these places.
fn named(parameters: &Value, places: &[&str]) -> Vec<String> {
    let all = parameters.as_array().into_iter().flatten();
    let wanted = all.filter(|one| places.contains(&one["in"].as_str().unwrap()));
    wanted
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

fn keys(object: &Value) -> Vec<String> {
    let members = object.as_object().into_iter().flatten();
    members.map(|(name, _)| name.clone()).collect()
}

//! `/` for a browser: the admin page, which needs no token, loads nothing else, and allows nothing else.

mod browser;
mod driver;

use std::collections::BTreeSet;

use akvs_http::Right;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::tokens;
use akvs_testing::raw::Answer;
use akvs_testing::server::TestServer;

const BROWSER: &str =
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

fn page(app: &TestServer) -> Answer {
    let answer = app.connect().ask("GET", "/", BROWSER, b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Returns the directives of a policy, each name with its sources.
fn policy(answer: &Answer) -> Vec<(String, Vec<String>)> {
    let policy = answer.header("Content-Security-Policy");
    let directives = policy.expect("a policy").split("; ").map(|directive| {
        let mut words = directive.split(' ').map(str::to_owned);
        (words.next().unwrap_or_default(), words.collect())
    });
    directives.collect()
}

/// Returns the contents of the elements with this name.
fn contents<'a>(document: &'a str, element: &str) -> Vec<&'a str> {
    let (begin, end) = (format!("<{element}>"), format!("</{element}>"));
    let parts = document.split(begin.as_str()).skip(1);
    let ended = parts.map(|part| part.split_once(end.as_str()).expect("an end").0);
    ended.collect()
}

#[test]
fn a_browser_gets_the_page_and_others_the_text() {
    let app = TestServer::start();
    let browser = BROWSER.trim_start_matches("Accept: ").trim_end();
    for (accept, expected) in [
        (browser, HTML),
        ("text/html", HTML),
        ("Text/HTML;charset=utf-8", HTML),
        ("text/html, */*", HTML),
        ("text/html, text/plain", HTML),
        ("text/html;q=0.5, text/plain;q=0.4", HTML),
        ("text/html;q=0.4, text/plain;q=0.5", TEXT),
        ("text/html;q=0.5, text/*", TEXT),
        ("text/html;q=0.5, */*", TEXT),
        ("text/html;q=0, */*", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        ("text/plain", TEXT),
        ("application/json", TEXT),
        ("nonsense", TEXT),
    ] {
        let header = format!("Accept: {accept}\r\n");
        let answer = app.connect().ask("GET", "/", &header, b"");
        assert_eq!(answer.header("Content-Type"), Some(expected), "{accept}");
        // Caches must not return one of them for the other.
        assert_eq!(answer.header("Vary"), Some("accept"), "{accept}");
    }
    assert_eq!(app.ask("GET", "/").header("Content-Type"), Some(TEXT));
    let lines = "Accept: text/plain;q=0.1\r\nAccept: text/html\r\n";
    let answer = app.connect().ask("GET", "/", lines, b"");
    assert_eq!(answer.header("Content-Type"), Some(HTML));
}

#[test]
fn the_page_needs_no_token_and_its_data_does() {
    let secret = tokens::token("secret", &[Right::Admin], &["*"]);
    let app = TestServer::with(tokens::options(vec![secret]));
    let answer = page(&app);
    assert!(answer.text().starts_with("<!doctype html>"));
    // A wrong token does not block it, and a valid one does not change it.
    for token in ["wrong", "secret"] {
        let headers = format!("{BROWSER}Authorization: Bearer {token}\r\n");
        let same = app.connect().ask("GET", "/", &headers, b"");
        assert_eq!((same.status, same.body), (200, answer.body.clone()));
    }
    for path in ["/kv", "/version", "/kv/n", "/watch/n"] {
        let answer = app.connect().ask("GET", path, BROWSER, b"");
        assert_eq!(answer.refusal(), (401, "unauthorized".into()), "{path}");
    }
    assert_eq!(app.ask("GET", "/").status, 401);
}

#[test]
fn the_policy_allows_only_what_the_page_has() {
    let answer = page(&TestServer::start());
    let document = answer.text();
    let hashes = |element| -> BTreeSet<String> {
        let texts = contents(document, element).into_iter();
        let hashes =
            texts.map(|text| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text))));
        hashes.collect()
    };
    let (scripts, styles) = (hashes("script"), hashes("style"));
    assert!(!scripts.is_empty() && !styles.is_empty());
    let one = |source: &str| BTreeSet::from([source.to_owned()]);
    let found = policy(&answer);
    let expected = [
        ("default-src", one("'none'")),
        ("script-src", scripts),
        ("style-src", styles),
        ("connect-src", one("'self'")),
        ("img-src", one("data:")),
        ("base-uri", one("'none'")),
        ("form-action", one("'none'")),
        ("frame-ancestors", one("'none'")),
        ("require-trusted-types-for", one("'script'")),
        ("trusted-types", one("'none'")),
    ];
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((name, sources), (expected_name, expected)) in found.into_iter().zip(expected) {
        assert_eq!(name, expected_name);
        assert_eq!(BTreeSet::from_iter(sources), expected, "{name}");
    }
    assert_eq!(answer.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(answer.header("Referrer-Policy"), Some("no-referrer"));
    // The browser would not apply either of the two.
    assert_eq!(
        document.matches("<script").count(),
        contents(document, "script").len()
    );
    for attribute in [
        " style=",
        " onclick=",
        " onload=",
        " onsubmit=",
        "javascript:",
    ] {
        assert!(!document.contains(attribute), "{attribute}");
    }
}

#[test]
fn the_page_loads_nothing_else_and_is_small() {
    let answer = page(&TestServer::start());
    let document = answer.text();
    assert!(answer.body.len() < 64 << 10, "{} bytes", answer.body.len());
    for outside in [
        "http://", "https://", "\"//", "'//", "url(", "@import", "import(", " src=",
    ] {
        assert!(!document.contains(outside), "{outside}");
    }
    let mut links = document.split("href=\"").skip(1);
    assert!(links.all(|link| link.starts_with("#/") || link.starts_with("data:image/")));
}

#[test]
fn a_cached_page_is_304() {
    let app = TestServer::start();
    let first = page(&app);
    let tag = first.header("ETag").expect("a tag").to_owned();
    assert!(tag.starts_with('"'), "a strong one: {tag}");
    assert_eq!(first.header("Cache-Control"), Some("no-cache"));
    for tags in [
        tag.clone(),
        format!("W/{tag}"),
        format!("\"x\", {tag}"),
        "*".to_owned(),
    ] {
        for method in ["GET", "HEAD"] {
            let headers = format!("{BROWSER}If-None-Match: {tags}\r\n");
            let answer = app.connect().ask(method, "/", &headers, b"");
            assert_eq!(
                (answer.status, answer.body.len()),
                (304, 0),
                "{method} {tags}"
            );
            for name in ["ETag", "Cache-Control", "Vary"] {
                assert_eq!(answer.header(name), first.header(name), "{name}");
            }
        }
    }
    for tags in ["\"x\"", "\"1\"", "nonsense"] {
        let headers = format!("{BROWSER}If-None-Match: {tags}\r\n");
        let answer = app.connect().ask("GET", "/", &headers, b"");
        assert_eq!((answer.status, &answer.body), (200, &first.body), "{tags}");
    }
    // Another server has the same page: it contains nothing of a single server.
    assert_eq!(page(&TestServer::start()).header("ETag"), Some(&*tag));
}

#[test]
fn the_page_is_read_only() {
    let app = TestServer::start();
    let get = page(&app);
    let head = app.connect().ask("HEAD", "/", BROWSER, b"");
    assert_eq!((head.status, &head.body[..]), (200, &b""[..]));
    for name in [
        "Content-Length",
        "Content-Type",
        "ETag",
        "Content-Security-Policy",
        "Vary",
    ] {
        assert_eq!(head.header(name), get.header(name), "{name}");
        assert!(head.header(name).is_some(), "{name}");
    }
    let options = app.connect().ask("OPTIONS", "/", BROWSER, b"");
    assert_eq!(
        (options.status, options.header("Allow")),
        (204, Some("GET, HEAD, OPTIONS"))
    );
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let answer = app.connect().ask(method, "/", BROWSER, b"");
        assert_eq!(answer.summary(), (405, "Method Not Allowed"), "{method}");
        assert_eq!(
            answer.header("Allow"),
            Some("GET, HEAD, OPTIONS"),
            "{method}"
        );
    }
}

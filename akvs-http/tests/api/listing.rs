//! Section 8.1, lists of keys: which keys are listed, in which order, over pages of any size.

use serde_json::{Value, json};

use akvs_testing::server::TestServer;

/// Returns the document of a path.
pub(crate) fn document(app: &TestServer, path: &str) -> Value {
    let answer = app.ask("GET", path);
    assert_eq!(answer.status, 200, "GET {path}: {answer:?}");
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    serde_json::from_slice(&answer.body).expect("a document")
}

/// Returns the keys and prefixes of all pages, in the order of the pages.
fn all(app: &TestServer, path: &str) -> (Vec<String>, Vec<String>) {
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    let mut cursor = String::new();
    for _ in 0..1_000 {
        let page = document(app, &format!("{path}{cursor}"));
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let items = page["items"].as_array().expect("items").iter();
        keys.extend(items.map(|item| text(&item["key"])));
        let groups = page["prefixes"].as_array().expect("prefixes").iter();
        prefixes.extend(groups.map(text));
        let Some(next) = page["cursor"].as_str() else {
            return (keys, prefixes);
        };
        cursor = format!("&cursor={next}");
    }
    panic!("{path} has no end");
}

fn fill(app: &TestServer, keys: &[&str]) {
    for key in keys {
        assert_eq!(app.post(&format!("/kv/ns/{key}"), "v").status, 201);
    }
}

#[test]
fn an_item_has_all_metadata_of_a_key() {
    let (app, clock) = TestServer::with_clock();
    let mut connection = app.connect();
    let text = "Content-Type: text/plain\r\n";
    connection.ask("POST", "/kv/ns/a%2Fb?ttl=90", text, b"hello");
    connection.ask("POST", "/kv/ns/%FF", "", b"\xfe");
    clock.advance(10);
    let expected = json!({
        "namespace": "ns", "revision": 2, "prefixes": [], "cursor": null, "items": [
            {"key": "a/b", "revision": 1, "size": 5, "content_type": "text/plain", "value": "hello",
             "modified": "2023-11-14T22:13:20.789Z", "expires": "2023-11-14T22:14:50.789Z"},
            {"key64": "_w", "revision": 2, "size": 1, "content_type": "application/octet-stream", "value64": "_g",
             "modified": "2023-11-14T22:13:20.789Z", "expires": null},
        ],
    });
    assert_eq!(document(&app, "/kv/ns?values=true"), expected);
    for path in ["/kv/ns", "/kv/ns?values=false"] {
        let mut without = expected.clone();
        without["items"][0].as_object_mut().unwrap().remove("value");
        without["items"][1]
            .as_object_mut()
            .unwrap()
            .remove("value64");
        assert_eq!(document(&app, path), without);
    }
}

#[test]
fn keys_are_in_the_order_of_their_unsigned_bytes_and_of_one_namespace_only() {
    let app = TestServer::start();
    fill(&app, &["b", "a", "%7F", "ab", "%C3%A4", "A"]);
    for other in ["/kv/n/k", "/kv/ns2/k"] {
        app.post(other, "v");
    }
    let keys = ["A", "a", "ab", "b", "\u{7f}", "ä"];
    assert_eq!(all(&app, "/kv/ns?limit=1000").0, keys);
    let back: Vec<_> = keys.into_iter().rev().collect();
    assert_eq!(all(&app, "/kv/ns?reverse=true").0, back);
}

#[test]
fn bounds_limit_a_list_in_both_directions_and_pages_of_any_size() {
    for app in [TestServer::start(), TestServer::on_disk()] {
        let keys = ["a", "a%00", "aa", "ab", "abc", "b", "ba", "c"];
        fill(&app, &keys);
        for (query, expected) in [
            ("prefix=a", &["a", "a\0", "aa", "ab", "abc"][..]),
            ("prefix64=YWI", &["ab", "abc"]),
            ("prefix=d", &[]),
            ("start=ab", &["ab", "abc", "b", "ba", "c"]),
            ("end=ab", &["a", "a\0", "aa"]),
            ("end=", &[]),
            ("start64=YQA&end64=YmE", &["a\0", "aa", "ab", "abc", "b"]),
            ("prefix=a&start=aa&end=abc", &["aa", "ab"]),
            ("prefix=b&start=a&end=z", &["b", "ba"]),
            ("prefix=a&start=b", &[]),
            ("start=b&end=a", &[]),
        ] {
            for limit in [1, 2, 3, 5, 100] {
                let found = all(&app, &format!("/kv/ns?{query}&limit={limit}"));
                assert_eq!(found.0, expected, "{query} {limit}");
                let found = all(&app, &format!("/kv/ns?{query}&limit={limit}&reverse=true"));
                let back: Vec<_> = expected.iter().rev().copied().collect();
                assert_eq!(found.0, back, "{query} {limit} reverse");
            }
        }
    }
}

#[test]
fn a_delimiter_lists_each_group_once() {
    for app in [TestServer::start(), TestServer::on_disk()] {
        fill(
            &app,
            &["a", "a%2F", "b", "dir%2Fsub%2Fx", "dir%2Fy", "dir.", "z"],
        );
        for group in ["big%2F", "m%3A%3A"] {
            let paths = (0..150).map(|number| format!("/kv/ns/{group}{number:03}"));
            app.connect().ask_all("POST", paths, b"v");
        }
        for (query, keys, prefixes) in [
            (
                "delimiter=/&end=m",
                &["a", "b", "dir."][..],
                &["a/", "big/", "dir/"][..],
            ),
            ("delimiter=%2F&prefix=dir/", &["dir/y"], &["dir/sub/"]),
            ("delimiter64=Lw&prefix=di", &["dir."], &["dir/"]),
            (
                "delimiter=/&prefix=big/14",
                &[
                    "big/140", "big/141", "big/142", "big/143", "big/144", "big/145", "big/146",
                    "big/147", "big/148", "big/149",
                ],
                &[],
            ),
            (
                "delimiter=/&start=big/100&end=dir/y",
                &["dir."],
                &["big/", "dir/"],
            ),
            (
                "delimiter=%3A%3A&start=dir.&end=zz",
                &["dir.", "dir/sub/x", "dir/y", "z"],
                &["m::"],
            ),
        ] {
            for limit in [1, 2, 3, 100] {
                let mut expected = (keys.to_vec(), prefixes.to_vec());
                let path = format!("/kv/ns?{query}&limit={limit}");
                let found = all(&app, &path);
                assert_eq!(
                    (&found.0[..], &found.1[..]),
                    (&to_strings(&expected.0)[..], &to_strings(&expected.1)[..]),
                    "{path}"
                );
                let found = all(&app, &format!("{path}&reverse=true"));
                expected.0.reverse();
                expected.1.reverse();
                assert_eq!(
                    (&found.0[..], &found.1[..]),
                    (&to_strings(&expected.0)[..], &to_strings(&expected.1)[..]),
                    "{path}"
                );
            }
        }
    }
}

fn to_strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_list_ends_after_a_last_group_of_the_greatest_bytes_or_of_no_text() {
    let app = TestServer::start();
    fill(&app, &["a", "%FF%FFa", "%FF%FFb", "%FFx"]);
    for limit in [1, 2, 9] {
        for (reverse, expected) in [
            ("false", [json!([]), json!([{"prefix64": "_w"}])]),
            ("true", [json!([{"prefix64": "_w"}]), json!([])]),
        ] {
            let path = format!("/kv/ns?delimiter=%FF&reverse={reverse}&limit={limit}");
            let first = document(&app, &path);
            if limit > 1 {
                assert_eq!(first["prefixes"], json!([{"prefix64": "_w"}]));
                assert_eq!(
                    (&first["items"][0]["key"], &first["cursor"]),
                    (&json!("a"), &Value::Null)
                );
                continue;
            }
            let cursor = first["cursor"].as_str().expect("a cursor");
            let second = document(&app, &format!("{path}&cursor={cursor}"));
            assert_eq!(
                [&first["prefixes"], &second["prefixes"]],
                [&expected[0], &expected[1]]
            );
            assert_eq!(second["cursor"], Value::Null);
        }
    }
}

#[test]
fn a_full_last_page_has_no_cursor() {
    let app = TestServer::start();
    fill(&app, &["a", "b", "c"]);
    for reverse in ["false", "true"] {
        let page = document(&app, &format!("/kv/ns?limit=3&reverse={reverse}"));
        assert_eq!(
            (page["items"].as_array().unwrap().len(), &page["cursor"]),
            (3, &Value::Null)
        );
    }
}

#[test]
fn a_page_has_100_items_by_default_and_at_most_1000() {
    let app = TestServer::start();
    let paths = (0..1_001).map(|number| format!("/kv/ns/{number:04}"));
    app.connect().ask_all("POST", paths, b"v");
    let count = |path: &str| document(&app, path)["items"].as_array().unwrap().len();
    assert_eq!(count("/kv/ns"), 100);
    assert_eq!(count("/kv/ns?limit=1000"), 1_000);
    assert_eq!(all(&app, "/kv/ns?limit=1000").0.len(), 1_001);
    let answer = app.ask("GET", "/kv/ns?limit=1001");
    assert_eq!(answer.refusal(), (400, "invalid_request".into()));
    assert_eq!(
        (&answer.problem()["limit"], &answer.problem()["parameter"]),
        (&json!(1_000), &json!("limit"))
    );
}

#[test]
fn a_page_is_bounded_by_bytes_and_has_at_least_one_item() {
    let app = TestServer::start();
    for number in 0..6 {
        app.post(&format!("/kv/ns/{number}"), vec![b'x'; 400 << 10]);
    }
    app.post("/kv/ns/9", vec![b'x'; 3 << 20]);
    let page = document(&app, "/kv/ns?values=true");
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        all(&app, "/kv/ns?values=true").0,
        ["0", "1", "2", "3", "4", "5", "9"]
    );
    // Values that are not returned do not count.
    assert_eq!(
        document(&app, "/kv/ns")["items"].as_array().unwrap().len(),
        7
    );
}

#[test]
fn a_key_that_exists_during_the_whole_list_is_listed_once() {
    for reverse in ["false", "true"] {
        let app = TestServer::start();
        let names: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
        for name in names.iter().rev() {
            fill(&app, &[name]);
        }
        let path = format!("/kv/ns?limit=7&reverse={reverse}");
        let (mut found, mut cursor, mut round) = (Vec::new(), String::new(), 0);
        loop {
            let page = document(&app, &format!("{path}{cursor}"));
            let items = page["items"].as_array().unwrap().iter();
            found.extend(items.map(|item| item["key"].as_str().unwrap().to_owned()));
            let Some(next) = page["cursor"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
            // Deletes the key at which the page ended, adds keys around it, and writes all others again.
            let last = found.last().unwrap().clone();
            app.ask("DELETE", &format!("/kv/ns/{last}"));
            fill(&app, &[&format!("{last}-{round}"), &format!("{round:02}")]);
            round += 1;
        }
        let mut stood: Vec<String> = found.iter().filter(|key| key.len() == 2).cloned().collect();
        stood.sort();
        assert_eq!(stood, names, "reverse={reverse}");
    }
}

#[test]
fn expired_keys_are_not_listed_and_the_list_continues() {
    for reverse in ["false", "true"] {
        let (app, clock) = TestServer::with_clock();
        fill(&app, &["a%2F1", "z"]);
        let paths = (0..300).map(|number| format!("/kv/ns/m%2F{number:03}?ttl=1"));
        app.connect().ask_all("POST", paths, b"v");
        clock.advance(999);
        assert_eq!(
            all(&app, &format!("/kv/ns?limit=50&reverse={reverse}"))
                .0
                .len(),
            302
        );
        clock.advance(1);
        for limit in [1, 2, 100] {
            let path = format!("/kv/ns?limit={limit}&reverse={reverse}");
            let mut found = all(&app, &path).0;
            found.sort();
            assert_eq!(found, ["a/1", "z"]);
            let found = all(&app, &format!("{path}&delimiter=/"));
            assert_eq!(found, (to_strings(&["z"]), to_strings(&["a/"])));
        }
    }
}

#[test]
fn a_changed_cursor_and_a_cursor_of_another_list_are_refused() {
    let app = TestServer::start();
    fill(&app, &["a", "b", "c", "d"]);
    app.post("/kv/other/a", "v");
    let query = "prefix=&start=a&end=z&delimiter=/";
    let page = document(&app, &format!("/kv/ns?{query}&limit=1"));
    let cursor = page["cursor"].as_str().expect("a cursor");
    let next = document(
        &app,
        &format!("/kv/ns?{query}&limit=2&values=true&cursor={cursor}"),
    );
    assert_eq!(
        (&next["items"][0]["key"], &next["items"][1]["key"]),
        (&json!("b"), &json!("c"))
    );
    for path in [
        format!("/kv/ns?cursor={cursor}"),
        format!("/kv/other?{query}&cursor={cursor}"),
        format!("/kv/ns?{query}&reverse=true&cursor={cursor}"),
        format!("/kv/ns?prefix=b&start=a&end=z&delimiter=/&cursor={cursor}"),
        format!("/kv/ns?start=b&end=z&delimiter=/&cursor={cursor}"),
        format!("/kv/ns?start=a&end=y&delimiter=/&cursor={cursor}"),
        format!("/kv/ns?start=a&end=z&delimiter=.&cursor={cursor}"),
        format!("/kv?cursor={cursor}"),
        format!("/kv/ns?{query}&cursor={}", &cursor[..8]),
        format!("/kv/ns?{query}&cursor={cursor}="),
        format!("/kv/ns?{query}&cursor="),
        format!("/kv/ns?{query}&cursor=%FF"),
    ] {
        let answer = app.ask("GET", &path);
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{path}");
        assert_eq!(answer.problem()["parameter"], "cursor", "{path}");
    }
}

#[test]
fn unknown_members_are_refused_by_name() {
    let app = TestServer::start();
    fill(&app, &["a"]);
    for (query, name) in [
        ("perfix=a", "perfix"),
        ("limit=0", "limit"),
        ("reverse=yes", "reverse"),
        ("delimiter=", "delimiter"),
        ("prefix=a&prefix=a", "prefix"),
        ("end64=*", "end64"),
    ] {
        let answer = app.ask("GET", &format!("/kv/ns?{query}"));
        assert_eq!(answer.refusal(), (400, "invalid_request".into()), "{query}");
        assert_eq!(answer.problem()["parameter"], name);
    }
    assert_eq!(app.ask("GET", "/kv/ns?prefix=%zz").status, 400);
}

#[test]
fn a_missing_namespace_is_404_and_not_created() {
    let app = TestServer::start();
    for path in ["/kv/ns", "/kv/ns?prefix=a", "/kv/ns?values=true&limit=1"] {
        assert_eq!(app.ask("GET", path).summary(), (404, "Not Found"));
        assert_eq!(app.ask("HEAD", path).status, 404);
    }
    assert_eq!(app.namespaces(), [""; 0]);
    fill(&app, &["a"]);
    app.ask("DELETE", "/kv/ns/a");
    let expected =
        json!({"namespace": "ns", "revision": 2, "items": [], "prefixes": [], "cursor": null});
    assert_eq!(document(&app, "/kv/ns"), expected);
}

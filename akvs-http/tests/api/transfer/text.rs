//! Export files after a text editor or a transfer in text mode: other line ends, more or fewer newlines at the end, a
//! byte order mark. They are valid.

use serde_json::{Value, json};

use super::{ended, export, file, import, records, refused};
use akvs_testing::server::TestServer;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns variants of a text that programs produce, each with its name.
fn changed(whole: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let text = std::str::from_utf8(whole).expect("text");
    let without = text.strip_suffix('\n').expect("a last newline");
    let returns = text.replace('\n', "\r\n");
    let all = |parts: &[&[u8]]| parts.concat();
    vec![
        ("unchanged", whole.to_vec()),
        ("without the last newline", without.into()),
        ("with one more newline", all(&[whole, b"\n"])),
        ("with many more newlines", all(&[whole, b"\r\n\n\n"])),
        ("with spaces at the end", all(&[whole, b"  "])),
        ("CRLF", returns.clone().into()),
        (
            "CRLF without the last",
            without.replace('\n', "\r\n").into(),
        ),
        (
            "CRLF half of the last",
            all(&[without.replace('\n', "\r\n").as_bytes(), b"\r"]),
        ),
        ("CRLF twice", returns.replace('\n', "\r\n").into()),
        ("some CRLF", text.replacen('\n', "\r\n", 2).into()),
        ("a byte order mark", all(&[BYTE_ORDER_MARK, whole])),
        (
            "a byte order mark and CRLF",
            all(&[BYTE_ORDER_MARK, returns.as_bytes()]),
        ),
        (
            "empty lines",
            all(&[b"\n", text.replace('\n', "\n\n").as_bytes()]),
        ),
    ]
}

fn values() -> Vec<Value> {
    vec![
        json!({"key": "a", "value": "1\r\n"}),
        json!({"key": "b", "value": "\u{feff}"}),
    ]
}

#[test]
fn other_line_ends_and_byte_order_marks_are_accepted() {
    let app = TestServer::start();
    for (name, text) in changed(&file(&values())) {
        let report = import(&app, "/import/ns", &text);
        assert_eq!(
            report,
            json!({"imported": 2, "skipped": 0, "errors": []}),
            "{name}"
        );
        assert_eq!(app.value("/kv/ns/a"), b"1\r\n", "{name}");
        assert_eq!(app.value("/kv/ns/b"), "\u{feff}".as_bytes(), "{name}");
        app.ask("DELETE", "/kv/ns?confirm=ns");
    }
}

#[test]
fn such_files_are_accepted_wherever_the_body_is_split() {
    let app = TestServer::start();
    let whole = String::from_utf8(file(&values())).expect("text");
    let text = [
        BYTE_ORDER_MARK,
        whole.replace('\n', "\r\n").as_bytes(),
        b"\r\n",
    ]
    .concat();
    for size in [1, 2, 3, 7] {
        let mut connection = app.connect();
        let head = "POST /import/ns HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut request = head.as_bytes().to_vec();
        for part in text.chunks(size) {
            request.extend(format!("{:x}\r\n", part.len()).into_bytes());
            request.extend(part);
            request.extend(b"\r\n");
        }
        request.extend(b"0\r\n\r\n");
        connection.send(request);
        let answer = connection.answer();
        assert_eq!(answer.status, 200, "{size}: {}", answer.text());
    }
}

#[test]
fn such_files_of_many_namespaces_are_accepted() {
    let from = TestServer::start();
    from.post("/kv/a/k", "of a");
    from.post("/kv/b/k", vec![0xff; 100]);
    from.post("/kv/b/l", "of b");
    let whole = export(&from, "/export");
    for (name, text) in changed(&whole) {
        let to = TestServer::start();
        assert_eq!(import(&to, "/import", &text)["imported"], 3, "{name}");
        for namespace in ["a", "b"] {
            let path = format!("/export/{namespace}");
            assert_eq!(records(&export(&to, &path)), records(&export(&from, &path)));
        }
    }
}

#[test]
fn a_checksum_of_the_changed_text_is_accepted() {
    // A program that writes CRLF may compute the checksum of what it writes.
    let text =
        "{\"akvs\":1,\"namespace\":\"ns\",\"revision\":1}\r\n{\"key\":\"a\",\"value\":\"1\"}\r\n";
    let app = TestServer::start();
    assert_eq!(
        import(&app, "/import/ns", &ended(text.into(), 1))["imported"],
        1
    );
}

#[test]
fn other_changes_of_such_files_are_detected() {
    let whole = String::from_utf8(file(&values())).expect("text");
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let [first, a, b, end] = lines[..] else {
        panic!("{lines:?}")
    };
    let app = TestServer::start();
    for (text, detail) in [
        ([first, a, b].concat(), "cut off"),
        ([first, a, b.trim_end()].concat(), "cut off"),
        ([first, a, b, &end[..end.len() - 3]].concat(), "cut off"),
        ([first, a, b, end.trim_end(), "{}"].concat(), "cut off"),
        (
            [first, a, b, end, "\u{feff}"].concat(),
            "trailing data after the last line",
        ),
        ([first, "\u{feff}", a, b, end].concat(), ""),
        (first.replace('\n', "\r"), "no first line"),
        (
            [first, &a.replace("\"1", "\r\"1"), b, end].concat(),
            "sha256",
        ),
    ] {
        refused(&app.post("/import/ns", &text), detail);
    }
}

//! Truncated, changed or encoded exports and lists: none passes for a complete one.

use akvs_client::{Client, Encoding, Error};

use super::small_file;
use akvs_testing::scripted::{ScriptedServer, Step};
use akvs_testing::server::block_on;

/// Returns a server with these answers, one for each request, and a client of it.
fn answering(answers: Vec<Vec<u8>>) -> (ScriptedServer, Client) {
    let server = ScriptedServer::once(answers.into_iter().map(Step::Send));
    let client = Client::new(&server.url()).expect("a client");
    (server, client)
}

/// Returns an answer with this chunked body, complete or without the last chunk.
fn chunked(body: &[u8], is_whole: bool) -> Vec<u8> {
    let end: &[u8] = if is_whole { b"0\r\n\r\n" } else { b"" };
    let size = format!("{:x}\r\n", body.len());
    let head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = match body.is_empty() {
        true => Vec::new(),
        false => [size.as_bytes(), body, b"\r\n"].concat(),
    };
    [&head[..], &chunk, end].concat()
}

/// Returns the errors of the three kinds of streams of an export.
async fn errors(client: &Client) -> [Option<Error>; 3] {
    let export = || client.namespace("ns").expect("a namespace").export();
    let (mut records, mut parts) = (export().records(), export().parts());
    let mut bytes = export().bytes(Encoding::Identity);
    let mut errors = [None, None, None];
    while let Some(record) = records.next().await {
        errors[0] = record.err();
    }
    while let Some(part) = parts.next().await {
        errors[1] = part.err();
    }
    while let Some(piece) = bytes.next().await {
        errors[2] = piece.err();
    }
    errors
}

#[test]
fn a_truncated_or_changed_export_is_an_error() {
    let whole = small_file();
    let mut bodies = Vec::new();
    for cut in 0..whole.len() {
        bodies.push((whole[..cut].to_vec(), cut % 2 == 0));
    }
    // A change within a value leaves valid JSON.
    let find = |text: &str| {
        let mut windows = whole.windows(text.len());
        windows
            .position(|window| window == text.as_bytes())
            .expect("it")
    };
    let mut changed = whole.clone();
    changed[find("hello")] = b'j';
    bodies.push((changed, true));
    let mut miscounted = whole.clone();
    miscounted[find("\"count\":2") + 8] = b'3';
    bodies.push((miscounted, true));
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    for order in [
        &[0, 2, 3][..],
        &[0, 2, 1, 3],
        &[0, 1, 1, 2, 3],
        &[1, 2, 3],
        &[3],
        &[0, 0, 1, 2, 3],
        &[0, 1, 2, 3, 1],
    ] {
        let shuffled: Vec<&[u8]> = order.iter().map(|line| lines[*line]).collect();
        bodies.push((shuffled.concat(), true));
    }
    block_on(async {
        let (_server, client) = answering(vec![chunked(&whole, true); 3]);
        assert!(errors(&client).await.iter().all(Option::is_none));
        for (body, is_whole) in bodies {
            let text = String::from_utf8_lossy(&body).into_owned();
            let (_server, client) = answering(vec![chunked(&body, is_whole); 3]);
            for error in errors(&client).await {
                let error = error.unwrap_or_else(|| panic!("{text} passed for all"));
                assert_eq!(error.code(), None, "{text}: {error:?}");
                assert!(!format!("{error:?}").contains("world"), "{error:?}");
            }
        }
    });
}

#[test]
fn an_export_of_another_encoding_is_an_error() {
    let whole = chunked(&small_file(), true);
    let text = String::from_utf8(whole.clone()).unwrap();
    let labelled = text.replacen("Connection", "Content-Encoding: gzip\r\nConnection", 1);
    block_on(async {
        let (_server, client) = answering(vec![whole, labelled.into_bytes()]);
        for encoding in [Encoding::Gzip, Encoding::Identity] {
            let first = client.export().bytes(encoding).next().await.unwrap();
            let error = first.unwrap_err().to_string();
            assert!(error.contains("another encoding than requested"), "{error}");
        }
    });
}

#[test]
fn a_truncated_list_is_an_error() {
    let line =
        br#"{"key":"a","revision":1,"size":1,"content_type":"a/b","modified":null,"expires":null}"#;
    let whole = [&line[..], b"\n"].concat();
    let unmarked = [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &whole].concat();
    let answers = vec![
        chunked(&whole, true),
        chunked(&whole, false),
        chunked(line, true),
        chunked(b"no item\n", true),
        unmarked,
    ];
    let count = answers.len();
    let (_server, client) = answering(answers);
    let namespace = client.namespace("ns").unwrap();
    block_on(async {
        for number in 0..count {
            let (mut items, mut is_cut) = (namespace.list().snapshot(), false);
            while let Some(item) = items.next().await {
                is_cut = item.is_err();
            }
            assert_eq!(is_cut, number > 0, "{number}");
        }
    });
}

#[test]
fn an_answer_without_an_item_for_each_key_is_an_error() {
    let none = br#"{"revision":1,"items":[null]}"#;
    let (_server, client) = answering(vec![chunked(none, true); 2]);
    let namespace = client.namespace("ns").unwrap();
    block_on(async {
        assert_eq!(namespace.get_many_bytes(["a"]).await.unwrap(), [None]);
        let error = namespace.get_many_bytes(["a", "b"]).await.unwrap_err();
        assert_eq!(error.to_string(), "invalid answer: cannot read the values");
    });
}

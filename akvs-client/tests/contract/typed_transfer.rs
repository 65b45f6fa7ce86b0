//! What the client adds to exports and imports: it sees by itself whether all of a file came, and tells which lines were
//! wrong.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use akvs_client::{
    Client, Code, Encoding, Error, Export, Exported, ImportMode, Namespace, Record, Settings,
};
use bytes::Bytes;

use crate::app::{TestApp, block_on};

/// Stores values of any bytes, types, encodings and deadlines.
async fn fill(namespace: &Namespace) {
    let long = Duration::from_millis(7_654_321);
    let writes = [
        namespace.set_bytes("plain", "v\n\"w\""),
        namespace
            .set_bytes(b"\xff\0", vec![0xff, 0, 0xfe])
            .ttl(long),
        namespace.set_bytes("empty", "").content_type("text/plain"),
        namespace.set_bytes("grün", "ü").content_encoding("gzip"),
        namespace.set_bytes("control", vec![1; 100_000]),
        namespace.set_bytes("quotes", vec![b'"'; 100_000]),
        namespace.set("json", &["a", "b"]).ttl(long),
    ];
    for write in writes {
        write.await.expect("a write");
    }
}

/// All that counts of the records.
async fn told(export: Export) -> Vec<Record> {
    let (mut records, mut told) = (export.records(), Vec::new());
    while let Some(record) = records.next().await {
        let mut record = record.expect("a record");
        record.namespace = "".into();
        (record.revision, record.created, record.modified) = (None, None, None);
        told.push(record);
    }
    told
}

async fn file(export: Export, encoding: Encoding) -> Vec<u8> {
    let (mut pieces, mut file) = (export.bytes(encoding), Vec::new());
    while let Some(piece) = pieces.next().await {
        file.extend(piece.expect("a piece"));
    }
    file
}

#[test]
fn what_was_exported_comes_back_with_its_types_and_deadlines() {
    let (app, clock) = TestApp::with_clock();
    block_on(async {
        let from = app.namespace("a b/ü");
        fill(&from).await;
        let expected = told(from.export()).await;
        assert_eq!(expected.len(), 7);
        let last = expected.last().unwrap();
        assert_eq!(last.expires, Some(clock.after(7_654_321)));
        assert_eq!(
            (&last.key[..], &last.value[..]),
            (&b"\xff\0"[..], &b"\xff\0\xfe"[..])
        );

        let by_records = app.namespace("records");
        let done = by_records
            .import()
            .record_stream(from.export().records())
            .await;
        assert_eq!(done.unwrap().imported, 7);
        assert_eq!(told(by_records.export()).await, expected);
        for (name, encoding) in [
            ("plain", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("zstd", Encoding::Zstd),
        ] {
            let to = app.namespace(name);
            let import = to.import().encoding(encoding);
            let done = import.stream(from.export().bytes(encoding)).await.unwrap();
            assert_eq!((done.imported, done.errors.len()), (7, 0), "{name}");
            assert_eq!(told(to.export()).await, expected, "{name}");
        }
        let whole = file(from.export(), Encoding::Zstd).await;
        let unpacked = zstd::decode_all(&whole[..]).unwrap();
        assert_eq!(unpacked, file(from.export(), Encoding::Identity).await);
    });
}

#[test]
fn a_whole_server_is_exported_with_the_settings_of_its_namespaces() {
    let app = TestApp::start();
    let other = TestApp::start();
    block_on(async {
        let settings = Settings::default()
            .ttl(Duration::from_millis(90_500))
            .max_value_bytes(1 << 20)
            .max_keys(9)
            .max_bytes(1 << 21);
        app.namespace("empty").configure(&settings).await.unwrap();
        fill(&app.namespace("full")).await;
        let bytes = app.client().export().bytes(Encoding::Gzip);
        let import = other.client().import().encoding(Encoding::Gzip);
        assert_eq!(import.stream(bytes).await.unwrap().imported, 7);
        for client in [app.client(), other.client()] {
            let (mut parts, mut sections) = (client.export().parts(), HashMap::new());
            let mut records = 0;
            while let Some(part) = parts.next().await {
                match part.unwrap() {
                    Exported::Section(section) => {
                        sections.insert(section.namespace.to_string(), section.settings);
                    }
                    Exported::Record(record) => {
                        assert_eq!(&*record.namespace, "full");
                        records += 1;
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((sections.len(), records), (2, 7));
            assert_eq!(sections["empty"], settings);
            assert_eq!(sections["full"], Settings::default());
        }
        let empty = TestApp::start().client().export().records().next().await;
        assert!(empty.is_none());
    });
}

/// A server that gives this body to each of so many requests, whole or cut off behind it.
fn lying(bodies: Vec<(Vec<u8>, bool)>) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for (body, is_whole) in bodies {
            let (mut stream, _) = listener.accept().expect("a connection");
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("a byte") == 1 {
                head.push(byte[0]);
            }
            let end: &[u8] = if is_whole { b"\r\n0\r\n\r\n" } else { b"\r\n" };
            let size = format!("{:x}\r\n", body.len());
            let head =
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
            let chunk = match body.is_empty() {
                true => b"0\r\n\r\n".to_vec(),
                false => [size.as_bytes(), &body, end].concat(),
            };
            // The client may have seen enough before all is sent.
            let _ = stream.write_all(&[&head[..], &chunk].concat());
        }
    });
    Client::new(&url).expect("a client")
}

/// A file of two records, and where each of its lines begins.
fn small_file() -> Vec<u8> {
    let app = TestApp::start();
    block_on(async {
        let namespace = app.namespace("ns");
        namespace.set_bytes("a", "hello").await.expect("a write");
        namespace.set_bytes("b", "world").await.expect("a write");
        file(namespace.export(), Encoding::Identity).await
    })
}

/// How the three kinds of streams of an export end.
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
fn a_file_that_is_cut_at_any_byte_or_changed_is_an_error_and_never_the_end() {
    let whole = small_file();
    let mut bodies = Vec::new();
    for cut in 0..whole.len() {
        bodies.push((whole[..cut].to_vec(), cut % 2 == 0));
    }
    // What is changed within a value can still be read.
    let find = |text: &str| {
        let mut windows = whole.windows(text.len());
        windows
            .position(|window| window == text.as_bytes())
            .expect("it")
    };
    let mut changed = whole.clone();
    changed[find("hello")] = b'j';
    bodies.push((changed, true));
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
        let client = lying(vec![(whole.clone(), true); 3]);
        assert!(errors(&client).await.iter().all(Option::is_none));
        for (body, is_whole) in bodies {
            let text = String::from_utf8_lossy(&body).into_owned();
            let client = lying(vec![(body, is_whole); 3]);
            for error in errors(&client).await {
                let error = error.unwrap_or_else(|| panic!("{text} passed for all"));
                assert_eq!(error.code(), None, "{text}: {error:?}");
                assert!(!format!("{error:?}").contains("world"), "{error:?}");
            }
        }
    });
}

#[test]
fn a_list_that_is_cut_off_is_an_error() {
    let line =
        br#"{"key":"a","revision":1,"size":1,"content_type":"a/b","modified":null,"expires":null}"#;
    let whole = [&line[..], b"\n"].concat();
    let bodies = vec![
        (whole.clone(), true),
        (whole, false),
        (line.to_vec(), true),
        (b"no item\n".to_vec(), true),
    ];
    let count = bodies.len();
    let namespace = lying(bodies).namespace("ns").unwrap();
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
fn modes_decide_on_what_is_there_already() {
    let app = TestApp::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let records = || [Record::new("a", "new"), Record::new("b", "new")];
        for (mode, a, c, told) in [
            (ImportMode::Merge, "new", "old", (2, 0, None)),
            (ImportMode::Create, "old", "old", (1, 1, None)),
            (ImportMode::Replace, "new", "none", (2, 0, Some(1))),
        ] {
            namespace.drop_all().await.unwrap();
            namespace.set_bytes("a", "old").await.unwrap();
            namespace.set_bytes("c", "old").await.unwrap();
            let done = namespace
                .import()
                .mode(mode)
                .records(records())
                .await
                .unwrap();
            assert_eq!(
                (done.imported, done.skipped, done.deleted),
                told,
                "{mode:?}"
            );
            assert_eq!(
                namespace.get_bytes_or("a", "none").await.unwrap(),
                a,
                "{mode:?}"
            );
            assert_eq!(
                namespace.get_bytes_or("c", "none").await.unwrap(),
                c,
                "{mode:?}"
            );
        }
    });
}

#[test]
fn lines_that_are_wrong_are_told_and_the_rest_is_taken() {
    let app = TestApp::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let mut typed = Record::new("typed", "v");
        typed.content_type = Some("a\nb".into());
        let records = [
            Record::new("a", "v"),
            Record::new("", "v"),
            typed,
            Record::new("b", "v"),
        ];
        let done = namespace.import().records(records).await.unwrap();
        let lines: Vec<u64> = done.errors.iter().map(|error| error.line).collect();
        assert_eq!((done.imported, lines, done.more_errors), (2, vec![3, 4], 0));
        assert!(done.errors[1].detail.contains("content_type"), "{done:?}");
        assert_eq!(namespace.list().page().await.unwrap().items.len(), 2);
    });
}

#[test]
fn an_import_that_ends_early_says_how_far_it_came() {
    let app = TestApp::start();
    let whole = small_file();
    block_on(async {
        let namespace = app.namespace("copy");
        let cut = whole.len() - 10;
        let error = namespace
            .import()
            .body(whole[..cut].to_vec())
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(Code::InvalidRequest));
        assert_eq!(error.imported().unwrap().imported, 2);
        assert!(namespace.drop_all().await.unwrap());

        // A source that fails makes the body one that was cut off.
        let pieces = [Ok(Bytes::from(whole)), Err("the disk is gone")];
        let pieces = futures_util::stream::iter(pieces);
        let error = namespace.import().stream(pieces).await.unwrap_err();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        assert_eq!(cause.to_string(), "the disk is gone", "{error:?}");
        let missing = app
            .namespace("none")
            .export()
            .records()
            .next()
            .await
            .unwrap();
        assert!(missing.unwrap_err().is_not_found());
        let everywhere = app.client().import().records([Record::new("a", "v")]).await;
        assert_eq!(everywhere.unwrap_err().code(), Some(Code::InvalidRequest));
    });
}

#[test]
fn forty_megabytes_of_records_go_out_and_in() {
    let app = TestApp::start();
    block_on(async {
        let value = Bytes::from(vec![b'x'; 10_000]);
        let records = (0..4_000_u32).map({
            let value = value.clone();
            move |number| Record::new(number.to_be_bytes().to_vec(), value.clone())
        });
        let (from, to) = (app.namespace("from"), app.namespace("to"));
        assert_eq!(
            from.import().records(records).await.unwrap().imported,
            4_000
        );
        let done = to
            .import()
            .record_stream(from.export().records())
            .await
            .unwrap();
        assert_eq!(done.imported, 4_000);
        let info = app.client().namespaces().page().await.unwrap().namespaces;
        assert_eq!((info[0].keys, info[0].bytes), (info[1].keys, info[1].bytes));
    });
}

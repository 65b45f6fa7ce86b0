//! Exports and imports of the client: the verification of files, and reports of wrong lines.

mod cut;

use std::collections::HashMap;
use std::time::Duration;

use akvs_client::{Code, Encoding, Export, ExportItem, ImportMode, Namespace, Record, Settings};
use bytes::Bytes;

use akvs_testing::server::{TestServer, block_on};

/// Stores values with any bytes, types, encodings and expiry times.
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

/// Returns the records without namespace, revision and times.
async fn records(export: Export) -> Vec<Record> {
    let (mut stream, mut records) = (export.records(), Vec::new());
    while let Some(record) = stream.next().await {
        let mut record = record.expect("a record");
        record.namespace = "".into();
        (record.revision, record.created, record.modified) = (None, None, None);
        records.push(record);
    }
    records
}

async fn file(export: Export, encoding: Encoding) -> Vec<u8> {
    let (mut pieces, mut file) = (export.bytes(encoding), Vec::new());
    while let Some(piece) = pieces.next().await {
        file.extend(piece.expect("a piece"));
    }
    file
}

/// Returns a file of two records.
fn small_file() -> Vec<u8> {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        namespace.set_bytes("a", "hello").await.expect("a write");
        namespace.set_bytes("b", "world").await.expect("a write");
        file(namespace.export(), Encoding::Identity).await
    })
}

#[test]
fn an_import_restores_types_and_expiry_times() {
    let (app, clock) = TestServer::with_clock();
    block_on(async {
        let from = app.namespace("a b/ü");
        fill(&from).await;
        let expected = records(from.export()).await;
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
        assert_eq!(records(by_records.export()).await, expected);
        for (name, encoding) in [
            ("plain", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("zstd", Encoding::Zstd),
        ] {
            let to = app.namespace(name);
            let import = to.import().encoding(encoding);
            let done = import.stream(from.export().bytes(encoding)).await.unwrap();
            assert_eq!((done.imported, done.errors.len()), (7, 0), "{name}");
            assert_eq!(records(to.export()).await, expected, "{name}");
        }
        let whole = file(from.export(), Encoding::Zstd).await;
        let unpacked = zstd::decode_all(&whole[..]).unwrap();
        assert_eq!(unpacked, file(from.export(), Encoding::Identity).await);
    });
}

#[test]
fn a_whole_server_is_exported_with_the_settings_of_its_namespaces() {
    let app = TestServer::start();
    let other = TestServer::start();
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
                    ExportItem::Section(section) => {
                        sections.insert(section.namespace.to_string(), section.settings);
                    }
                    ExportItem::Record(record) => {
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
        let empty = TestServer::start().client().export().records().next().await;
        assert!(empty.is_none());
    });
}

#[test]
fn the_mode_decides_on_existing_keys() {
    let app = TestServer::start();
    block_on(async {
        let namespace = app.namespace("ns");
        let records = || [Record::new("a", "new"), Record::new("b", "new")];
        for (mode, a, c, counts) in [
            (ImportMode::Merge, "new", "old", (2, 0, None)),
            (ImportMode::Create, "old", "old", (1, 1, None)),
            (ImportMode::Replace, "new", "none", (2, 0, Some(1))),
        ] {
            namespace.drop_namespace().await.unwrap();
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
                counts,
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
fn rejected_lines_are_reported_and_the_rest_is_imported() {
    let app = TestServer::start();
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
fn a_truncated_import_reports_what_it_stored() {
    let app = TestServer::start();
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
        assert!(namespace.drop_namespace().await.unwrap());

        // A failing source truncates the body.
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
fn ten_megabytes_are_exported_and_imported() {
    let app = TestServer::start();
    block_on(async {
        let value = Bytes::from(vec![b'x'; 10_000]);
        let records = (0..1_000_u32).map({
            let value = value.clone();
            move |number| Record::new(number.to_be_bytes().to_vec(), value.clone())
        });
        let (from, to) = (app.namespace("from"), app.namespace("to"));
        assert_eq!(
            from.import().records(records).await.unwrap().imported,
            1_000
        );
        let done = to
            .import()
            .record_stream(from.export().records())
            .await
            .unwrap();
        assert_eq!(done.imported, 1_000);
        let info = app.client().namespaces().page().await.unwrap().namespaces;
        assert_eq!((info[0].keys, info[0].bytes), (info[1].keys, info[1].bytes));
    });
}

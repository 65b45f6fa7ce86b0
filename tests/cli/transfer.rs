//! `akvs export` and `akvs import`: files, pipes, compression, and invalid lines.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::backup::verb;
use crate::common::{Ran, Server, akvs, json};

/// A server with the namespace `n`, and a directory for files.
struct Fixture {
    folder: tempfile::TempDir,
    server: Server,
}

impl Fixture {
    fn new() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("data"), &[]);
        for (path, value) in [
            ("/kv/n/text", &b"some text"[..]),
            ("/kv/n/%00%FF", &[0, 0xff, 7]),
            ("/kv/n/soon?ttl=9d", b"x"),
            ("/kv/other/k", b"other"),
        ] {
            assert_eq!(server.ask("POST", path, value).status, 201, "{path}");
        }
        Fixture { folder, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn verb<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        verb(&self.path("data"), args)
    }

    /// Runs a verb, which must succeed; returns its output.
    #[track_caller]
    fn succeed<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> String {
        let ran = self.verb(args);
        assert_eq!((ran.code, &*ran.stderr), (Some(0), ""), "{ran:?}");
        ran.stdout
    }

    /// Starts a verb with pipes.
    fn piped(&self, args: &[&str]) -> Child {
        let mut command = akvs();
        command.args(args).arg("--data-dir").arg(self.path("data"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Returns the records of a namespace without revisions and times.
    fn records(&self, namespace: &str) -> Vec<Value> {
        let export = self.succeed(["export", namespace]);
        let records = export
            .lines()
            .map(json)
            .filter(|line| line.get("value").or(line.get("value64")).is_some());
        let records = records.map(|mut record| {
            for name in ["revision", "created", "modified"] {
                assert!(record.as_object_mut().unwrap().remove(name).is_some());
            }
            record
        });
        records.collect()
    }

    fn value(&self, path: &str) -> Option<String> {
        let answer = self.server.ask("GET", path, b"");
        (answer.status == 200).then(|| answer.plain().1.to_owned())
    }
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns a file of these lines, with its end line.
fn ended(lines: &[&str], count: usize) -> String {
    let text = lines
        .iter()
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let sha256 = hex::encode(Sha256::digest(text.as_bytes()));
    format!("{text}{{\"end\":true,\"count\":{count},\"sha256\":\"{sha256}\"}}\n")
}

#[test]
fn exports_import_with_every_compression() {
    let fixture = Fixture::new();
    let expected = fixture.records("n");
    assert_eq!(expected.len(), 3);
    for (name, begin) in [
        ("plain", &b"{\"akvs\":1,"[..]),
        ("file.gz", &[0x1f, 0x8b]),
        ("file.zst", &[0x28, 0xb5, 0x2f, 0xfd]),
    ] {
        let file = fixture.path(name);
        assert_eq!(fixture.succeed(["export", "n", "-o", shown(&file)]), "");
        assert!(fs::read(&file).unwrap().starts_with(begin), "{name}");
        let into = format!("of-{name}");
        let output = fixture.succeed(["import", shown(&file), "--into", &into]);
        assert_eq!(output, "imported 3, skipped 0\n", "{name}");
        assert_eq!(fixture.records(&into), expected, "{name}");
    }
    // A flag has precedence over the file's extension.
    let file = fixture.path("named.gz");
    fixture.succeed(["export", "n", "-o", shown(&file), "--compress", "none"]);
    assert!(fs::read(&file).unwrap().starts_with(b"{\"akvs\""));
    fixture
        .verb(["import", shown(&file), "--into", "m"])
        .assert_refused(1, &[]);
    fixture.succeed(["import", shown(&file), "--into", "m", "--compress", "none"]);
    assert_eq!(fixture.records("m"), expected);
}

#[test]
fn export_writes_to_stdout_and_import_reads_stdin() {
    let fixture = Fixture::new();
    let text = fixture.succeed(["export", "n"]);
    assert_eq!(fixture.succeed(["export", "n", "-o", "-"]), text);
    let mut import = fixture.piped(&["import", "-", "--into", "m"]);
    import
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = import.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"imported 3, skipped 0\n", "{output:?}");
    assert!(output.status.success());
    assert_eq!(fixture.records("m"), fixture.records("n"));

    let packed = fixture.piped(&["export", "n", "--compress", "gzip"]);
    let packed = packed.wait_with_output().unwrap().stdout;
    let mut import = fixture.piped(&["import", "-", "--into", "p", "--compress", "gzip"]);
    import.stdin.take().unwrap().write_all(&packed).unwrap();
    assert!(import.wait_with_output().unwrap().status.success());
    assert_eq!(fixture.records("p"), fixture.records("n"));
}

#[test]
fn all_namespaces_move_to_another_server() {
    let fixture = Fixture::new();
    assert_eq!(
        fixture
            .server
            .ask("PUT", "/kv/n", br#"{"max_keys":3}"#)
            .status,
        200
    );
    let file = fixture.path("all.zst");
    fixture.succeed(["export", "-o", shown(&file)]);
    let other = Fixture::new();
    for path in ["/kv/n?confirm=n", "/kv/other?confirm=other"] {
        assert_eq!(other.server.ask("DELETE", path, b"").status, 200);
    }
    assert_eq!(
        other.succeed(["import", shown(&file)]),
        "imported 4, skipped 0\n"
    );
    for name in ["n", "other"] {
        assert_eq!(other.records(name), fixture.records(name));
    }
    assert_eq!(other.server.ask("POST", "/kv/n/one-more", b"").status, 507);
}

#[test]
fn an_existing_file_is_replaced_only_with_force() {
    let fixture = Fixture::new();
    let file = fixture.path("file");
    fs::write(&file, "mine").unwrap();
    let export = ["export", "n", "-o", shown(&file)];
    fixture
        .verb(export)
        .assert_refused(1, &[shown(&file), "--force"]);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    fixture.succeed([&export[..], &["--force"]].concat());
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        fixture.succeed(["export", "n"])
    );
    // A failed export leaves no file.
    let none = fixture.path("none");
    let refused = fixture.verb(["export", "missing", "-o", shown(&none)]);
    assert_eq!(
        (refused.code, refused.stderr.lines().count()),
        (Some(1), 1),
        "{refused:?}"
    );
    fixture
        .verb(["export", "n", "-o", "/dev/null", "--force"])
        .assert_refused(1, &["not a regular file"]);
    let mut names: Vec<_> = fs::read_dir(fixture.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["data", "file"]);
}

#[test]
fn the_mode_decides_about_existing_keys() {
    let fixture = Fixture::new();
    let file = fixture.path("file");
    let records = [
        r#"{"akvs":1,"namespace":"x","revision":9}"#,
        r#"{"key":"a","value":"new"}"#,
        r#"{"key":"b","value":"new"}"#,
    ];
    fs::write(&file, ended(&records, 2)).unwrap();
    for (mode, output, values) in [
        (None, "imported 2, skipped 0\n", ["new", "new", "old"]),
        (
            Some("merge"),
            "imported 2, skipped 0\n",
            ["new", "new", "old"],
        ),
        (
            Some("create"),
            "imported 1, skipped 1\n",
            ["old", "new", "old"],
        ),
        (
            Some("replace"),
            "imported 2, skipped 0, deleted 1\n",
            ["new", "new", ""],
        ),
    ] {
        let into = mode.unwrap_or("default");
        for key in ["a", "c"] {
            let path = format!("/kv/{into}/{key}");
            assert_eq!(fixture.server.ask("POST", &path, b"old").status, 201);
        }
        let mut args = vec!["import", shown(&file), "--into", into];
        args.extend(mode.map(|_| "--mode").into_iter().chain(mode));
        assert_eq!(fixture.succeed(args), output, "{into}");
        let found = ["a", "b", "c"].map(|key| {
            fixture
                .value(&format!("/kv/{into}/{key}"))
                .unwrap_or_default()
        });
        assert_eq!(found, values, "{into}");
    }
    assert_eq!(
        fixture
            .verb(["import", shown(&file), "--mode", "other"])
            .code,
        Some(2)
    );
}

#[test]
fn invalid_lines_are_reported_and_the_others_imported() {
    let fixture = Fixture::new();
    let file = fixture.path("file");
    let lines = [
        r#"{"akvs":1,"namespace":"x","revision":9}"#,
        r#"{"key":"a","value":"1"}"#,
        r#"{"key":"","value":"2"}"#,
        r#"{"key":"b","value":"3"}"#,
        r#"{"key":"c","value64":"!"}"#,
    ];
    fs::write(&file, ended(&lines, 4)).unwrap();
    let ran = fixture.verb(["import", shown(&file), "--into", "x"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.stdout, "imported 2, skipped 0\n");
    let told: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(told.len(), 3, "{ran:?}");
    assert!(
        told[0].starts_with("akvs: line 3: ") && told[1].starts_with("akvs: line 5: "),
        "{ran:?}"
    );
    assert_eq!(told[2], "akvs: 2 invalid lines");
    assert_eq!(fixture.value("/kv/x/b").as_deref(), Some("3"));
}

#[test]
fn a_truncated_or_missing_file_is_reported() {
    let fixture = Fixture::new();
    let (file, text) = (fixture.path("file"), fixture.succeed(["export", "n"]));
    for bytes in [
        &text[..text.len() - 10],
        &text[..text.len() / 2],
        "",
        "no export",
    ] {
        fs::write(&file, bytes).unwrap();
        let ran = fixture.verb(["import", shown(&file), "--into", "x"]);
        assert_eq!((ran.code, &*ran.stdout), (Some(1), ""), "{ran:?}");
        assert!(
            !ran.stderr.is_empty() && ran.stderr.lines().all(|line| line.starts_with("akvs: ")),
            "{ran:?}"
        );
    }
    let none = fixture.path("none");
    fixture
        .verb(["import", shown(&none)])
        .assert_refused(1, &["cannot read"]);
}

#[test]
fn a_file_that_is_not_compressed_as_its_suffix_says_is_reported() {
    let fixture = Fixture::new();
    let mut cases = Vec::new();
    for (name, start) in [
        ("mark.gz", "\u{feff}{\"akvs\":1}\n"),
        ("array.gz", "[]"),
        ("array.zst", "[]\n"),
        ("text.gz", "caf\u{e9} \u{e9}\u{e9}"),
    ] {
        let file = fixture.path(name);
        fs::write(&file, start).unwrap();
        cases.push((file, "is not compressed: expected --compress none"));
    }
    for name in ["empty.gz", "empty.zst"] {
        let file = fixture.path(name);
        fs::write(&file, "").unwrap();
        cases.push((file, "is not compressed but empty: expected an export"));
    }
    // Only the server can reject a file that is neither text nor compressed with gzip or zstd.
    for (name, start) in [
        ("bzip2.gz", &b"BZh91AY&SY"[..]),
        ("damaged.gz", b"\x1f\x00\x00"),
    ] {
        let file = fixture.path(name);
        fs::write(&file, start).unwrap();
        cases.push((file, "ended early, is damaged"));
    }
    for (file, expected) in &cases {
        fixture
            .verb(["import", shown(file), "--into", "x"])
            .assert_refused(1, &[expected]);
    }
}

#[test]
fn a_wrong_compression_is_reported_with_the_flag() {
    let fixture = Fixture::new();
    let (plain, backup) = (fixture.path("plain.gz"), fixture.path("backup"));
    fixture.succeed(["export", "n", "-o", shown(&plain), "--compress", "none"]);
    assert_eq!(fixture.verb(["backup", shown(&backup)]).code, Some(0));
    let mut cases = vec![
        (
            plain,
            "plain.gz is not compressed: expected --compress none",
        ),
        (backup.clone(), "`akvs restore`"),
    ];
    for (compression, name) in [
        ("gzip", "packed"),
        ("zstd", "packed.gz"),
        ("gzip", "packed.zst"),
    ] {
        let file = fixture.path(&format!("{compression}-{name}"));
        fixture.succeed(["export", "n", "-o", shown(&file), "--compress", compression]);
        let expected = match compression {
            "gzip" => "is compressed with gzip: expected --compress gzip",
            _ => "is compressed with zstd: expected --compress zstd",
        };
        cases.push((file, expected));
    }
    for (file, expected) in &cases {
        fixture
            .verb(["import", shown(file), "--into", "x"])
            .assert_refused(1, &[expected]);
    }
    let mut import = fixture.piped(&["import", "-", "--into", "x"]);
    let sent = import
        .stdin
        .take()
        .unwrap()
        .write_all(&fs::read(backup).unwrap());
    // The program may exit before it has read everything.
    drop(sent);
    let output = import.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("akvs: stdin is a backup"), "{text}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_file_with_crlf_is_imported() {
    let fixture = Fixture::new();
    let (file, text) = (fixture.path("file"), fixture.succeed(["export", "n"]));
    for (name, text) in [
        ("cut", text.trim_end().to_owned()),
        ("more", format!("{text}\n")),
        ("windows", format!("\u{feff}{}", text.replace('\n', "\r\n"))),
    ] {
        fs::write(&file, text).unwrap();
        let output = fixture.succeed(["import", shown(&file), "--into", name]);
        assert_eq!(output, "imported 3, skipped 0\n", "{name}");
        assert_eq!(fixture.records(name), fixture.records("n"), "{name}");
    }
}

#[test]
fn a_closed_pipe_ends_an_export_silently() {
    let fixture = Fixture::new();
    let large = vec![b'x'; 3_000_000];
    for key in ["a", "b", "c"] {
        let path = format!("/kv/large/{key}");
        assert_eq!(fixture.server.ask("POST", &path, &large).status, 201);
    }
    let mut export = fixture.piped(&["export", "large"]);
    let mut line = String::new();
    let mut reader = BufReader::new(export.stdout.take().unwrap());
    reader.read_line(&mut line).unwrap();
    assert!(
        line.starts_with("{\"akvs\":1,\"namespace\":\"large\""),
        "{line}"
    );
    drop(reader);
    let ended = export.wait_with_output().unwrap();
    assert!(
        ended.status.success() && ended.stderr.is_empty(),
        "{ended:?}"
    );
}

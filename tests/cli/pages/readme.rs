//! The README's commands and code, run as they stand there.
//!
//! Owns how a line of the README becomes a check: `cargo run` is the binary just built, at a port of its own; a curl
//! line must give the answer that its comment promises; the Rust lines stand in this file too, so that they compile and
//! run. The links of all pages are followed here too. Nothing else of the API is tested here. Without curl on the
//! machine its lines are skipped, with a line that says so.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::blocks::blocks;
use crate::common::Server;

const README: &str = include_str!("../../../README.md");
/// What stands for the program.
const OURS: &str = "cargo run -q -- ";
const ADDRESS: &str = "localhost:8080";

#[test]
fn the_commands_do_what_the_readme_says() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: curl is not installed");
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let mut server = None;
    let mut answers = 0;
    let mut token = String::new();
    let mut hand = Hand::on(data.path());
    for line in blocks(README, "sh").iter().flat_map(|block| block.lines()) {
        let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
        match command.trim() {
            "cargo run" => server = Some(Server::start(data.path(), &[])),
            verb if verb.starts_with("TOKEN=$(cargo run -q -- ") => {
                let verb = verb.trim_start_matches("TOKEN=$(cargo run -q -- ");
                token = print(verb.trim_end_matches(')'), data.path());
                let running = server.as_mut().expect("a server that heeds it");
                running.wait_for("loaded ");
            }
            verb if verb.starts_with(OURS) => {
                let verb = verb.trim_start_matches(OURS);
                hand.does(verb, comment);
                match verb {
                    "stop" => drop(server.take().map(Server::wait)),
                    "restore monday.akvs --data-dir copy" => {
                        server = Some(Server::start(data.path(), &[]));
                    }
                    _ => {}
                }
            }
            curl if curl.starts_with("curl ") => {
                let running = server
                    .as_ref()
                    .expect("`cargo run` stands before the first curl");
                let promise = Promise::parse(comment);
                let answer = hand.asks(&curl.replace(ADDRESS, running.address()), &token);
                promise.check(&answer, line);
                answers += 1;
                if answer.status == 201 {
                    // Not even `kill -9` takes away what a 201 was said of.
                    server.take().into_iter().for_each(Server::kill);
                    server = Some(Server::start(data.path(), &[]));
                }
            }
            other => {
                let ran = crate::common::run(hand.shell().args(["-c", other]));
                assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
            }
        }
    }
    assert_eq!(answers, 11, "there are eleven curl lines");
}

/// The program as the README has it typed, on the server of a data folder.
struct Hand<'a> {
    data: &'a Path,
    folder: tempfile::TempDir,
}

impl Hand<'_> {
    fn on(data: &Path) -> Hand<'_> {
        Hand {
            data,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Does a line, which prints what its comment promises.
    #[track_caller]
    fn does(&mut self, verb: &str, comment: &str) {
        let promise = comment.trim().strip_prefix("prints: ").expect(comment);
        let ran = crate::common::run(self.command().args(shlex::split(verb).unwrap()));
        assert_eq!(ran.code, Some(0), "{verb}: {ran:?}");
        assert!(ran.stdout.contains(promise), "{verb}: {ran:?}");
    }

    /// Does a curl line, in the folder of all lines, with the token that the shell has.
    fn asks(&self, curl: &str, token: &str) -> Answer {
        let arguments = curl.strip_prefix("curl ").expect("a curl line");
        // Neither a proxy nor a ~/.curlrc of the person who runs the test may change what is seen.
        let line = format!("curl -q -sS -i --noproxy '*' {arguments}");
        let ran = crate::common::run(self.shell().args(["-c", &line]).env("TOKEN", token));
        assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
        Answer::parse(&ran.stdout)
    }

    fn shell(&self) -> Command {
        let mut shell = crate::common::program(Path::new("sh"));
        shell.current_dir(&self.folder);
        shell
    }

    fn command(&self) -> Command {
        let mut command = crate::common::akvs();
        command
            .current_dir(&self.folder)
            .env("AKVS_DATA_DIR", self.data)
            .env("AKVS_HTTP__LISTEN", "127.0.0.1:0");
        command
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        // Where a line failed, a server may be left in the background; where none did, there is none.
        _ = crate::common::run(self.command().arg("stop"));
    }
}

/// What a verb prints, of a server that keeps its data in this folder.
fn print(verb: &str, data: &Path) -> String {
    let mut command = crate::common::akvs();
    command.args(verb.split(' ')).arg("--data-dir").arg(data);
    let ran = crate::common::run(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.trim_end().to_owned()
}

#[tokio::test]
async fn the_rust_lines_do_what_the_readme_says() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &[]);
    let url = format!("http://{}", server.address());
    client(&url).await.unwrap();
}

async fn client(url: &str) -> Result<(), akvs_client::Error> {
    // README: begin
    let client = akvs_client::Client::new(url)?;
    let scores = client.namespace("scores")?;
    scores.set("red", &42).await?;
    assert_eq!(scores.get_or("red", 0).await?, 42);
    scores
        .set_bytes("note", "any bytes")
        .content_type("text/plain")
        .await?;
    assert!(scores.del("red").await?);
    // README: end
    Ok(())
}

#[test]
fn the_rust_lines_are_those_of_the_readme() {
    let source = include_str!("readme.rs");
    let after = source.split_once("// README: begin\n").unwrap().1;
    let ours = after.split_once("// README: end\n").unwrap().0;
    let readme = blocks(README, "rust")
        .concat()
        .replace(&format!("\"http://{ADDRESS}\""), "url");
    // The width of a line is rustfmt's to choose, and the README's is not indented: only the words must agree.
    let words = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(words(ours), words(&readme));
    assert_eq!(readme.lines().count(), 6);
}

#[test]
fn the_table_of_crates_names_every_crate() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("CONTRIBUTING.md")).unwrap();
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        if entry.path().join("Cargo.toml").is_file() {
            let row = format!("| `{}` |", entry.file_name().to_string_lossy());
            assert!(page.contains(&row), "no row {row}");
        }
    }
}

#[test]
fn the_links_of_all_pages_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for folder in ["docs", "docs/adr"] {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        pages.extend(entries.map(|entry| entry.unwrap().path()));
    }
    pages.retain(|page| page.extension().is_some_and(|end| end == "md"));
    let mut links = 0;
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for target in text.split("](").skip(1) {
            let target = target.split(')').next().unwrap();
            if target.starts_with("http") {
                continue;
            }
            let (file, place) = target.split_once('#').unwrap_or((target, ""));
            let file = match file {
                "" => page.clone(),
                file => page.parent().unwrap().join(file),
            };
            let linked = fs::read_to_string(&file);
            let linked = linked.unwrap_or_else(|error| panic!("{page:?}: {target}: {error}"));
            let is_there = place.is_empty() || linked.lines().any(|line| anchor(line) == place);
            assert!(is_there, "{page:?}: no heading for {target}");
            links += 1;
        }
    }
    assert!(links > 60, "{links} links");
}

/// What a heading is linked by; nothing for any other line.
fn anchor(line: &str) -> String {
    let Some(heading) = line.strip_prefix('#') else {
        return String::new();
    };
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading.replace(' ', "-");
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        .collect()
}

/// What the comment after a curl line promises.
struct Promise {
    status: u16,
    /// None where nothing is promised of it.
    body: Option<String>,
}

impl Promise {
    fn parse(comment: &str) -> Promise {
        let (status, body) = match comment.split_once(", body: ") {
            Some((status, body)) => (status, Some(body.to_owned())),
            None => (comment, None),
        };
        let status = status.trim().parse();
        Promise {
            status: status.expect("a promise: # status, body: …"),
            body,
        }
    }

    fn check(&self, answer: &Answer, line: &str) {
        assert_eq!(answer.status, self.status, "{line}");
        if let Some(body) = &self.body {
            assert_eq!(&answer.body, body, "{line}");
        }
    }
}

/// What a curl line got.
struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    fn parse(answer: &str) -> Answer {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            body: body.to_owned(),
        }
    }
}

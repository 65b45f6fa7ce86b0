//! The README: its commands and code run as they are written.
//!
//! Owns how a line of the README becomes a check: `cargo run` is the binary just built, at a port of its own; a curl
//! line must give the answer that its comment promises; the Rust lines are in this file too, so that they compile and
//! run. Nothing else of the API is tested here. Without curl on the machine its lines are skipped, with a line that
//! says so.

use std::path::Path;
use std::process::Command;

use super::blocks::blocks;
use crate::common::Server;

const README: &str = include_str!("../../../README.md");
/// What stands for the program.
const OURS: &str = "cargo run -q -- ";
const ADDRESS: &str = "localhost:8080";

#[test]
fn the_commands_print_the_output_of_the_readme() {
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

//! The README: its commands and code run as they are written.
//!
//! `cargo run` is the tested program with its own port; a curl line must return what its comment says; the Rust code is
//! also in this file, so that it is compiled and run. If curl is not installed, its lines are skipped with a message.

use std::path::Path;
use std::process::Command;

use super::blocks::blocks;
use crate::common::Server;

const README: &str = include_str!("../../../README.md");
/// The commands that stand for the program.
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
    let mut shell = PageShell::on(data.path());
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
                shell.run(verb, comment);
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
                let expected = Expected::parse(comment);
                let answer = shell.curl(&curl.replace(ADDRESS, running.address()), &token);
                expected.check(&answer, line);
                answers += 1;
                if answer.status == 201 {
                    // Even `kill -9` loses no acknowledged write.
                    server.take().into_iter().for_each(Server::kill);
                    server = Some(Server::start(data.path(), &[]));
                }
            }
            other => {
                let ran = crate::common::run(shell.shell().args(["-c", other]));
                assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
            }
        }
    }
    assert_eq!(answers, 11, "there are eleven curl lines");
}

/// A shell for the README's commands, with the data directory of a server.
struct PageShell<'a> {
    data: &'a Path,
    folder: tempfile::TempDir,
}

impl PageShell<'_> {
    fn on(data: &Path) -> PageShell<'_> {
        PageShell {
            data,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs a command of the program, which must print what its comment says.
    #[track_caller]
    fn run(&mut self, verb: &str, comment: &str) {
        let expected = comment.trim().strip_prefix("prints: ").expect(comment);
        let ran = crate::common::run(self.command().args(shlex::split(verb).unwrap()));
        assert_eq!(ran.code, Some(0), "{verb}: {ran:?}");
        assert!(ran.stdout.contains(expected), "{verb}: {ran:?}");
    }

    /// Runs a curl line, with the token in the environment.
    fn curl(&self, curl: &str, token: &str) -> Answer {
        let arguments = curl.strip_prefix("curl ").expect("a curl line");
        // Proxies and ~/.curlrc must not change the answer.
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

impl Drop for PageShell<'_> {
    fn drop(&mut self) {
        // After a failed line a server may still run.
        _ = crate::common::run(self.command().arg("stop"));
    }
}

/// Returns the output of a verb on a data directory.
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
    // rustfmt chooses the lines, and the README has no indentation: only the code must be equal.
    let words = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(words(ours), words(&readme));
    assert_eq!(readme.lines().count(), 6);
}

/// The expected answer, from the comment after a curl line.
struct Expected {
    status: u16,
    /// `None` if the comment has no body.
    body: Option<String>,
}

impl Expected {
    fn parse(comment: &str) -> Expected {
        let (status, body) = match comment.split_once(", body: ") {
            Some((status, body)) => (status, Some(body.to_owned())),
            None => (comment, None),
        };
        let status = status.trim().parse();
        Expected {
            status: status.expect("a expected: # status, body: …"),
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

/// The answer of a curl line.
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

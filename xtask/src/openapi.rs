//! `cargo xtask openapi`: checks that /openapi.json is valid, that the server does what it says, and that clients
//! generated from it work.
//!
//! It owns how the tools are installed and run, not what they check: one validates the document, one makes valid and
//! invalid requests and checks the answers, and two generate clients. Their versions are pinned and they are kept below
//! `target/openapi`. The server is a debug build with the memory engine on a free port, once without and once with
//! tokens.

mod clients;
mod node;
mod python;
mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cargo_metadata::MetadataCommand;
use clap::Args as ClapArgs;

use self::node::Node;
use self::python::Python;
use self::server::Server;
use crate::shell::{Result, cargo, program, read, root, run};

/// The settings of the tool that makes requests.
const CONFIG: &str = "xtask/openapi/schemathesis.toml";
/// The server's engine.
const MEMORY: (&str, &str) = ("AKVS_ENGINE__KIND", "memory");
/// The security requirement of the document of a server without tokens, and of one with tokens.
const OPEN: &str = "\"security\":[{\"token\":[]},{}]";
const CLOSED: &str = "\"security\":[{\"token\":[]}]";
/// The maximum time to fetch the document.
const ANSWER: Duration = Duration::from_secs(10);

/// The number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RequestCount {
    /// Requests for each operation.
    examples: u32,
    /// Whether they are the same in each run.
    is_repeatable: bool,
}

/// A few requests, the same in each run: for each change.
const BRIEF: RequestCount = RequestCount {
    examples: 5,
    is_repeatable: true,
};

/// Arguments of `cargo xtask openapi`.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Make this number of random requests for each operation, instead of a few that are always the same
    #[arg(long, value_name = "N")]
    examples: Option<NonZeroU32>,
}

impl Args {
    fn count(&self) -> RequestCount {
        self.examples.map_or(BRIEF, |examples| RequestCount {
            examples: examples.get(),
            is_repeatable: false,
        })
    }
}

/// Checks the document, the server and clients generated from the document.
pub(crate) fn openapi(args: &Args) -> Result {
    let count = args.count();
    match (Python::provide()?, Node::provide()?) {
        (Some(python), Some(node)) => check(&python, Some(&node), count),
        _ => Err("the tools that check the document are missing, the lines above say why".into()),
    }
}

/// Runs a brief check as a step of the tests. Without the tools it prints a note and succeeds.
pub(crate) fn openapi_if_possible() -> Result {
    match Python::provide()? {
        Some(python) => check(&python, Node::provide()?.as_ref(), BRIEF),
        None => Ok(()),
    }
}

fn check(python: &Python, node: Option<&Node>, count: RequestCount) -> Result {
    let binary = build()?;
    let folder = tempfile::tempdir()?;
    let document = check_open((python, node), &binary, folder.path(), count)?;
    check_closed(python, &binary, folder.path(), &document, count)
}

/// Checks the document, a server that requires no token, and generated clients.
fn check_open(
    (python, node): (&Python, Option<&Node>),
    binary: &Path,
    folder: &Path,
    count: RequestCount,
) -> Result<String> {
    let server = Server::start(binary, folder, &[MEMORY])?;
    let document = fetch(&server.address)?;
    let path = folder.join("openapi.json");
    fs::write(&path, &document)?;
    run(python.tool("openapi-spec-validator").arg(&path))?;
    let url = format!("http://{}", server.address);
    clients::check(python, node, &path, &url)?;
    run(&mut schemathesis(
        python,
        &path,
        (&server.address, "none"),
        count,
    )?)?;
    Ok(document)
}

/// Checks a server with tokens, with those of an administrator and of a reader of some namespaces.
fn check_closed(
    python: &Python,
    binary: &Path,
    folder: &Path,
    document: &str,
    count: RequestCount,
) -> Result {
    // This server requires a token; only then is a request without one an error.
    let closed = document.replacen(OPEN, CLOSED, 1);
    if closed == document {
        return Err(format!("the document lacks `{OPEN}` for servers without tokens").into());
    }
    let path = folder.join("closed.json");
    fs::write(&path, closed)?;
    let tokens = folder.join("tokens.toml").display().to_string();
    let settings = [MEMORY, ("AKVS_AUTH__TOKENS", &*tokens)];
    let make = |arguments: &[&str]| -> Result<String> {
        let mut new = program(binary, &["token", "new"]);
        let token = read(new.args(arguments).envs(settings))?;
        Ok(token.trim().to_owned())
    };
    let admin = make(&["all", "--rights", "admin"])?;
    let reader = make(&["some", "--rights", "read", "--namespace", "r*"])?;
    let server = Server::start(binary, folder, &settings)?;
    for token in [&admin, &reader] {
        let mut command = schemathesis(python, &path, (&server.address, token), count)?;
        if count.is_repeatable {
            // The other phases need no token.
            command.args(["--phases", "fuzzing"]);
        }
        run(&mut command)?;
    }
    Ok(())
}

/// Builds the server, together with the tests; returns its path. Alone it would have other features of the crates that it
/// depends on, and they would be compiled twice.
fn build() -> Result<PathBuf> {
    run(&mut cargo(&[
        "test",
        "--no-run",
        "--locked",
        "--workspace",
        "--all-features",
    ]))?;
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()?;
    Ok(metadata.target_directory.join("debug/akvs").into())
}

/// Fetches the document of a server that requires no token.
fn fetch(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER))?;
    write!(
        stream,
        "GET /openapi.json HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    match end {
        Some(end) if answer.starts_with(b"HTTP/1.1 200") => {
            Ok(String::from_utf8(answer.split_off(end + 4))?)
        }
        _ => Err("the server did not return /openapi.json".into()),
    }
}

/// Returns the command that makes requests, as its document allows and forbids.
fn schemathesis(
    python: &Python,
    document: &Path,
    (address, token): (&str, &str),
    count: RequestCount,
) -> Result<Command> {
    let folder = document.parent().ok_or("a document in no folder")?;
    let hooks = root().join("xtask/openapi/hooks.py");
    let text = fs::read_to_string(root().join(CONFIG))?;
    // The token is not among the arguments, which all users of the machine can read.
    let config = format!(
        "hooks = \"{}\"\n{text}\n[auth.openapi.token]\nbearer = \"{token}\"\n",
        hooks.display()
    );
    fs::write(folder.join("config.toml"), config)?;
    let mut command = python.tool("schemathesis");
    // It writes files into its working directory.
    command.current_dir(folder);
    command
        .args(["--config-file", "config.toml", "run"])
        .arg(document);
    command.args(["--url", &format!("http://{address}")]);
    command.args(["--max-examples", &count.examples.to_string()]);
    command.arg("--no-color");
    match count.is_repeatable {
        true => command.arg("--generation-deterministic"),
        false => command.args(["--generation-database", "none"]),
    };
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::parse;

    #[test]
    fn the_number_of_requests_can_be_set() {
        let count = |line: &str| parse::<Args>(line).map(|args| args.count());
        assert_eq!(count(""), Some(BRIEF));
        let count = count("--examples 7").unwrap();
        assert_eq!((count.examples, count.is_repeatable), (7, false));
    }
}

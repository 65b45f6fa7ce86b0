//! `cargo xtask openapi`: is the server's description of itself valid, does the server do what it says, and are clients
//! that are generated from it of use?
//!
//! Owns how the tools are installed and run, not what they check: one judges the document, one makes requests of it,
//! right and wrong ones, and judges the answers, and two generate clients. They are programs of pinned versions, kept
//! below `target/openapi`. The server is a debug build in memory, once open and once with tokens, on a free port.

mod clients;
mod node;
mod python;

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
use crate::bench::server::Server;
use crate::shell::{Result, cargo, program, read, root, run};

/// What the requests are made by.
const CONFIG: &str = "xtask/openapi/schemathesis.toml";
/// The server keeps nothing.
const MEMORY: (&str, &str) = ("AKVS_ENGINE__KIND", "memory");
/// How the document says that a server without tokens lets everybody in.
const OPEN: &str = "\"security\":[{\"token\":[]},{}]";
const CLOSED: &str = "\"security\":[{\"token\":[]}]";
/// How long the document may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Effort {
    /// Requests an operation.
    examples: u32,
    /// Whether they are the same each time.
    is_repeatable: bool,
}

/// A little, and always the same: for each change.
const BRIEF: Effort = Effort {
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
    fn effort(&self) -> Effort {
        self.examples.map_or(BRIEF, |examples| Effort {
            examples: examples.get(),
            is_repeatable: false,
        })
    }
}

/// Checks the document, the server and clients generated from the document.
pub(crate) fn openapi(args: &Args) -> Result {
    let effort = args.effort();
    match (Python::provide()?, Node::provide()?) {
        (Some(python), Some(node)) => check(&python, Some(&node), effort),
        _ => Err("the tools that check the document are missing, the lines above say why".into()),
    }
}

/// The same as a step of the tests: where the tools cannot be had, that is told, and no failure.
pub(crate) fn openapi_if_possible() -> Result {
    match Python::provide()? {
        Some(python) => check(&python, Node::provide()?.as_ref(), BRIEF),
        None => Ok(()),
    }
}

fn check(python: &Python, node: Option<&Node>, effort: Effort) -> Result {
    let binary = build()?;
    let folder = tempfile::tempdir()?;
    let document = check_open((python, node), &binary, folder.path(), effort)?;
    check_closed(python, &binary, folder.path(), &document, effort)
}

/// The document, a server that lets everybody in, and clients of it.
fn check_open(
    (python, node): (&Python, Option<&Node>),
    binary: &Path,
    folder: &Path,
    effort: Effort,
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
        effort,
    )?)?;
    Ok(document)
}

/// A server with tokens, as one sees it who may do everything, and one who may read a little.
fn check_closed(
    python: &Python,
    binary: &Path,
    folder: &Path,
    document: &str,
    effort: Effort,
) -> Result {
    // Here a token is needed; only then is it a mistake to let somebody in without one.
    let closed = document.replacen(OPEN, CLOSED, 1);
    if closed == document {
        return Err(format!("the document does not say `{OPEN}` of servers without tokens").into());
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
        let mut command = schemathesis(python, &path, (&server.address, token), effort)?;
        if effort.is_repeatable {
            // What the other phases try needs no token.
            command.args(["--phases", "fuzzing"]);
        }
        run(&mut command)?;
    }
    Ok(())
}

/// Builds the server; where it is.
fn build() -> Result<PathBuf> {
    run(&mut cargo(&["build", "--locked", "--package", "akvs"]))?;
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()?;
    Ok(metadata.target_directory.join("debug/akvs").into())
}

/// The document as a server that needs no token tells it.
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
        _ => Err("the server does not give its document".into()),
    }
}

/// Makes requests of a server as its document allows and forbids.
fn schemathesis(
    python: &Python,
    document: &Path,
    (address, token): (&str, &str),
    effort: Effort,
) -> Result<Command> {
    let folder = document.parent().ok_or("a document in no folder")?;
    let hooks = root().join("xtask/openapi/hooks.py");
    let text = fs::read_to_string(root().join(CONFIG))?;
    // The token is not among the arguments, which everybody on the machine may read.
    let config = format!(
        "hooks = \"{}\"\n{text}\n[auth.openapi.token]\nbearer = \"{token}\"\n",
        hooks.display()
    );
    fs::write(folder.join("config.toml"), config)?;
    let mut command = python.tool("schemathesis");
    // It leaves notes of its own where it runs.
    command.current_dir(folder);
    command
        .args(["--config-file", "config.toml", "run"])
        .arg(document);
    command.args(["--url", &format!("http://{address}")]);
    command.args(["--max-examples", &effort.examples.to_string()]);
    command.arg("--no-color");
    match effort.is_repeatable {
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
        let effort = |line: &str| parse::<Args>(line).map(|args| args.effort());
        assert_eq!(effort(""), Some(BRIEF));
        let effort = effort("--examples 7").unwrap();
        assert_eq!((effort.examples, effort.is_repeatable), (7, false));
    }
}

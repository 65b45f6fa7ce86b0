//! Clients generated from the document in Python and TypeScript: generated, compiled and used on a server.
//!
//! Their programs are in `xtask/openapi/clients`, written as a user would.

use std::fs;
use std::path::Path;

use super::node::Node;
use super::python::Python;
use crate::shell::{Result, program, root, run, timed};

const SOURCES: &str = "xtask/openapi/clients";

/// Checks the clients; without Node.js the one in Python alone, with a note.
pub(super) fn check(python: &Python, node: Option<&Node>, document: &Path, url: &str) -> Result {
    timed("a client in Python", || in_python(python, document, url))?;
    match node {
        Some(node) => timed("a client in TypeScript", || {
            in_typescript(node, document, url)
        }),
        None => Ok(()),
    }
}

fn in_python(python: &Python, document: &Path, url: &str) -> Result {
    let folder = document.parent().ok_or("a document in no folder")?;
    let sources = root().join(SOURCES);
    // The generator only warns about what it leaves out.
    let mut generate = python.tool("openapi-python-client");
    generate.args(["generate", "--meta", "none", "--fail-on-warning"]);
    generate.arg("--config").arg(sources.join("python.yml"));
    generate.arg("--path").arg(document);
    generate
        .arg("--output-path")
        .arg(folder.join("akvs_client"));
    run(&mut generate)?;
    let mut client = python.tool("python");
    client.arg(sources.join("client.py")).arg(url);
    run(client.env("PYTHONPATH", folder))
}

fn in_typescript(node: &Node, document: &Path, url: &str) -> Result {
    let folder = node.workplace()?;
    fs::copy(
        root().join(SOURCES).join("client.ts"),
        folder.join("client.ts"),
    )?;
    let mut generate = node.tool("openapi-typescript");
    run(generate
        .arg(document)
        .arg("--output")
        .arg(folder.join("paths.ts")))?;
    let mut compile = node.tool("tsc");
    compile.current_dir(&folder);
    compile.args(["--strict", "--noUncheckedIndexedAccess", "--noEmitOnError"]);
    compile.args(["--skipLibCheck", "--target", "es2022"]);
    compile.args(["--module", "nodenext", "--moduleResolution", "nodenext"]);
    run(compile.arg("client.ts"))?;
    run(program("node", &["client.js", url]).current_dir(&folder))
}

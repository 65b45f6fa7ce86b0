//! A folder with the packages of Node.js that the checks need, in the versions that are pinned.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Result, Tool, program, root, run};

/// Where the packages are named, and the versions of all that they bring along.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];
const SOURCES: &str = "xtask/openapi/clients";
const NPM: Tool = Tool {
    name: "npm",
    without: "no TypeScript client will be generated from the document of the API",
};

/// A folder with the packages.
pub(super) struct Node(PathBuf);

impl Node {
    /// Provides the folder, up to date; none where it cannot be had, which is told.
    pub(super) fn provide() -> Result<Option<Node>> {
        let folder = root().join("target/openapi/node");
        let mut wanted = String::new();
        for name in FILES {
            wanted += &fs::read_to_string(root().join(SOURCES).join(name))?;
        }
        // Written last, so that what was broken off is begun again.
        let mark = folder.join("installed");
        if fs::read_to_string(&mark).is_ok_and(|found| found == wanted) {
            return Ok(Some(Node(folder)));
        }
        match Node::install(&folder) {
            Ok(()) => {
                fs::write(mark, wanted)?;
                Ok(Some(Node(folder)))
            }
            Err(error) => {
                eprintln!("could not run: the check of the generated TypeScript client: {error}");
                Ok(None)
            }
        }
    }

    fn install(folder: &Path) -> Result {
        if !shell::provide(&NPM) {
            return Err("npm is not installed".into());
        }
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder)?;
        for name in FILES {
            fs::copy(root().join(SOURCES).join(name), folder.join(name))?;
        }
        let mut install = program(
            "npm",
            &["ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        );
        run(install.current_dir(folder))
    }

    /// A folder in which the packages are found; it is empty.
    pub(super) fn workplace(&self) -> Result<PathBuf> {
        let folder = self.0.join("work");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A program of one of the packages.
    pub(super) fn tool(&self, name: &str) -> Command {
        program(self.0.join("node_modules/.bin").join(name), &[])
    }
}

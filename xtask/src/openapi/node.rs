//! The Node.js packages that the checks need, in pinned versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::shell::{self, Result, Tool, program, root, run};

/// The files with the packages and all their versions.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];
const SOURCES: &str = "xtask/openapi/clients";
const NPM: Tool = Tool {
    name: "npm",
    without: "no TypeScript client will be generated from the document of the API",
};

/// A folder with the packages.
pub(super) struct Node(PathBuf);

impl Node {
    /// Provides the folder, up to date; returns none and prints a note if it cannot.
    pub(super) fn provide() -> Result<Option<Node>> {
        let folder = root().join("target/openapi/node");
        let mut wanted = String::new();
        for name in FILES {
            wanted += &fs::read_to_string(root().join(SOURCES).join(name))?;
        }
        // Written last, so that an interrupted installation is repeated.
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

    /// Creates an empty folder where the packages are found.
    pub(super) fn workplace(&self) -> Result<PathBuf> {
        let folder = self.0.join("work");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Returns the command of a program of the packages.
    pub(super) fn tool(&self, name: &str) -> Command {
        program(self.0.join("node_modules/.bin").join(name), &[])
    }
}

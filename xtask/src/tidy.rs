//! `cargo xtask tidy`: the rules of the project that no compiler checks.
//!
//! It owns the list of checks and the form of a violation; each check is in a file of its own. It changes nothing but
//! the budget of phrases and the list of texts, on request, and is a test too: a violation fails `cargo test`.

mod circles;
mod features;
mod layers;
mod module_graph;
mod paths;
mod phrases;
mod prose;
mod source;
mod spelling;
mod text;
mod texts;

use std::fmt;
use std::path::Path;

use clap::Args as ClapArgs;
use ignore::WalkBuilder;

use crate::shell::{Result, root};

/// A broken rule at a line.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Violation {
        Violation {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A text file of the repository; its path is relative to the root, with `/` separators.
struct File {
    path: String,
    text: String,
}

/// Arguments of `cargo xtask tidy`.
#[derive(ClapArgs, Default)]
pub(crate) struct Args {
    /// Lower the budget of banned phrases to what is left of them
    #[arg(long)]
    lower: bool,
    /// Write the list of error texts and log lines
    #[arg(long)]
    write_texts: bool,
}

/// Prints each broken rule as `path:line: what`.
pub(crate) fn tidy(args: &Args) -> Result {
    let root = root();
    if args.lower {
        phrases::lower(&root, &files(&root)?)?;
    }
    if args.write_texts {
        texts::write(&root, &files(&root)?)?;
    }
    let violations = violations(&root)?;
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => Err("1 rule is broken".into()),
        count => Err(format!("{count} rules are broken").into()),
    }
}

fn violations(root: &Path) -> Result<Vec<Violation>> {
    let files = files(root)?;
    let mut violations = layers::check(root, &files)?;
    violations.extend(features::check(root)?);
    for file in &files {
        violations.extend(text::check(file));
        violations.extend(source::check(file));
    }
    violations.extend(text::check_config(&files));
    violations.extend(circles::check(&files));
    violations.extend(phrases::check(&files));
    violations.extend(spelling::check(&files));
    violations.extend(texts::check(&files));
    violations.sort();
    Ok(violations)
}

/// Returns the text files that are, or would be, under version control.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = entry?;
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry
            .path()
            .strip_prefix(root)?
            .to_string_lossy()
            .replace('\\', "/");
        // Other files have no lines to check.
        if let Ok(text) = String::from_utf8(std::fs::read(entry.path())?) {
            files.push(File { path, text });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let violations = violations(&root()).unwrap();
        let lines: Vec<String> = violations.iter().map(Violation::to_string).collect();
        assert!(lines.is_empty(), "\n{}", lines.join("\n"));
    }

    #[test]
    fn build_output_is_ignored() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            (".gitignore", "/target\n"),
            ("target/a.rs", ""),
            (".git/config", ""),
            (".ci/run", ""),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut paths: Vec<String> = files(root.path())
            .unwrap()
            .into_iter()
            .map(|file| file.path)
            .collect();
        paths.sort();
        assert_eq!(paths, [".ci/run", ".gitignore"]);
    }
}

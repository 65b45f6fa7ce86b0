//! The command lines of `docs/install.md`, each of which a check must run.
//!
//! It owns which lines those are, not how they run.

use std::fs;
use std::path::Path;

use crate::shell::Result;

const PAGE: &str = "docs/install.md";

/// The command lines of one program that no check has run yet.
pub(super) struct Page {
    lines: Vec<String>,
}

impl Page {
    /// Reads the lines that begin with a program's name, from a release's directory.
    pub(super) fn read(folder: &Path, program: &str) -> Result<Page> {
        let text = fs::read_to_string(folder.join(PAGE))?;
        let lines = text.lines().filter(|line| {
            let words = line.strip_prefix(program);
            words.is_some_and(|words| words.starts_with(' '))
        });
        Ok(Page {
            lines: lines.map(str::to_owned).collect(),
        })
    }

    /// Removes and returns the first line with this prefix.
    pub(super) fn take(&mut self, prefix: &str) -> Result<String> {
        let at = self.lines.iter().position(|line| line.starts_with(prefix));
        let at = at.ok_or_else(|| format!("{PAGE} has no line `{prefix}…`"))?;
        Ok(self.lines.remove(at))
    }

    /// Returns an error if lines are left.
    pub(super) fn finish(&self) -> Result {
        match self.lines.is_empty() {
            true => Ok(()),
            false => Err(format!("no check ran these lines of {PAGE}: {:?}", self.lines).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_must_be_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PAGE);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "a 1\n- a 2\nab 3\na 4\n").unwrap();
        let mut page = Page::read(folder.path(), "a").unwrap();
        assert_eq!(page.take("a 4").unwrap(), "a 4");
        assert!(page.take("a 2").is_err() && page.finish().is_err());
        page.take("a ").unwrap();
        assert!(page.finish().is_ok());
    }
}

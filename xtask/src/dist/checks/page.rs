//! The command lines of `docs/install.md`: each is run by a check, once.
//!
//! Owns which lines those are, not how they are run.

use std::fs;
use std::path::Path;

use crate::shell::Result;

const PAGE: &str = "docs/install.md";

/// Lines that begin alike and that no check has run yet.
pub(super) struct Page {
    lines: Vec<String>,
}

impl Page {
    /// The lines in a release's folder that begin with a program's name.
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

    /// Takes the first line that begins so.
    pub(super) fn take(&mut self, begin: &str) -> Result<String> {
        let at = self.lines.iter().position(|line| line.starts_with(begin));
        let at = at.ok_or_else(|| format!("{PAGE} has no line `{begin}…`"))?;
        Ok(self.lines.remove(at))
    }

    /// That all of them were taken.
    pub(super) fn is_done(&self) -> Result {
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
    fn each_line_is_to_be_tried() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PAGE);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "a 1\n- a 2\nab 3\na 4\n").unwrap();
        let mut page = Page::read(folder.path(), "a").unwrap();
        assert_eq!(page.take("a 4").unwrap(), "a 4");
        assert!(page.take("a 2").is_err() && page.is_done().is_err());
        page.take("a ").unwrap();
        assert!(page.is_done().is_ok());
    }
}

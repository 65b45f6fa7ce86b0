//! What was measured, as text and as pictures.

mod amounts;
mod goals;
mod lines;
mod pictures;
mod svg;
mod tables;

use std::fs;
use std::path::Path;

use crate::result::Result;
use crate::results::Results;

use self::goals::goals;

/// The section of a page that is replaced.
const BEGIN: &str = "<!-- figures: written by cargo xtask bench report -->\n";
const END: &str = "<!-- end of the figures -->\n";

/// Returns all tables as Markdown.
pub(crate) fn markdown(results: &Results) -> String {
    let parts = [
        goals(results),
        tables::tables(results),
        amounts::amounts(results),
    ];
    parts.join("\n").trim_end().to_owned()
}

/// Writes the tables and the pictures into this folder; tables replace the marked section of `performance.md` if the
/// folder has that file.
pub(crate) fn write(results: &Results, folder: &Path) -> Result {
    fs::create_dir_all(folder)?;
    let mut section = format!("{}.\n\n", results.machine);
    for (name, title, picture) in pictures::all(results) {
        fs::write(folder.join(name), picture)?;
        section.push_str(&format!("![{title}]({name})\n\n"));
    }
    section.push_str(&markdown(results));
    let page = folder.join("performance.md");
    let text = match fs::read_to_string(&page) {
        Ok(text) => replaced(&text, &section)?,
        Err(_) => replaced(&format!("{BEGIN}{END}"), &section)?,
    };
    Ok(fs::write(page, text)?)
}

fn replaced(page: &str, section: &str) -> Result<String> {
    let missing = || format!("the page has no section between {BEGIN:?} and {END:?}");
    let (before, rest) = page.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n{section}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_marked_section_is_replaced() {
        let page = format!("# Title\n{BEGIN}old\n{END}rest\n");
        let new = format!("# Title\n{BEGIN}\nnew\n{END}rest\n");
        assert_eq!(replaced(&page, "new").unwrap(), new);
        assert_eq!(replaced(&new, "new").unwrap(), new);
        assert!(replaced("# Title\n", "new").is_err());
    }
}

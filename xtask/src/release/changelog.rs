//! The changelog: moves the unreleased changes to a version.
//!
//! It owns the headings, which are those of "Keep a Changelog". It changes no other line.

use crate::shell::Result;

const UNRELEASED: &str = "## Unreleased";
const VERSION: &str = "## ";

/// A changelog in which a version has its date.
#[derive(Debug)]
pub(super) struct Dated {
    /// All of it.
    pub(super) whole: String,
    /// The changes of the version, without its heading.
    pub(super) notes: String,
}

/// Moves the unreleased changes to a version.
pub(super) fn dated(changelog: &str, version: &str, today: &str) -> Result<Dated> {
    let lines: Vec<&str> = changelog.lines().collect();
    let is_heading = |line: &&str| line.trim_end() == UNRELEASED;
    let begin = lines.iter().position(is_heading);
    let begin = begin.ok_or_else(|| format!("has no part `{UNRELEASED}`"))?;
    let after = lines.iter().skip(begin + 1);
    let end = after.clone().position(|line| line.starts_with(VERSION));
    let end = end.map_or(lines.len(), |count| begin + 1 + count);
    if lines.iter().any(|line| is_of(line, version)) {
        return Err(format!("has a part of {version} already").into());
    }
    let part = &lines[begin + 1..end];
    // Headings alone are no changes.
    if part
        .iter()
        .all(|line| line.trim().is_empty() || line.starts_with('#'))
    {
        return Err(format!("says nothing below `{UNRELEASED}`").into());
    }
    let notes = part.join("\n").trim_matches('\n').to_owned();
    let dated = format!("{VERSION}{version} - {today}");
    let mut whole = lines[..begin].to_vec();
    whole.extend([UNRELEASED, "", &dated]);
    whole.extend(&lines[begin + 1..]);
    Ok(Dated {
        whole: whole.join("\n") + "\n",
        notes,
    })
}

/// Whether a line is a version's heading, with a date or without, in brackets or without.
fn is_of(line: &str, version: &str) -> bool {
    let words = line.strip_prefix(VERSION).unwrap_or_default();
    let name = words.split_whitespace().next().unwrap_or_default();
    name.trim_matches(['[', ']']) == version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_becomes_the_version_s() {
        let before = "# Changelog\n\nWords.\n\n## Unreleased\n\n### Added\n\n- This.\n\n## 0.1.0 - 2026-01-02\n\n- That.\n";
        let dated = dated(before, "0.2.0", "2026-03-04").unwrap();
        assert_eq!(
            dated.whole,
            "# Changelog\n\nWords.\n\n## Unreleased\n\n## 0.2.0 - 2026-03-04\n\n### Added\n\n- This.\n\n## 0.1.0 - 2026-01-02\n\n- That.\n"
        );
        assert_eq!(dated.notes, "### Added\n\n- This.");
    }

    #[test]
    fn the_next_release_finds_its_place() {
        let first = dated("## Unreleased\n\n- One.\n", "0.1.0", "2026-01-01").unwrap();
        let empty = dated(&first.whole, "0.2.0", "2026-01-02").unwrap_err();
        assert_eq!(empty.to_string(), "says nothing below `## Unreleased`");
        let more = first
            .whole
            .replace("## Unreleased\n", "## Unreleased\n\n- Two.\n");
        let second = dated(&more, "0.2.0", "2026-01-02").unwrap();
        assert_eq!(second.notes, "- Two.");
        let again = dated(&second.whole.replace("- Two.", ""), "0.1.0", "").unwrap_err();
        assert_eq!(again.to_string(), "has a part of 0.1.0 already");
    }

    #[test]
    fn without_words_there_is_no_release() {
        for nothing in ["", "# Changelog\n", "## Unreleased soon\n\n- x\n"] {
            assert!(dated(nothing, "1.0.0", "").is_err(), "{nothing:?}");
        }
        for headings in [
            "## Unreleased\n",
            "## Unreleased\n\n### Added\n\n## 0.1.0\n\n- x\n",
        ] {
            let error = dated(headings, "1.0.0", "").unwrap_err().to_string();
            assert!(error.starts_with("says nothing"), "{error}");
        }
    }
}

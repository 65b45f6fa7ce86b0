//! The changelog: moves the unreleased changes to a version.
//!
//! It owns the headings, which are those of "Keep a Changelog". It changes no other line.

use crate::shell::Result;

const UNRELEASED: &str = "## Unreleased";
const VERSION: &str = "## ";

/// A changelog in which a version has its date.
#[derive(Debug)]
pub(super) struct Dated {
    /// The changelog after the release.
    pub(super) changelog: String,
    /// The changes of the version, without its heading.
    pub(super) notes: String,
}

/// Moves the unreleased changes to a version.
pub(super) fn dated(changelog: &str, version: &str, today: &str) -> Result<Dated> {
    let lines: Vec<&str> = changelog.lines().collect();
    let is_heading = |line: &&str| line.trim_end() == UNRELEASED;
    let begin = lines.iter().position(is_heading);
    let begin = begin.ok_or_else(|| format!("no section `{UNRELEASED}`"))?;
    let after = lines.iter().skip(begin + 1);
    let end = after.clone().position(|line| line.starts_with(VERSION));
    let end = end.map_or(lines.len(), |count| begin + 1 + count);
    if lines.iter().any(|line| is_heading_of(line, version)) {
        return Err(format!("a section of {version} exists").into());
    }
    let section = &lines[begin + 1..end];
    // Headings alone are not changes.
    if section
        .iter()
        .all(|line| line.trim().is_empty() || line.starts_with('#'))
    {
        return Err(format!("no changes below `{UNRELEASED}`").into());
    }
    let notes = section.join("\n").trim_matches('\n').to_owned();
    let heading = format!("{VERSION}{version} - {today}");
    let mut changelog = lines[..begin].to_vec();
    changelog.extend([UNRELEASED, "", &heading]);
    changelog.extend(&lines[begin + 1..]);
    Ok(Dated {
        changelog: changelog.join("\n") + "\n",
        notes,
    })
}

/// Returns whether a line is a version's heading, with or without a date and brackets.
fn is_heading_of(line: &str, version: &str) -> bool {
    let words = line.strip_prefix(VERSION).unwrap_or_default();
    let name = words.split_whitespace().next().unwrap_or_default();
    name.trim_matches(['[', ']']) == version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreleased_changes_move_to_the_version() {
        let before = "# Changelog\n\nWords.\n\n## Unreleased\n\n### Added\n\n- This.\n\n## 0.1.0 - 2026-01-02\n\n- That.\n";
        let dated = dated(before, "0.2.0", "2026-03-04").unwrap();
        assert_eq!(
            dated.changelog,
            "# Changelog\n\nWords.\n\n## Unreleased\n\n## 0.2.0 - 2026-03-04\n\n### Added\n\n- This.\n\n## 0.1.0 - 2026-01-02\n\n- That.\n"
        );
        assert_eq!(dated.notes, "### Added\n\n- This.");
    }

    #[test]
    fn a_second_release_needs_new_changes_and_another_version() {
        let first = dated("## Unreleased\n\n- One.\n", "0.1.0", "2026-01-01").unwrap();
        let empty = dated(&first.changelog, "0.2.0", "2026-01-02").unwrap_err();
        assert_eq!(empty.to_string(), "no changes below `## Unreleased`");
        let more = first
            .changelog
            .replace("## Unreleased\n", "## Unreleased\n\n- Two.\n");
        let second = dated(&more, "0.2.0", "2026-01-02").unwrap();
        assert_eq!(second.notes, "- Two.");
        let again = dated(&second.changelog.replace("- Two.", ""), "0.1.0", "").unwrap_err();
        assert_eq!(again.to_string(), "a section of 0.1.0 exists");
    }

    #[test]
    fn a_release_needs_changes() {
        for empty in ["", "# Changelog\n", "## Unreleased soon\n\n- x\n"] {
            assert!(dated(empty, "1.0.0", "").is_err(), "{empty:?}");
        }
        for headings in [
            "## Unreleased\n",
            "## Unreleased\n\n### Added\n\n## 0.1.0\n\n- x\n",
        ] {
            let error = dated(headings, "1.0.0", "").unwrap_err().to_string();
            assert!(error.starts_with("no changes"), "{error}");
        }
    }
}

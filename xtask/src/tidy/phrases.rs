//! Phrases that the project does not use (docs/style.md), in pages, documentation, help and error texts.
//!
//! Files that had such phrases before the check have a budget, in `phrases.budget`: a line with the allowed number and
//! the file's path. The budget may only shrink: a file over its budget is a violation, and so is one below it.
//! `cargo xtask tidy --lower` writes the numbers that are left.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::prose::lines;
use super::{File, Violation};
use crate::shell::Result;

const BUDGET: &str = "xtask/src/tidy/phrases.budget";
/// The file with the phrases themselves.
const THIS_FILE: &str = "xtask/src/tidy/phrases.rs";

/// Phrases and the words to use in their place.
const PHRASES: &[(&str, &str)] = &[
    ("anew", "again"),
    ("are told", "receive, are notified"),
    ("are to be", "must be"),
    ("be told", "be notified, receive"),
    ("beside", "next to, extra"),
    ("came into being", "was created"),
    ("come into being", "are created"),
    ("comes into being", "is created"),
    ("everybody", "all clients, all watchers"),
    ("for ever", "without end, permanently"),
    ("is to be", "must be"),
    ("is told", "receives, is notified"),
    ("nobody", "no client, no caller"),
    ("one that", "the noun itself"),
    ("one who", "a client, a caller"),
    ("so many", "this number of"),
    ("so much", "this amount of"),
    ("somebody", "a client, a caller"),
    ("stand there", "are present"),
    ("stands there", "is present"),
    ("those who", "clients, callers"),
    ("to whom", "the noun itself"),
    ("was told", "received, was notified"),
    ("were told", "received, were notified"),
    ("whoever", "a client that, a caller that"),
    ("whom", "the noun itself"),
];

/// Compares the phrases of each file with its budget.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let budget = files.iter().find(|file| file.path == BUDGET);
    let (budget, mut found) = parse(budget.map_or("", |file| &file.text));
    let mut left = budget;
    for file in files {
        let allowed = left
            .remove(file.path.as_str())
            .map_or(0, |(count, _)| count);
        found.extend(compare(file, allowed));
    }
    found.extend(left.into_iter().map(|(path, (_, line))| {
        Violation::new(BUDGET, line, format!("there is no {path}: remove the line"))
    }));
    found
}

/// Lowers the budget of each file to the number of its phrases; no budget grows.
pub(super) fn lower(root: &Path, files: &[File]) -> Result {
    let budget = files.iter().find(|file| file.path == BUDGET);
    let (budget, _) = parse(budget.map_or("", |file| &file.text));
    let mut text = String::new();
    for file in files {
        let allowed = budget
            .get(file.path.as_str())
            .map_or(0, |(count, _)| *count);
        let count = phrases(file).len().min(allowed);
        if count > 0 {
            writeln!(text, "{count} {}", file.path)?;
        }
    }
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_key(|line| line.split_once(' ').map(|(_, path)| path));
    std::fs::write(root.join(BUDGET), lines.join("\n") + "\n")?;
    Ok(())
}

/// Returns the number and the line of each path, and the lines that cannot be read.
fn parse(text: &str) -> (BTreeMap<&str, (usize, usize)>, Vec<Violation>) {
    let mut budget = BTreeMap::new();
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let parts = line.split_once(' ');
        match parts.and_then(|(count, path)| Some((count.parse().ok()?, path))) {
            Some((count, path)) => drop(budget.insert(path, (count, number))),
            None if line.is_empty() => {}
            None => found.push(Violation::new(
                BUDGET,
                number,
                "expected a number and a path",
            )),
        }
    }
    (budget, found)
}

fn compare(file: &File, allowed: usize) -> Vec<Violation> {
    let phrases = phrases(file);
    if phrases.len() < allowed {
        let what = format!(
            "{} banned phrases are left, {allowed} are allowed: run `cargo xtask tidy --lower`",
            phrases.len()
        );
        return vec![Violation::new(&file.path, 1, what)];
    }
    if phrases.len() == allowed {
        return Vec::new();
    }
    let all = phrases.into_iter().map(|(line, phrase, instead)| {
        let what =
            format!("banned phrase \"{phrase}\": expected {instead}; {allowed} are allowed here");
        Violation::new(&file.path, line, what)
    });
    all.collect()
}

/// Returns the banned phrases of a file, with their lines and the words to use in their place.
fn phrases(file: &File) -> Vec<(usize, &'static str, &'static str)> {
    if file.path == THIS_FILE {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in lines(file) {
        let line = line.to_lowercase();
        for (phrase, instead) in PHRASES {
            found.extend(line.match_indices(phrase).filter_map(|(at, _)| {
                let is_whole = !line[..at].ends_with(is_letter)
                    && !line[at + phrase.len()..].starts_with(is_letter);
                is_whole.then_some((number, *phrase, *instead))
            }));
        }
    }
    found
}

fn is_letter(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [&str; 0] = [];

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn violations(text: &str, budget: &str) -> Vec<String> {
        let found = check(&[file("docs/a.md", text), file(BUDGET, budget)]);
        found.iter().map(Violation::to_string).collect()
    }

    #[test]
    fn a_banned_phrase_is_found_as_whole_words() {
        assert_eq!(
            violations("fine\nWhoever asks\n", ""),
            [
                "docs/a.md:2: banned phrase \"whoever\": expected a client that, a caller that; 0 are allowed here"
            ]
        );
        assert_eq!(
            violations("besides, sneweranew, one thatch, `is_to_be`", ""),
            NONE
        );
        assert_eq!(violations("nobody, (Nobody) nobody's", "").len(), 3);
    }

    #[test]
    fn a_budget_can_only_shrink() {
        let text = "nobody\nanew\n";
        assert_eq!(violations(text, "2 docs/a.md\n"), NONE);
        assert_eq!(violations(text, "1 docs/a.md\n").len(), 2);
        assert_eq!(
            violations(text, "3 docs/a.md\n"),
            [
                "docs/a.md:1: 2 banned phrases are left, 3 are allowed: run `cargo xtask tidy --lower`"
            ]
        );
        assert_eq!(
            violations(text, "2 docs/a.md\n1 docs/b.md\n"),
            ["xtask/src/tidy/phrases.budget:2: there is no docs/b.md: remove the line"]
        );
        assert_eq!(violations("", "docs/a.md\n").len(), 1);
    }

    #[test]
    fn the_lowered_budget_is_what_is_left() {
        let root = tempfile::tempdir().unwrap();
        let budget = root.path().join(BUDGET);
        std::fs::create_dir_all(budget.parent().unwrap()).unwrap();
        let files = [
            file("docs/c.md", "anew nobody"),
            file("docs/b.md", "fine"),
            file("docs/a.md", "anew"),
            file(
                BUDGET,
                "1 docs/c.md\n2 docs/b.md\n7 docs/a.md\n1 docs/gone.md\n",
            ),
        ];
        lower(root.path(), &files).unwrap();
        assert_eq!(
            std::fs::read_to_string(budget).unwrap(),
            "1 docs/a.md\n1 docs/c.md\n"
        );
    }
}

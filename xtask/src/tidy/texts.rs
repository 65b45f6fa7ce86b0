//! The list of all error texts and log lines that users can see, so that a new text is reviewed next to the others.
//!
//! The texts are the string literals in the code of the shipped crates that read like a message: lower case, several
//! words, one line. `docs/error-texts.txt` must equal that list; [`write()`] updates it.

use std::fmt::Write;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Item, LitStr};

use super::source::is_test_item;
use super::{File, Violation};
use crate::shell::Result;

const LIST: &str = "docs/error-texts.txt";
const HEAD: &str = "\
All error texts and log lines that users can see, by file. Style: docs/style.md.
Written by `cargo xtask tidy --write-texts`; do not edit.
";

/// Files whose texts are descriptions, not messages.
const DESCRIPTIONS: &[&str] = &[
    "akvs-http/src/openapi",
    "akvs-http/src/handlers/metrics.rs",
    "akvs-http/src/metrics/",
];
/// Macros whose texts only developers see.
const INTERNAL: &[&str] = &[
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "concat",
    "debug_assert",
    "env",
    "panic",
    "unreachable",
];
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
const MIN_WORD: usize = 3;

/// Compares the list with the code.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let listed = files.iter().find(|file| file.path == LIST);
    let listed = listed.map_or("", |file| &file.text);
    let found = list(files);
    if listed == found {
        return Vec::new();
    }
    let same = listed.lines().zip(found.lines());
    let line = same.take_while(|(listed, found)| listed == found).count() + 1;
    let text = found.lines().nth(line - 1).unwrap_or("the end");
    let what = format!("expected {text:?}: run `cargo xtask tidy --write-texts`");
    vec![Violation::new(LIST, line, what)]
}

/// Writes the list.
pub(super) fn write(root: &Path, files: &[File]) -> Result {
    std::fs::write(root.join(LIST), list(files))?;
    Ok(())
}

fn list(files: &[File]) -> String {
    let mut sources: Vec<&File> = files.iter().filter(|file| is_shipped(&file.path)).collect();
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    let mut list = HEAD.to_owned();
    for file in sources {
        let texts = texts(&file.text);
        if !texts.is_empty() {
            // Writing to a string cannot fail.
            let _ = write!(list, "\n{}\n", file.path);
        }
        for text in texts {
            let _ = writeln!(list, "    {text}");
        }
    }
    list
}

fn is_shipped(path: &str) -> bool {
    let in_src = path.starts_with("src/") || path.starts_with("akvs-") && path.contains("/src/");
    in_src
        && path.ends_with(".rs")
        && !path.ends_with("/tests.rs")
        && !["akvs-testing/", "akvs-bench/"]
            .iter()
            .any(|unshipped| path.starts_with(unshipped))
        && !DESCRIPTIONS.iter().any(|prefix| path.starts_with(prefix))
}

/// Returns the texts of a source file, each once, in their order.
fn texts(source: &str) -> Vec<String> {
    let mut texts = Vec::new();
    // `source` reports files that do not parse.
    let Ok(parsed) = syn::parse_file(source) else {
        return texts;
    };
    for item in parsed.items {
        if !is_test_item(&item) && !matches!(item, Item::Use(_)) {
            collect(item.to_token_stream(), None, &mut texts);
        }
    }
    texts
}

/// Collects the texts of a token stream; `level` is that of the log macro around it.
fn collect(stream: TokenStream, level: Option<&str>, texts: &mut Vec<String>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => {
                let before = |back: usize| at.checked_sub(back).map(|at| trees[at].to_string());
                let called = match before(1).as_deref() {
                    Some("!") => before(2),
                    Some("#") if group.delimiter() == Delimiter::Bracket => continue,
                    Some("expect") => continue,
                    _ => None,
                };
                let called = called.as_deref().unwrap_or_default();
                if INTERNAL.contains(&called) {
                    continue;
                }
                let log = LEVELS.iter().find(|level| **level == called);
                collect(group.stream(), log.copied().or(level), texts);
            }
            TokenTree::Literal(literal) => {
                let text = syn::parse_str::<LitStr>(&literal.to_string());
                let text = text.map(|text| text.value()).unwrap_or_default();
                if !is_message(&text) {
                    continue;
                }
                let text = match level {
                    Some(level) => format!("{level}: {text}"),
                    None => text,
                };
                if !texts.contains(&text) {
                    texts.push(text);
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Returns true for one line that begins in lower case and has several words, one of them in plain letters.
fn is_message(text: &str) -> bool {
    let is_word = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric());
        word.len() >= MIN_WORD && word.chars().all(|c| c.is_ascii_lowercase())
    };
    // The names of placeholders are no words.
    let mut rest = text;
    let mut words = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        words.push_str(before);
        words.push('0');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    words.push_str(rest);
    !text.starts_with(|c: char| c.is_uppercase() || c == '<' || c == '\\')
        && !text.contains('\n')
        && words.split_whitespace().count() > 1
        && words.split_whitespace().any(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_wherever_they_are_built() {
        let source = r##"
            #[expect(lint, reason = "not a text of users")]
            fn one() -> Result<(), String> {
                log::warn!("cannot read {path}: {error}");
                assert!(true, "not a text of users");
                let text = "unknown op {op:?}: \
                            expected add";
                thing.expect("not a text of users");
                Err(format!("{} is in use", name("key"), "text/plain; charset=utf-8"))
            }
            #[cfg(test)]
            mod tests { fn two() { fail("not a text of users") } }
        "##;
        let wanted = [
            "warn: cannot read {path}: {error}",
            "unknown op {op:?}: expected add",
            "{} is in use",
        ];
        assert_eq!(texts(source), wanted);
    }

    #[test]
    fn a_text_that_is_not_listed_is_a_violation() {
        let file = |path: &str, text: &str| File {
            path: path.into(),
            text: text.into(),
        };
        let mut files = vec![file("src/a.rs", "const A: &str = \"cannot do it\";")];
        assert_eq!(check(&files).len(), 1);
        files.push(file(LIST, &list(&files)));
        assert!(check(&files).is_empty());
        assert!(files[1].text.ends_with("\nsrc/a.rs\n    cannot do it\n"));
        files[0]
            .text
            .push_str("const B: &str = \"cannot do more\";");
        assert_eq!(check(&files)[0].line, files[1].text.lines().count() + 1);
    }
}

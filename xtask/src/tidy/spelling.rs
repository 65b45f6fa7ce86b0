//! Spelling: the words of pages, documentation, comments and names that are known misspellings.
//!
//! The words are those of the `typos` project, whose libraries are used: they are pinned with the other dependencies and
//! compile in half a minute of CPU time, and its program need not be installed. British and American spellings are both
//! accepted. A list of our own words is not kept, except names and the wrong inputs of tests.

use typos::tokens::{Identifier, Tokenizer, Word};
use typos::{Dictionary, Status, Typo, check_str};
use unicase::UniCase;

use super::{File, Violation};

/// Names that look like misspellings: programs, crates, parts of `café` and of base64.
const ACCEPTED: &[&str] = &["ba", "caf", "flate", "iz", "wrk"];

/// Misspelled inputs of tests, accepted in code only.
const WRONG_INPUTS: &[&str] = &[
    "abd", "confg", "debgu", "fiel", "nwe", "perfix", "raed", "revison", "rigths", "sicne", "stpo",
    "tokne", "valu", "verfiy",
];

/// Files whose words are not ours.
const FOREIGN: &[&str] = &["Cargo.lock", "akvs-http/fuzz/", "LICENSE"];

/// The known misspellings, without the accepted words.
struct Misspellings {
    is_code: bool,
}

impl Dictionary for Misspellings {
    fn correct_ident<'s>(&'s self, _: Identifier<'_>) -> Option<Status<'s>> {
        None
    }

    fn correct_word<'s>(&'s self, word: Word<'_>) -> Option<Status<'s>> {
        let token = word.token();
        let contains = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(token));
        if contains(ACCEPTED) || (self.is_code && contains(WRONG_INPUTS)) {
            return None;
        }
        let corrections = typos_dict::WORD.find(&UniCase::new(token))?;
        Some(Status::Corrections(
            corrections.iter().map(|word| (*word).into()).collect(),
        ))
    }
}

/// Reports the misspelled words of all files that are ours.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let ours = files
        .iter()
        .filter(|file| !FOREIGN.iter().any(|prefix| file.path.starts_with(prefix)));
    ours.flat_map(misspelled).collect()
}

fn misspelled(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    let tokenizer = Tokenizer::new();
    let misspellings = Misspellings {
        is_code: !file.path.ends_with(".md"),
    };
    for (number, line) in (1..).zip(file.text.lines()) {
        found.extend(
            check_str(line, &tokenizer, &misspellings)
                .map(|typo| Violation::new(&file.path, number, describe(&typo))),
        );
    }
    found
}

fn describe(typo: &Typo<'_>) -> String {
    match &typo.corrections {
        Status::Corrections(words) => format!(
            "misspelled \"{}\": expected {}",
            typo.typo,
            words.join(" or ")
        ),
        Status::Valid | Status::Invalid => format!("misspelled \"{}\"", typo.typo),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written in two halves, so that this file does not break its own rule.
    const WRONG: &str = concat!("rec", "ieve");

    fn violations(path: &str, text: &str) -> Vec<String> {
        let (path, text) = (path.to_owned(), text.to_owned());
        let found = check(&[File { path, text }]);
        found.iter().map(Violation::to_string).collect()
    }

    #[test]
    fn a_misspelled_word_is_found_in_prose_and_in_names() {
        let expected = format!("docs/a.md:2: misspelled \"{WRONG}\": expected receive");
        assert_eq!(
            violations("docs/a.md", &format!("fine\nto {WRONG}\n")),
            [expected]
        );
        assert_eq!(
            violations("src/a.rs", &format!("fn {WRONG}_all() {{}}")).len(),
            1
        );
        assert_eq!(
            violations("src/a.rs", "fn receive() {}\n// colour, color"),
            [""; 0]
        );
        assert_eq!(violations("Cargo.lock", WRONG), [""; 0]);
    }

    #[test]
    fn wrong_inputs_of_tests_are_accepted_in_code() {
        let input = WRONG_INPUTS[0];
        assert_eq!(violations("src/a.rs", input), [""; 0]);
        assert_eq!(violations("docs/a.md", input).len(), 1);
        assert_eq!(violations("docs/a.md", "wrk"), [""; 0]);
    }
}

//! The code blocks of a page, for the tests that run them.

/// Returns the blocks in one language; there is at least one.
pub(crate) fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let blocks: Vec<&str> = page
        .split(&fence)
        .skip(1)
        .map(|rest| rest.split_once("```").expect("an open block").0)
        .collect();
    assert!(!blocks.is_empty(), "the page has no {language} block");
    blocks
}

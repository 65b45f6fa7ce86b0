//! The prose of a file, line by line: all of a text file; of Rust the documentation and the string literals.
//!
//! Other comments, names and test modules within a file are not part of it; the files of tests are.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

use super::File;
use super::source::is_test_item;

/// Returns the lines with prose and their numbers; none for files that have no prose to check.
pub(super) fn lines(file: &File) -> Vec<(usize, String)> {
    let path = file.path.as_str();
    if path.ends_with(".md") || path == "config/akvs.toml" {
        return (1..).zip(file.text.lines().map(str::to_owned)).collect();
    }
    let is_in = |folder: &str| path.starts_with(folder) || path.contains(&format!("/{folder}"));
    let is_code = path.ends_with(".rs") && (is_in("src/") || is_in("tests/"));
    if !is_code || path.ends_with("/tests.rs") {
        return Vec::new();
    }
    // `source` reports what does not parse.
    let Ok(parsed) = syn::parse_file(&file.text) else {
        return Vec::new();
    };
    let attributes = parsed.attrs.iter().map(ToTokens::to_token_stream);
    let code = parsed.items.iter().filter(|item| !is_test_item(item));
    let code = code.map(ToTokens::to_token_stream);
    let mut found = Vec::new();
    attributes
        .chain(code)
        .for_each(|tokens| literals(tokens, &mut found));
    found
}

/// Adds the lines of the string literals; documentation is one too.
fn literals(stream: TokenStream, found: &mut Vec<(usize, String)>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => literals(group.stream(), found),
            TokenTree::Literal(literal) => {
                let first = literal.span().start().line;
                let text = literal.to_string();
                if text.contains('"') {
                    found.extend((first..).zip(text.lines().map(str::to_owned)));
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prose(path: &str, text: &str) -> Vec<(usize, String)> {
        let (path, text) = (path.to_owned(), text.to_owned());
        lines(&File { path, text })
    }

    #[test]
    fn a_page_is_prose() {
        let expected = [(1, "# A".to_owned()), (2, "b".to_owned())];
        assert_eq!(prose("docs/a.md", "# A\nb\n"), expected);
        assert_eq!(prose("config/akvs.toml", "# A\nb\n"), expected);
        assert_eq!(prose("Cargo.toml", "# A\nb\n"), []);
    }

    #[test]
    fn prose_of_code_is_documentation_and_literals() {
        let text = "//! One.\n\n/// Two.\nfn name() {\n    // No.\n    f(\"three\\n\n four\", 'x', 5);\n}\n#[cfg(test)]\nmod tests {\n    const A: &str = \"no\";\n}\n";
        let found = prose("a/src/b.rs", text);
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 3, 6, 7]);
        for (line, text) in found.iter().zip(["One", "Two", "three", "four"]) {
            assert!(line.1.contains(text), "{line:?}");
        }
        assert_eq!(prose("a/tests/b.rs", text), found);
        assert_eq!(prose("a/benches/b.rs", text), []);
    }
}

//! Paths in a file's tokens: those of `use` declarations, each name by itself, and those that begin with `crate`,
//! `super` or `self`.

use proc_macro2::{TokenStream, TokenTree};

/// One path, such as `crate::a::B` of `use crate::a::{B, C};`.
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    /// The name that it is used under, if that is another one.
    pub(super) alias: Option<String>,
    /// Whether a `pub use` declares it.
    pub(super) is_export: bool,
    pub(super) line: usize,
}

/// Returns all paths in the tokens, at any depth.
pub(super) fn leaves(tokens: &[TokenTree]) -> Vec<Leaf> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                found.extend(leaves(&inside(group.stream())));
                at += 1;
            }
            TokenTree::Ident(word) if word == "use" => {
                let end = tokens[at..].iter().position(|token| is_punct(token, ';'));
                let end = end.map_or(tokens.len(), |end| at + end);
                let is_export = is_public(&tokens[..at]);
                let mut tree = use_tree(&[], &tokens[at + 1..end]);
                tree.iter_mut().for_each(|leaf| leaf.is_export = is_export);
                found.extend(tree);
                at = end + 1;
            }
            TokenTree::Ident(word) => {
                let (path, next) = path(&tokens[at..]);
                let begins = !tokens[..at]
                    .last()
                    .is_some_and(|before| is_punct(before, ':') || is_punct(before, '$'));
                if begins && path.len() > 1 && ["crate", "super", "self"].contains(&&*path[0]) {
                    let line = word.span().start().line;
                    found.push(Leaf {
                        path,
                        alias: None,
                        is_export: false,
                        line,
                    });
                }
                at += next;
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => at += 1,
        }
    }
    found
}

/// Returns whether `pub` or `pub(…)` comes last.
fn is_public(before: &[TokenTree]) -> bool {
    let is_pub = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "pub");
    match before {
        [.., last] if is_pub(last) => true,
        [.., first, TokenTree::Group(_)] => is_pub(first),
        _ => false,
    }
}

/// Returns the path that begins there, and the number of its tokens.
fn path(tokens: &[TokenTree]) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    let mut at = 0;
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        match tokens.get(at..at + 3) {
            Some([first, second, TokenTree::Ident(_)])
                if is_punct(first, ':') && is_punct(second, ':') =>
            {
                at += 2
            }
            _ => break,
        }
    }
    (path, at)
}

/// Returns the paths of a `use` declaration, or of a group in one.
fn use_tree(prefix: &[String], tokens: &[TokenTree]) -> Vec<Leaf> {
    let mut found = Vec::new();
    for part in tokens.split(|token| is_punct(token, ',')) {
        let (own, next) = path(part);
        let Some(first) = part.first() else { continue };
        let line = first.span().start().line;
        let mut path = [prefix, &own].concat();
        if let Some(TokenTree::Group(group)) = part.last() {
            found.extend(use_tree(&path, &inside(group.stream())));
            continue;
        }
        let alias = match &part[next..] {
            [TokenTree::Ident(word), TokenTree::Ident(alias)] if word == "as" => {
                Some(alias.to_string())
            }
            _ => None,
        };
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        found.push(Leaf {
            path,
            alias,
            is_export: false,
            line,
        });
    }
    found
}

fn inside(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

//! Rules for a Rust file: its size, its module docs, uses of features and external crates, tables of contents.
//!
//! It parses the file, so comments, texts and test modules do not count as code. Dependencies are for `layers`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "syn's enums grow: what is not named here is no code of interest"
)]

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Attribute, ImplItem, Item};

use super::{File, Violation};

/// The guide is 300 lines; a longer file has more than one subject.
const MAX_LINES: usize = 400;

/// Tables of contents that may contain more than names, each for a reason.
const MORE_THAN_CONTENTS: &[&str] = &[
    // The engine's trait and its small types.
    "akvs-core/src/engine/mod.rs",
];

/// Names that only some files may use.
struct Confined {
    names: &'static [&'static str],
    within: &'static [&'static str],
    except: &'static [&'static str],
    why: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined {
        names: &["lsm_tree"],
        within: &["akvs-", "src/"],
        except: &[
            "akvs-core/src/engine/disk.rs",
            "akvs-core/src/engine/disk/background.rs",
            "akvs-core/src/engine/disk/background/compact.rs",
            "akvs-core/src/engine/disk/background/flush.rs",
            "akvs-core/src/engine/disk/background/replaced.rs",
            "akvs-core/src/engine/disk/compaction.rs",
            "akvs-core/src/engine/disk/failure.rs",
            "akvs-core/src/engine/disk/log_files.rs",
            "akvs-core/src/engine/disk/memtables.rs",
            "akvs-core/src/engine/disk/shared.rs",
            "akvs-core/src/engine/disk/snapshot.rs",
            "akvs-core/src/engine/disk/snapshots.rs",
            "akvs-core/src/engine/disk/start.rs",
            "akvs-core/src/engine/disk/trees.rs",
            "akvs-core/src/engine/disk/writer.rs",
        ],
        why: "only the disk engine knows it",
    },
    Confined {
        names: &["DiskEngine", "MemoryEngine"],
        within: &[
            "akvs-api/",
            "akvs-server/",
            "akvs-registry/",
            "akvs-http/",
            "akvs-client/",
            "src/",
        ],
        except: &["src/compose.rs", "src/compose/offline.rs"],
        why: "only the composition knows which engine",
    },
    Confined {
        names: &["akvs_registry", "akvs_server", "akvs_core"],
        within: &["src/"],
        except: &[
            "src/compose.rs",
            "src/compose/admin.rs",
            "src/compose/offline.rs",
        ],
        why: "the binary names inner layers only where it composes them",
    },
];

/// Checks a file of a crate's `src`; tests, examples and benchmarks are free.
pub(super) fn check(file: &File) -> Vec<Violation> {
    if !file.path.ends_with(".rs") || !in_src(&file.path) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if !file.text.starts_with("//!") {
        found.push(Violation::new(&file.path, 1, "does not open with `//!`"));
    }
    let parsed = match syn::parse_file(&file.text) {
        Ok(parsed) => parsed,
        Err(error) => {
            let line = error.span().start().line;
            found.push(Violation::new(
                &file.path,
                line,
                format!("does not parse: {error}"),
            ));
            return found;
        }
    };
    found.extend(size(file, &parsed.items));
    let code: Vec<&Item> = parsed
        .items
        .iter()
        .filter(|item| !is_test_item(item))
        .collect();
    for item in &code {
        found.extend(tokens(&file.path, item.to_token_stream()));
    }
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if ["lib.rs", "mod.rs"].contains(&name) && !MORE_THAN_CONTENTS.contains(&file.path.as_str()) {
        let lines = code.iter().filter_map(|item| logic(item));
        found.extend(lines.map(|line| {
            Violation::new(
                &file.path,
                line,
                "function in a table of contents: expected docs, mod and use only",
            )
        }));
    }
    found
}

fn in_src(path: &str) -> bool {
    path.starts_with("src/")
        || path
            .split_once('/')
            .is_some_and(|(_, rest)| rest.starts_with("src/"))
}

fn size(file: &File, items: &[Item]) -> Option<Violation> {
    let tests = items
        .iter()
        .find(|item| matches!(item, Item::Mod(_)) && is_test_item(item));
    let lines = tests.map_or_else(
        || file.text.lines().count(),
        |tests| tests.span().start().line - 1,
    );
    let too_long = lines > MAX_LINES && !file.path.ends_with("/tests.rs");
    too_long.then(|| {
        let what =
            format!("{lines} lines before its tests: expected about 300, at most {MAX_LINES}");
        Violation::new(&file.path, MAX_LINES + 1, what)
    })
}

/// Returns the line of the first function of an item that a table of contents must not have.
fn logic(item: &Item) -> Option<usize> {
    match item {
        Item::Fn(function) => Some(function.sig.span().start().line),
        Item::Impl(block) => block.items.iter().find_map(|item| match item {
            ImplItem::Fn(function) => Some(function.sig.span().start().line),
            _ => None,
        }),
        Item::Mod(module) => module
            .content
            .iter()
            .flat_map(|(_, items)| items)
            .find_map(logic),
        _ => None,
    }
}

/// Returns the names in the tokens of an item that it must not use.
fn tokens(path: &str, stream: TokenStream) -> Vec<Violation> {
    let mut found = Vec::new();
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Group(group) => found.extend(tokens(path, group.stream())),
            TokenTree::Ident(name) => {
                let line = name.span().start().line;
                let name = name.to_string();
                if let Some(rule) = CONFINED.iter().find(|rule| rule.forbids(path, &name)) {
                    found.push(Violation::new(
                        path,
                        line,
                        format!("names `{name}`: {}", rule.why),
                    ));
                }
                if name == "feature" && is_equal_sign(trees.get(at + 1)) && !may_name_features(path)
                {
                    found.push(Violation::new(
                        path,
                        line,
                        "cfg(feature): allowed in lib.rs and engine/mod.rs only",
                    ));
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

impl Confined {
    fn forbids(&self, path: &str, name: &str) -> bool {
        self.names.contains(&name)
            && self.within.iter().any(|within| path.starts_with(within))
            && !self.except.contains(&path)
    }
}

fn may_name_features(path: &str) -> bool {
    // The documents of akvs-api carry their schemas, which only the server wants.
    path.starts_with("akvs-api/")
        || path.ends_with("src/lib.rs")
        || path.ends_with("src/engine/mod.rs")
}

fn is_equal_sign(tree: Option<&TokenTree>) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == '=')
}

/// Returns whether an item is compiled for tests only.
pub(super) fn is_test_item(item: &Item) -> bool {
    is_test(attributes(item))
}

/// Returns whether it is compiled for tests only.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = attribute.to_token_stream().to_string();
        let words: Vec<&str> = condition
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .collect();
        attribute.path().is_ident("cfg") && words.contains(&"test") && !words.contains(&"not")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let text = text.to_owned();
        let path = path.to_owned();
        let found = check(&File { path, text });
        found.into_iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn a_file_opens_with_its_docs() {
        assert_eq!(lines("akvs-core/src/a.rs", "//! A.\n"), NONE);
        assert_eq!(lines("akvs-core/src/a.rs", "// A.\n"), [1]);
        assert_eq!(lines("src/a.rs", "use b;\n"), [1]);
        assert_eq!(lines("tests/a.rs", "use b;\n"), NONE);
        assert_eq!(lines("README.md", "# A\n"), NONE);
    }

    #[test]
    fn a_file_ends_at_400_lines_before_its_tests() {
        let long = |count: usize| format!("//! A.\n{}", "// b\n".repeat(count - 1));
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "// c\n".repeat(500));
        assert_eq!(lines("src/a.rs", &long(400)), NONE);
        assert_eq!(lines("src/a.rs", &long(401)), [401]);
        assert_eq!(lines("src/a.rs", &format!("{}{tests}", long(400))), NONE);
        assert_eq!(lines("src/a.rs", &format!("{}{tests}", long(401))), [401]);
        assert_eq!(lines("tests/a.rs", &long(401)), NONE);
    }

    #[test]
    fn names_stay_where_they_belong() {
        let uses = |name: &str| format!("//! A.\nuse {name}::B;\n");
        assert_eq!(
            lines("akvs-core/src/engine/disk.rs", &uses("lsm_tree")),
            NONE
        );
        assert_eq!(
            lines("akvs-core/src/engine/memory.rs", &uses("lsm_tree")),
            [2]
        );
        assert_eq!(lines("akvs-http/src/state.rs", &uses("akvs_core")), NONE);
        assert_eq!(lines("akvs-http/src/state.rs", &uses("MemoryEngine")), [2]);
        assert_eq!(lines("src/compose.rs", &uses("akvs_server")), NONE);
        assert_eq!(lines("src/cli/serve.rs", &uses("akvs_server")), [2]);
        assert_eq!(
            lines("src/a.rs", "//! A.\nfn a() {\n    akvs_core::b();\n}\n"),
            [3]
        );
    }

    #[test]
    fn comments_texts_and_tests_are_not_code() {
        let text = "//! lsm_tree\n/// lsm_tree\nconst A: &str = \"lsm_tree\"; // lsm_tree\n#[cfg(test)]\nmod tests {\n    use lsm_tree;\n}\n";
        assert_eq!(lines("akvs-http/src/a.rs", text), NONE);
        assert_eq!(
            lines("akvs-http/src/a.rs", &text.replace("(test)", "(not(test))")),
            [6]
        );
    }

    #[test]
    fn features_are_named_in_tables_of_contents() {
        for question in ["#[cfg(feature = \"x\")]", "#[cfg(not(feature = \"x\"))]"] {
            let text = format!("//! A.\n{question}\nmod x;\n");
            assert_eq!(lines("akvs-core/src/lib.rs", &text), NONE);
            assert_eq!(lines("akvs-core/src/engine/mod.rs", &text), NONE);
            assert_eq!(lines("akvs-core/src/store.rs", &text), [2]);
        }
        assert_eq!(
            lines(
                "src/a.rs",
                "//! A.\nconst A: bool = cfg!(feature = \"x\");\n"
            ),
            [2]
        );
        assert_eq!(
            lines(
                "src/a.rs",
                "//! A.\nfn a(feature: u8) -> u8 {\n    feature\n}\n"
            ),
            NONE
        );
    }

    #[test]
    fn tables_of_contents_hold_no_logic() {
        for logic in [
            "fn a() {}\n",
            "impl A {\n fn a() {}\n}\n",
            "mod m {\n fn a() {}\n}\n",
        ] {
            let text = format!("//! A.\nmod a;\n{logic}");
            assert_eq!(lines("akvs-http/src/lib.rs", &text).len(), 1, "{logic}");
            assert_eq!(
                lines("akvs-http/src/handlers/mod.rs", &text).len(),
                1,
                "{logic}"
            );
            assert_eq!(lines("akvs-http/src/state.rs", &text), NONE);
        }
        for contents in [
            "trait A {\n fn a() {}\n}\n",
            "macro_rules! a { () => { fn a() {} } }\n",
            "#[cfg(test)]\nfn a() {}\n",
        ] {
            assert_eq!(
                lines("akvs-http/src/lib.rs", &format!("//! A.\n{contents}")),
                NONE,
                "{contents}"
            );
        }
    }

    #[test]
    fn a_file_that_does_not_parse_is_named() {
        assert_eq!(lines("src/a.rs", "//! A.\nfn (\n").len(), 1);
    }
}

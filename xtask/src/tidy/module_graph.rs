//! The graph of a crate's first-level modules: which of them names what of which other.
//!
//! It is read from the tokens of the files, without those of test modules, and says nothing about what is right.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

use super::File;
use super::paths::{Leaf, leaves};
use super::source::is_test_item;

/// A first-level module that names something of another.
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: String,
    /// The last part of the path.
    pub(super) name: String,
    pub(super) path: String,
    pub(super) line: usize,
}

/// The path of a module in its crate: none of its parts for the root.
type Module = Vec<String>;

/// Returns the edges of each crate: the first of each pair of modules, in the order of their names. Files that do not
/// parse are left out: `source` reports them.
pub(super) fn crates(files: &[File]) -> Vec<Vec<Edge>> {
    let roots = files.iter().filter(|file| {
        let folder = file
            .path
            .strip_suffix("/lib.rs")
            .or_else(|| file.path.strip_suffix("/main.rs"));
        folder.is_some_and(|folder| {
            folder == "src" || (folder.ends_with("/src") && folder.matches('/').count() == 1)
        })
    });
    roots.map(|root| read(root, files)).collect()
}

fn read(root: &File, files: &[File]) -> Vec<Edge> {
    let folder = root.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut modules = Modules::default();
    for file in files {
        let inside = file
            .path
            .strip_prefix(folder)
            .and_then(|path| path.strip_prefix('/'));
        if let Some(module) = inside.and_then(module)
            && let Some(leaves) = of_file(&file.text)
        {
            modules.paths.insert(module.clone(), file.path.clone());
            modules.leaves.push((module, leaves));
        }
    }
    modules.edges()
}

/// Returns the module of a file below `src`, unless it has only tests.
fn module(path: &str) -> Option<Module> {
    let mut parts: Module = path
        .strip_suffix(".rs")?
        .split('/')
        .map(str::to_owned)
        .collect();
    if parts.last().is_some_and(|last| last == "mod")
        || ["lib", "main"]
            .map(|root| vec![root.to_owned()])
            .contains(&parts)
    {
        parts.pop();
    }
    let is_test = parts.last().is_some_and(|last| last == "tests");
    (!is_test).then_some(parts)
}

fn of_file(text: &str) -> Option<Vec<Leaf>> {
    let parsed = syn::parse_file(text).ok()?;
    let code = parsed.items.iter().filter(|item| !is_test_item(item));
    let tokens: TokenStream = code.map(ToTokens::to_token_stream).collect();
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    Some(leaves(&tokens))
}

/// All modules of a crate.
#[derive(Default)]
struct Modules {
    /// The file of each.
    paths: BTreeMap<Module, String>,
    leaves: Vec<(Module, Vec<Leaf>)>,
}

impl Modules {
    fn edges(&self) -> Vec<Edge> {
        let exports = self.exports();
        let mut edges = BTreeMap::new();
        for (from, leaves) in &self.leaves {
            for leaf in leaves.iter().filter(|leaf| !leaf.is_export) {
                let target = self
                    .resolve(from, &leaf.path)
                    .map(|path| self.follow(path, &exports));
                let (Some(from_noun), Some(to_noun)) =
                    (from.first(), target.as_ref().and_then(|to| to.first()))
                else {
                    continue;
                };
                let pair = (from_noun.clone(), to_noun.clone());
                if pair.0 != pair.1 {
                    edges.entry(pair.clone()).or_insert_with(|| Edge {
                        from: pair.0,
                        to: pair.1,
                        name: leaf.path.last().cloned().unwrap_or_default(),
                        path: self.paths[from].clone(),
                        line: leaf.line,
                    });
                }
            }
        }
        edges.into_values().collect()
    }

    /// Returns what each name means that a module exports: a path in the crate.
    fn exports(&self) -> BTreeMap<Module, Module> {
        let mut exports = BTreeMap::new();
        for (module, leaves) in &self.leaves {
            for leaf in leaves.iter().filter(|leaf| leaf.is_export) {
                if let Some(path) = self.resolve(module, &leaf.path) {
                    let name = leaf.alias.as_ref().or(leaf.path.last()).cloned();
                    exports.insert(module.iter().cloned().chain(name).collect(), path);
                }
            }
        }
        exports
    }

    /// Returns a path as seen from the root of the crate; none where it leads out of the crate.
    fn resolve(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            _ => {
                let child: Module = from.iter().chain([first]).cloned().collect();
                return self
                    .paths
                    .contains_key(&child)
                    .then(|| from.iter().chain(path).cloned().collect());
            }
        };
        let mut rest = rest;
        while let [next, others @ ..] = rest
            && next == "super"
        {
            base.pop();
            rest = others;
        }
        base.extend_from_slice(rest);
        Some(base)
    }

    /// Returns the module that a path leads to, through whatever exports the name.
    fn follow(&self, mut path: Module, exports: &BTreeMap<Module, Module>) -> Module {
        let mut seen = BTreeSet::new();
        while seen.insert(path.clone()) {
            let module = (0..=path.len())
                .rev()
                .find(|len| self.paths.contains_key(&path[..*len]))
                .unwrap_or(0);
            let end = path.len().min(module + 1);
            match exports.get(&path[..end]) {
                Some(target) if end > module => {
                    path = target.iter().chain(&path[end..]).cloned().collect();
                }
                _ => path.truncate(module),
            }
        }
        path
    }
}

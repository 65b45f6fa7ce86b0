//! Circles of modules: a crate's first-level modules must form layers, so that each can be read without those above it.
//!
//! It reads `use` declarations and paths that begin with `crate`, `super` or `self`, as `source` does without test
//! modules, and follows `pub use` to the module that defines the name. The root of a crate is not part of any circle.
//! Names that come in by `use …::*` or through a macro are not seen.

use std::collections::{BTreeMap, BTreeSet};

use super::module_graph::{Edge, crates};
use super::{File, Violation};

/// Modules that are still part of a circle, by crate: the list may only shrink.
///
/// The circles were there before the check. Each module that leaves its circle must be taken off the list.
const KNOWN: &[(&str, &[&str])] = &[(
    "akvs-client",
    &[
        "address",
        "builder",
        "client",
        "codec",
        "error",
        "namespace",
        "ndjson",
        "pagination",
        "retry",
        "tls",
        "watch",
        "wire",
    ],
)];

/// Reports the edges of each circle that is not known, and each known module that is in no circle any more.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    for source in crates(files) {
        let known = KNOWN.iter().find(|(name, _)| *name == source.name);
        found.extend(compare(
            &source.root,
            &source.edges,
            known.map_or(&[], |(_, modules)| modules),
        ));
    }
    found
}

fn compare(root: &str, edges: &[Edge], known: &[&str]) -> Vec<Violation> {
    let circles = circles(edges);
    let mut found = Vec::new();
    for circle in circles
        .iter()
        .filter(|circle| circle.iter().any(|module| !known.contains(module)))
    {
        let names = circle.iter().copied().collect::<Vec<_>>().join(", ");
        let of_circle = edges
            .iter()
            .filter(|edge| circle.contains(&*edge.from) && circle.contains(&*edge.to));
        found.extend(of_circle.map(|edge| {
            let what = format!(
                "`{}` of module {} closes a circle with module {}: of {names}",
                edge.name, edge.to, edge.from
            );
            Violation::new(&edge.path, edge.line, what)
        }));
    }
    let left = known
        .iter()
        .filter(|module| !circles.iter().any(|circle| circle.contains(*module)));
    found.extend(left.map(|module| {
        let what = format!("module {module} is in no circle any more: take it off KNOWN (xtask/src/tidy/circles.rs)");
        Violation::new(root, 1, what)
    }));
    found
}

/// Returns the sets of modules that reach each other.
fn circles(edges: &[Edge]) -> Vec<BTreeSet<&str>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in edges {
        next.entry(&edge.from).or_default().insert(&edge.to);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> = next
        .keys()
        .map(|module| (*module, reached(module, &next)))
        .collect();
    let mut found: Vec<BTreeSet<&str>> = Vec::new();
    for (module, modules) in &reach {
        let known = found.iter().any(|circle| circle.contains(module));
        if !known && modules.contains(module) {
            let mutual = modules
                .iter()
                .filter(|other| reach.get(*other).is_some_and(|back| back.contains(module)));
            found.push(mutual.copied().collect());
        }
    }
    found
}

/// Returns the modules that a module leads to.
fn reached<'a>(module: &str, next: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut left = vec![module];
    while let Some(module) = left.pop() {
        for other in next.get(module).into_iter().flatten() {
            if found.insert(*other) {
                left.push(other);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the violations of a crate `x` with these files.
    fn violations(files: &[(&str, &str)], known: &[&str]) -> Vec<String> {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File {
                path: format!("x/src/{path}"),
                text: format!("//! X.\n{text}"),
            })
            .collect();
        let sources = crates(&files);
        assert_eq!(sources.len(), 1);
        let found = compare(&sources[0].root, &sources[0].edges, known);
        found.iter().map(Violation::to_string).collect()
    }

    const ROOT: (&str, &str) = ("lib.rs", "mod a;\nmod b;\nmod c;\n");
    const NONE: [&str; 0] = [];

    #[test]
    fn layers_are_no_circle() {
        let files = [
            ROOT,
            ("a.rs", "use crate::b::B;\nuse crate::c::C;\n"),
            ("b.rs", "use crate::c::{self, C};\npub(crate) struct B;\n"),
            ("c.rs", "pub(crate) struct C;\n"),
        ];
        assert_eq!(violations(&files, &[]), NONE);
    }

    #[test]
    fn each_edge_of_a_circle_is_reported() {
        let files = [
            ROOT,
            ("a.rs", "use crate::b::{B, C};\n"),
            ("b.rs", "use crate::c::C;\npub(crate) struct B;\n"),
            (
                "c.rs",
                "\npub(crate) struct C;\nfn c() {\n    crate::a::a();\n}\n",
            ),
        ];
        assert_eq!(
            violations(&files, &[]),
            [
                "x/src/a.rs:2: `B` of module b closes a circle with module a: of a, b, c",
                "x/src/b.rs:2: `C` of module c closes a circle with module b: of a, b, c",
                "x/src/c.rs:5: `a` of module a closes a circle with module c: of a, b, c",
            ]
        );
    }

    #[test]
    fn names_that_the_root_exports_are_those_of_their_module() {
        let root = (
            "lib.rs",
            "mod a;\nmod b;\npub use a::{A, inner::Inner as Renamed};\n",
        );
        let inner = ("a/inner.rs", "use super::super::b::B;\npub struct Inner;\n");
        let a = ("a.rs", "pub mod inner;\npub struct A;\n");
        for b in [
            "use crate::A;\n",
            "use crate::Renamed;\n",
            "use super::{A};\n",
            "fn b() -> crate::A {}\n",
        ] {
            assert_eq!(
                violations(&[root, a, inner, ("b.rs", b)], &[]).len(),
                2,
                "{b}"
            );
        }
        for b in [
            "use super::Other;\n",
            "// use crate::A;\n",
            "use x::a::A;\n",
            "const B: &str = \"crate::A\";\n",
        ] {
            assert_eq!(violations(&[root, a, inner, ("b.rs", b)], &[]), NONE, "{b}");
        }
    }

    #[test]
    fn tests_are_not_part_of_a_circle() {
        let test =
            "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n#[cfg(test)]\nuse crate::a::B;\n";
        let files = [
            ROOT,
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", test),
            ("b/tests.rs", "use crate::a::A;\n"),
        ];
        assert_eq!(violations(&files, &[]), NONE);
        let files = [
            ROOT,
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "fn b() {\n    use crate::a::A;\n}\n"),
        ];
        assert_eq!(violations(&files, &[]).len(), 2);
    }

    #[test]
    fn the_known_circles_can_only_shrink() {
        let files = [
            ROOT,
            ("a.rs", "use crate::b::B;\n"),
            ("b.rs", "use crate::a::A;\n"),
            ("c.rs", ""),
        ];
        assert_eq!(violations(&files, &["a", "b"]), NONE);
        assert_eq!(violations(&files, &["a"]).len(), 2);
        assert_eq!(
            violations(&files, &["a", "b", "c"]),
            [
                "x/src/lib.rs:1: module c is in no circle any more: take it off KNOWN (xtask/src/tidy/circles.rs)"
            ]
        );
    }
}

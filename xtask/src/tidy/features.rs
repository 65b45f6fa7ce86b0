//! One set of features for each crate, for the default members and for the program alone: otherwise `cargo run` would
//! compile again what `cargo build` has compiled.

use std::collections::BTreeSet;
use std::path::Path;

use super::Violation;
use crate::shell::{Result, cargo, read};

/// Compares the plans of `cargo build` and `cargo run`.
pub(super) fn check(root: &Path) -> Result<Vec<Violation>> {
    let plan = |selection: &[&str]| {
        let mut tree = cargo(&["tree", "--edges", "normal,build", "--prefix", "none"]);
        read(
            tree.args(["--format", "{p} {f}"])
                .args(selection)
                .current_dir(root),
        )
    };
    let (all, program) = (plan(&[])?, plan(&["--package", "akvs"])?);
    Ok(compiled_twice(&all, &program))
}

/// Returns the crates that the program has with other features than the default members.
fn compiled_twice(all: &str, program: &str) -> Vec<Violation> {
    let all: BTreeSet<&str> = all.lines().map(planned).collect();
    let program: BTreeSet<&str> = program.lines().map(planned).collect();
    let twice = program.difference(&all);
    twice
        .map(|crate_and_features| {
            let what = format!(
                "`cargo run` compiles again what `cargo build` has with other features: {crate_and_features}"
            );
            Violation::new("Cargo.toml", 1, what)
        })
        .collect()
}

/// Returns a line of the tree without the mark of a repeated one.
fn planned(line: &str) -> &str {
    line.strip_suffix(" (*)").unwrap_or(line).trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_with_other_features_is_reported() {
        let all = "a v1.0.0 default,std\nb v1.0.0 \nc v1.0.0 x\n";
        let same = "a v1.0.0 default,std\nb v1.0.0  (*)\na v1.0.0 default,std (*)\n";
        assert_eq!(compiled_twice(all, same), []);
        let found = compiled_twice(all, "a v1.0.0 std\nb v1.0.0 \n");
        assert_eq!(found.len(), 1);
        assert!(found[0].what.ends_with("a v1.0.0 std"), "{found:?}");
    }
}

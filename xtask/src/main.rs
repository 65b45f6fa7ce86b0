//! The project's own commands: `cargo xtask <verb>`.
//!
//! Owns the list of verbs and nothing else: each verb is a file. Names none of the project's crates, so that it builds
//! and checks them even when they do not compile. Its exit code is 0 only if everything that the verb did succeeded.

mod bench;
mod ci;
mod dist;
mod fuzz;
mod licences;
mod openapi;
mod release;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask <verb>

  test [args]   set up what the tests need, then run them all; args go to `cargo test`
  ci            the whole check: formatting, lints, docs, tidy, licences, fuzzing, tests
  tidy          what no compiler checks: layering, file sizes, module docs, stray paths
  licences      the licences and sources of all dependencies against .deny.toml
  openapi       [--examples N]: the API's description of itself, whether the server keeps to it, and clients generated
                from it (needs Python and npm)
  fuzz [secs]   paths, queries, fields and bodies under guided inputs, each for so long (needs a C++ compiler)
  bench [part]  build for release and measure `writes` beside redis, `reads`, `watch` and `sizing` (needs wrk, redis-server)
  dist          [--profile P] [--check [--once]]: a release below target/dist; checked, and built twice to compare
  release <version>  [--dry-run | --plan]: check the tree, set the version, date the changelog, check all, build, tag
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (verb, rest) = match arguments.split_first() {
        Some((verb, rest)) => (verb.as_str(), rest),
        None => ("help", [].as_slice()),
    };
    let outcome = match (verb, rest) {
        ("test", _) => test::test(rest),
        ("ci", []) => ci::ci(),
        ("tidy", []) => tidy::tidy(),
        ("licences", []) => licences::licences(),
        ("openapi", _) => openapi::openapi(rest),
        ("fuzz", _) => fuzz::fuzz(rest),
        ("bench", _) => bench::bench(),
        ("dist", _) => dist::dist(rest),
        ("release", _) => release::release(rest),
        ("help" | "-h" | "--help", _) => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("xtask: cannot do `{}`\n\n{HELP}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

//! The tour of the client, run against a server.

use std::path::PathBuf;
use std::process::Command;

include!("../support/serve.rs");

/// Returns the path of the example, which cargo builds with the tests.
fn tour() -> PathBuf {
    let this = std::env::current_exe().expect("a test is a program");
    let built = this.ancestors().nth(2).expect("a build folder");
    built.join("examples/tour")
}

#[test]
fn the_tour_succeeds() {
    let tour = tour();
    assert!(tour.exists(), "`cargo build --examples` has to come first");
    let ran = Command::new(tour).env("AKVS_URL", serve()).output();
    let ran = ran.expect("it can be run");
    let output = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{ran:?}");
    assert!(output.contains("dropped tour-"), "{output}");
}

//! A program's own reqwest client works next to this crate, whose features of reqwest also apply to the program.
//!
//! This is a test binary of its own, apart from `it`: a process has one default TLS provider, and no test before this
//! one may have installed it.

use akvs_client::{Client, reqwest};

#[test]
fn a_program_can_create_its_own_http_client() {
    // No TLS provider is installed, as in a program that does not configure TLS.
    let own = reqwest::Client::new();
    let built = reqwest::Client::builder().user_agent("billing/1.0").build();
    assert!(built.is_ok(), "{built:?}");
    for url in ["http://localhost:8080", "unix:/run/akvs.sock"] {
        assert!(Client::new(url).is_ok(), "{url}");
    }
    let taken = Client::builder().http_client(own).build();
    assert!(taken.is_ok(), "{taken:?}");
}

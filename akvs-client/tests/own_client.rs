//! What a program that depends on this crate does with reqwest on its own: features are shared by all who depend on it.

use akvs_client::{Client, reqwest};

#[test]
fn a_program_s_own_http_client_is_made() {
    // Nothing was installed before, as in a program that knows nothing of TLS.
    let own = reqwest::Client::new();
    let built = reqwest::Client::builder().user_agent("billing/1.0").build();
    assert!(built.is_ok(), "{built:?}");
    for url in ["http://localhost:8080", "unix:/run/akvs.sock"] {
        assert!(Client::new(url).is_ok(), "{url}");
    }
    let taken = Client::builder().http_client(own).build();
    assert!(taken.is_ok(), "{taken:?}");
}

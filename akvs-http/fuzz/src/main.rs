//! A program that libFuzzer drives: it gives each input to the reader that `FUZZ_TARGET` names.
//!
//! `cargo xtask fuzz` builds it with the coverage that guides it, and runs it; what must hold is in akvs-http's
//! `fuzzing.rs`.

#![no_main]

use std::sync::LazyLock;

use akvs_http::fuzzing;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fn(&[u8])> =
    LazyLock::new(|| match std::env::var("FUZZ_TARGET").as_deref() {
        Ok("path") => fuzzing::path,
        Ok("query") => fuzzing::query,
        Ok("fields") => fuzzing::fields,
        Ok("body") => fuzzing::body,
        other => panic!("FUZZ_TARGET is path, query, fields or body, not {other:?}"),
    });

fuzz_target!(|input: &[u8]| TARGET(input));

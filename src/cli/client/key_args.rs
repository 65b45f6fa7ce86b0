//! Which key a verb is about.

use std::ffi::OsString;

use clap::Args;

use super::render;
use crate::error::CliError;

/// Which key.
#[derive(Args, Debug)]
pub(super) struct KeyArgs {
    /// The namespace
    #[arg(value_name = "NAMESPACE")]
    pub(super) namespace: String,
    /// The key: any bytes
    #[arg(value_name = "KEY")]
    pub(super) key: OsString,
}

impl KeyArgs {
    pub(super) fn shown(&self) -> String {
        let key = render::text(render::key(&self.key));
        format!("{key:?} in {:?}", self.namespace)
    }

    pub(super) fn missing(&self) -> CliError {
        CliError::failed(format!("there is no key {}", self.shown()))
    }
}

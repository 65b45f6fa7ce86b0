//! The arguments that name a key.

use std::ffi::OsString;

use clap::Args;

use super::render;
use crate::error::CliError;

/// A namespace and a key.
#[derive(Args, Debug)]
pub(super) struct KeyArgs {
    /// Namespace
    #[arg(value_name = "NAMESPACE")]
    pub(super) namespace: String,
    /// Key: any bytes
    #[arg(value_name = "KEY")]
    pub(super) key: OsString,
}

impl KeyArgs {
    pub(super) fn shown(&self) -> String {
        let key = render::text(render::key(&self.key));
        format!("{key:?} in {:?}", self.namespace)
    }

    pub(super) fn missing(&self) -> CliError {
        CliError::failed(format!("no such key: {}", self.shown()))
    }
}

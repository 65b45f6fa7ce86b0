//! The raw paths of requests, and the errors of unknown paths and namespaces.
//!
//! actix's router does not parse the path, because it decodes it to text and would make `%FE` and `%FF` the same key.
//! [`akvs_api::path`] owns the spelling.

use akvs_api::header::MISSING_NAMESPACE;
use akvs_api::problem::MISSING;
use akvs_core::{Code, Error, Namespace, Result};

pub(crate) use akvs_api::base64url::decode as decode_base64;
pub(crate) use akvs_api::path::{KeyPath, decode, no_such_path, parse, parse_namespace};

/// Returns the error of a namespace that does not exist.
pub(crate) fn no_such_namespace() -> Error {
    Error::new(Code::NotFound, "no such namespace").with(MISSING, MISSING_NAMESPACE)
}

/// Parses the namespace of a raw path after this prefix; returns `not_found` if it is missing or another segment follows.
pub(crate) fn namespace_after(prefix: &str, path: &str) -> Result<Namespace> {
    let name = path.strip_prefix(prefix).and_then(parse_namespace);
    let name = name.ok_or_else(|| no_such_path("no such path"))?;
    Namespace::new(name?)
}

//! The raw paths of requests, and the errors of those that do not exist.
//!
//! The path is not read by the router, which decodes it to text and would make `%FE` and `%FF` the same key; how it is
//! spelled is for [`akvs_api::path`].

use akvs_api::header::MISSING_NAMESPACE;
use akvs_api::problem::MISSING;
use akvs_core::{Code, Error, Namespace, Result};

pub(crate) use akvs_api::base64url::decode as decode_base64;
pub(crate) use akvs_api::path::{KeyPath, decode, no_such_path, parse, parse_namespace};

/// The error of a namespace that there is not.
pub(crate) fn no_such_namespace() -> Error {
    Error::new(Code::NotFound, "no such namespace").with(MISSING, MISSING_NAMESPACE)
}

/// The namespace that a raw path names behind this prefix, or the error `not_found` where there is more or nothing.
pub(crate) fn namespace_after(prefix: &str, path: &str) -> Result<Namespace> {
    let name = path.strip_prefix(prefix).and_then(parse_namespace);
    let name = name.ok_or_else(|| no_such_path("no such path"))?;
    Namespace::new(name?)
}

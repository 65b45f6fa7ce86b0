//! Names of query parameters. A name that ends with `64` takes the bytes of the name without it as base64url.

/// What a `POST` does with the value: `add`, `append` or `touch`; without it, the value is stored.
pub const OP: &str = "op";
/// The time to live.
pub const TTL: &str = "ttl";
/// What an import does with existing keys: `merge`, `create` or `replace`.
pub const MODE: &str = "mode";
/// The name of the namespace to drop, repeated.
pub const CONFIRM: &str = "confirm";
/// A key.
pub const KEY: &str = "key";
/// A key as base64url.
pub const KEY64: &str = "key64";
/// The beginning of keys, or of names of namespaces.
pub const PREFIX: &str = "prefix";
/// The beginning of keys as base64url.
pub const PREFIX64: &str = "prefix64";
/// The first key of a range.
pub const START: &str = "start";
/// The first key of a range as base64url.
pub const START64: &str = "start64";
/// The key after the last one of a range.
pub const END: &str = "end";
/// The key after the last one of a range as base64url.
pub const END64: &str = "end64";
/// The bytes at which a list groups keys.
pub const DELIMITER: &str = "delimiter";
/// The bytes at which a list groups keys, as base64url.
pub const DELIMITER64: &str = "delimiter64";
/// Whether a list starts with the last key: `true` or `false`.
pub const REVERSE: &str = "reverse";
/// Whether the answer has the values: `true` or `false`.
pub const VALUES: &str = "values";
/// The maximum number of items of a page.
pub const LIMIT: &str = "limit";
/// Where a page begins: the cursor of the page before it.
pub const CURSOR: &str = "cursor";
/// The revision after which a watch begins.
pub const SINCE: &str = "since";

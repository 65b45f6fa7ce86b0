//! The names of the routes in [`AKVS-Route`](crate::header::ROUTE), by which a client says which route it means.

use crate::path::KEY64 as KEY64_SEGMENT;

/// `/kv/{namespace}/{key}`.
pub const KEY: &str = "key";
/// `/kv/{namespace}/~64/{key64}`.
pub const KEY64: &str = "key64";
/// `/kv/{namespace}`.
pub const NAMESPACE: &str = "namespace";
/// `/kv`.
pub const NAMESPACES: &str = "namespaces";
/// `/settings/{namespace}`.
pub const SETTINGS: &str = "settings";
/// `/get/{namespace}`.
pub const GET: &str = "get";
/// `/txn/{namespace}`.
pub const TXN: &str = "txn";
/// `/watch/{namespace}`.
pub const WATCH: &str = "watch";
/// `/export/{namespace}`.
pub const EXPORT: &str = "export";
/// `/export`.
pub const EXPORT_ALL: &str = "export_all";
/// `/import/{namespace}`.
pub const IMPORT: &str = "import";
/// `/import`.
pub const IMPORT_ALL: &str = "import_all";
/// `/metrics`.
pub const METRICS: &str = "metrics";
/// `/version`.
pub const VERSION: &str = "version";
/// `/whoami`.
pub const WHOAMI: &str = "whoami";
/// `/openapi.json`.
pub const OPENAPI: &str = "openapi";
/// `/ping`.
pub const PING: &str = "ping";
/// `/livez`.
pub const LIVEZ: &str = "livez";
/// `/readyz`.
pub const READYZ: &str = "readyz";
/// `/`.
pub const ROOT: &str = "root";
/// The name of every path that the server does not have.
pub const OTHER: &str = "other";

/// Returns the route of a path below the base URL, with or without a query; none for a path of no route.
///
/// ```
/// assert_eq!(akvs_api::route::from_path("/kv/shop/tea?ttl=1h"), Some("key"));
/// assert_eq!(akvs_api::route::from_path("/kv2/shop"), None);
/// ```
pub fn from_path(path: &str) -> Option<&'static str> {
    let path = path.split('?').next().unwrap_or_default();
    let mut segments = path.split('/').skip(1);
    let first = segments.next()?;
    let rest = (segments.next(), segments.next(), segments.next());
    Some(match (first, rest) {
        ("kv", (None, ..)) => NAMESPACES,
        ("kv", (Some(_), None, _)) => NAMESPACE,
        ("kv", (Some(_), Some(KEY64_SEGMENT), Some(_))) => KEY64,
        ("kv", (Some(_), Some(_), _)) => KEY,
        ("settings", _) => SETTINGS,
        ("get", _) => GET,
        ("txn", _) => TXN,
        ("watch", _) => WATCH,
        ("export", (None, ..)) => EXPORT_ALL,
        ("export", _) => EXPORT,
        ("import", (None, ..)) => IMPORT_ALL,
        ("import", _) => IMPORT,
        ("metrics", _) => METRICS,
        ("version", _) => VERSION,
        ("whoami", _) => WHOAMI,
        ("openapi.json", _) => OPENAPI,
        ("ping", _) => PING,
        ("livez", _) => LIVEZ,
        ("readyz", _) => READYZ,
        ("", (None, ..)) => ROOT,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_route() {
        for (path, name) in [
            ("/kv", Some(NAMESPACES)),
            ("/kv/ns", Some(NAMESPACE)),
            ("/kv/ns?confirm=a/b", Some(NAMESPACE)),
            ("/kv/~64/key", Some(KEY)),
            ("/kv/ns/~64/aw", Some(KEY64)),
            ("/export", Some(EXPORT_ALL)),
            ("/export/ns", Some(EXPORT)),
            ("/import?mode=merge", Some(IMPORT_ALL)),
            ("/txn/ns", Some(TXN)),
            ("/", Some(ROOT)),
            ("/admin/status", None),
            ("//", None),
            ("", None),
        ] {
            assert_eq!(from_path(path), name, "{path}");
        }
    }
}

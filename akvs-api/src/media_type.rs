//! Media types of bodies.

/// JSON documents.
pub const JSON: &str = "application/json";
/// Problem documents (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Changes of settings (JSON merge patch, RFC 7396).
pub const MERGE_PATCH_JSON: &str = "application/merge-patch+json";
/// Exports, imports and snapshots of lists: a JSON object a line.
pub const NDJSON: &str = "application/x-ndjson";
/// Watches: server-sent events.
pub const EVENT_STREAM: &str = "text/event-stream";
/// Texts of the server itself, such as `OK`.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// Values without a type of their own.
pub const OCTET_STREAM: &str = "application/octet-stream";

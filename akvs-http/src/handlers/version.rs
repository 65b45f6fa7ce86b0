//! `GET /version`: the version, the engine and the limits of the server.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::header::X_CONTENT_TYPE_OPTIONS;
use akvs_core::{Key, Namespace, Result, Txn};
use akvs_registry::Registry;
use akvs_server::CommitDurability;
use serde_json::json;

use crate::Options;
use crate::context::Context;
use crate::request::body::Limits;
use crate::request::query;

/// `GET /version`.
pub(crate) async fn serve(context: Context<'_>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(context.state.version.clone()))
}

/// Makes the document, which is the same for as long as the server runs.
pub(crate) fn document(registry: &Registry, options: &Options) -> String {
    let (about, writers) = (options.build_info, registry.options());
    let durability = match writers.durability {
        // Whatever the setting is: nothing is stored.
        _ if !registry.capabilities().durable => "none",
        CommitDurability::Fsync => "fsync",
        CommitDurability::Interval(_) => "interval",
    };
    let values = Limits::for_values(options.max_value_bytes, options.request_timeout);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let document = json!({
        "version": about.version,
        "commit": about.commit,
        "engine": about.engine,
        "durability": durability,
        "limits": {
            "max_key_bytes": Key::MAX_BYTES,
            "max_namespace_bytes": Namespace::MAX_BYTES,
            "max_value_bytes": values.max_bytes(),
            "max_request_bytes": values.for_requests().max_bytes(),
            "max_list_items": query::MAX_LIMIT,
            "max_txn_ops": Txn::MAX_OPS,
            "max_connections": options.max_connections,
            "max_body_memory_bytes": options.max_body_memory_bytes,
            "max_response_memory_bytes": options.max_response_memory_bytes,
            "max_queued_writes": writers.max_queued_writes,
            "max_queued_bytes": writers.max_queued_bytes,
            "header_timeout_ms": millis(options.header_timeout),
            "request_timeout_ms": millis(options.request_timeout),
            "drain_timeout_ms": millis(options.drain_timeout),
        },
    });
    document.to_string()
}

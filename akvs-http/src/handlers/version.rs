//! `GET /version`: the version, the engine and the limits of the server.

use std::time::Duration;

use actix_web::HttpResponse;
use akvs_api::media_type;
use akvs_core::{Key, Namespace, Result, Txn};
use akvs_registry::Registry;

use crate::Options;
use crate::context::Context;
use crate::request::body::Limits;
use crate::request::query;

/// `GET /version`.
pub(crate) async fn serve(context: Context<'_>) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok()
        .content_type(media_type::JSON)
        .body(context.state.version.clone()))
}

/// Returns the document, which is the same for the life of the server.
pub(crate) fn document(registry: &Registry, options: &Options) -> String {
    let (info, executor) = (options.build_info, registry.executor());
    let values = Limits::for_values(options.max_value_bytes, options.request_timeout);
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let number = |number: usize| Some(number as u64);
    let document = akvs_api::Version {
        commit: Some(info.commit.to_string()),
        durability: executor.durability().into_owned(),
        engine: info.engine.to_string(),
        limits: akvs_api::Limits {
            drain_timeout_ms: Some(millis(options.drain_timeout)),
            header_timeout_ms: Some(millis(options.header_timeout)),
            max_body_memory_bytes: number(options.max_body_memory_bytes),
            max_connections: number(options.max_connections),
            max_key_bytes: number(Key::MAX_BYTES),
            max_list_items: number(query::MAX_LIMIT),
            max_namespace_bytes: number(Namespace::MAX_BYTES),
            max_queued_bytes: number(executor.max_queued_bytes()),
            max_queued_writes: number(executor.max_queued_writes()),
            max_request_bytes: number(values.for_requests().max_bytes()),
            max_response_memory_bytes: number(options.max_response_memory_bytes),
            max_txn_ops: number(Txn::MAX_OPS),
            max_value_bytes: number(values.max_bytes()),
            request_timeout_ms: Some(millis(options.request_timeout)),
        },
        version: info.version.to_string(),
    };
    // The derived serializers of these types do not fail.
    serde_json::to_string(&document).unwrap_or_default()
}

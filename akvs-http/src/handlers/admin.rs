//! `/admin/…`: the admin API, over the socket that only the owner of the data can open.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use akvs_core::{Code, Error, Result};
use serde::Serialize;

use crate::admin::{AdminApi, ByteChunks};
use crate::context::Context;
use crate::handlers::list::json;
use crate::request::body::Limits;
use crate::request::path;
use crate::response::chunks::{CHUNK_BYTES, Chunk, Source, Threads, chunks};
use crate::response::memory::ResponseReservation;
use crate::response::problem;
use crate::response::rendering::Rendering;
use crate::state::State;

/// The limits of a log filter, which names some crates with their levels.
pub(crate) const FILTER: Limits = Limits::fixed(8 << 10, Duration::from_secs(5));

/// The status of the server.
#[derive(Serialize)]
struct Status {
    version: &'static str,
    commit: &'static str,
    pid: u32,
    uptime_ms: u64,
    engine: &'static str,
    ready: bool,
    namespaces: u64,
    keys: u64,
    bytes: u64,
    stored_bytes: Option<u64>,
    connections: u64,
    watchers: u64,
    /// The number of requests answered since the start.
    requests: u64,
    /// The time since the start: rates are differences of `requests` and of this between two calls.
    elapsed_us: u64,
}

/// `GET /admin/status`.
pub(crate) async fn status(context: Context<'_>) -> Result<HttpResponse> {
    let state = Arc::clone(context.state);
    let work = move || render_status(&state);
    context.state.registry.blocking(work).await.map(json)
}

fn render_status(state: &State) -> Result<Vec<u8>> {
    let registry = &state.registry;
    let stats = state.metrics.namespace_stats.get(registry)?;
    let requests = state.metrics.requests();
    let elapsed = registry.elapsed();
    let status = Status {
        version: state.build_info.version,
        commit: state.build_info.commit,
        pid: std::process::id(),
        uptime_ms: elapsed.as_millis() as u64,
        engine: state.build_info.engine,
        ready: !state.is_draining() && registry.is_writable(),
        namespaces: stats.namespaces,
        keys: stats.counts.keys,
        bytes: stats.counts.bytes,
        stored_bytes: registry.stored_bytes().ok(),
        connections: state.metrics.connections().count(),
        watchers: registry.stats().watchers,
        requests: requests.answered().map(|(_, count)| count).sum(),
        elapsed_us: elapsed.as_micros() as u64,
    };
    serde_json::to_vec(&status).map_err(|error| {
        Error::new(Code::Storage, "the status could not be serialized").because(error)
    })
}

/// `GET /admin/log`: the log filter as text.
pub(crate) async fn log(context: Context<'_>) -> Result<HttpResponse> {
    Ok(text(StatusCode::OK, admin_api(context.state)?.log()))
}

/// `PUT /admin/log`: replaces the log filter.
pub(crate) async fn set_log(mut context: Context<'_>) -> Result<HttpResponse> {
    let admin = admin_api(context.state)?;
    let (filter, _) = context.receive().await?;
    let refused = |why: String| Error::new(Code::InvalidRequest, why);
    let filter = std::str::from_utf8(&filter);
    let filter = filter.map_err(|_| refused("invalid log filter: expected UTF-8".into()))?;
    admin.set_log(filter.trim()).map_err(refused)?;
    Ok(text(StatusCode::OK, admin.log()))
}

/// `POST /admin/stop`: answers 202, and the server stops.
pub(crate) async fn stop(context: Context<'_>) -> Result<HttpResponse> {
    admin_api(context.state)?.stop();
    Ok(text(StatusCode::ACCEPTED, "stopping"))
}

/// `GET /admin/backup`: a backup of one snapshot.
pub(crate) async fn backup(context: Context<'_>) -> Result<HttpResponse> {
    let media_type = akvs_api::media_type::OCTET_STREAM;
    stream(context.state, media_type, |admin| admin.backup()).await
}

/// `POST /admin/verify`: the faults of the stored data, one per line.
pub(crate) async fn verify(context: Context<'_>) -> Result<HttpResponse> {
    let media_type = akvs_api::media_type::NDJSON;
    stream(context.state, media_type, |admin| admin.verify()).await
}

fn text(status: StatusCode, text: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(problem::TEXT)
        .body(text.into())
}

/// Streams an answer in chunks. If one fails, the stream is cut off, so that the client sees that it is incomplete.
async fn stream(
    state: &State,
    media_type: &'static str,
    make: impl FnOnce(&dyn AdminApi) -> Result<ByteChunks> + Send + 'static,
) -> Result<HttpResponse> {
    let admin = admin_api(state)?;
    let held = state.response_memory.wait(CHUNK_BYTES).await;
    let source = state.registry.waiting(move || make(&*admin)).await?;
    let how = ("an answer to the owner", Threads::Waiting);
    Ok(HttpResponse::Ok()
        .content_type(media_type)
        .streaming(chunks(
            state.streams(),
            how,
            None,
            (ChunkSource(source), held),
        )))
}

/// The chunks of an answer of the admin API, as a source.
struct ChunkSource(ByteChunks);

impl Source for ChunkSource {
    fn next_chunk(&mut self, _: &mut ResponseReservation) -> Result<Chunk> {
        Ok(match self.0.next().transpose()? {
            Some(chunk) => Chunk::More(Rendering::from(chunk)),
            None => Chunk::Last(Rendering::default()),
        })
    }
}

/// Returns the operations, or the error `not_found` if the program has none.
fn admin_api(state: &State) -> Result<Arc<dyn AdminApi>> {
    let admin = state.admin.clone();
    admin.ok_or_else(|| path::no_such_path("no such path"))
}

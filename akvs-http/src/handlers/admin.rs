//! `/admin/…`: the admin API, over the socket that only the owner of the data may open.

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
use crate::response::chunks::{Chunk, PIECE_BYTES, Source, Threads, chunks};
use crate::response::memory::ResponseReservation;
use crate::response::problem;
use crate::response::rendering::Rendering;
use crate::state::State;

/// A filter names some crates, each with its level.
pub(crate) const FILTER: Limits = Limits::fixed(8 << 10, Duration::from_secs(5));

/// How the server is.
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
    /// All that were answered since the start.
    requests: u64,
    /// From when to when they were counted differs from call to call by this.
    elapsed_us: u64,
}

/// `GET /admin/status`.
pub(crate) async fn status(context: Context<'_>) -> Result<HttpResponse> {
    let state = Arc::clone(context.state);
    let work = move || now(&state);
    context.state.registry.blocking(work).await.map(json)
}

fn now(state: &State) -> Result<Vec<u8>> {
    let registry = &state.registry;
    let census = state.metrics.census.get(registry)?;
    let requests = state.metrics.requests();
    let elapsed = registry.elapsed();
    let status = Status {
        version: state.build_info.version,
        commit: state.build_info.commit,
        pid: std::process::id(),
        uptime_ms: elapsed.as_millis() as u64,
        engine: state.build_info.engine,
        ready: !state.is_draining() && registry.is_writable(),
        namespaces: census.namespaces,
        keys: census.counts.keys,
        bytes: census.counts.bytes,
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

/// `GET /admin/log`: what is logged, as text.
pub(crate) async fn log(context: Context<'_>) -> Result<HttpResponse> {
    Ok(text(StatusCode::OK, admin_api(context.state)?.log()))
}

/// `PUT /admin/log`: changes what is logged.
pub(crate) async fn set_log(mut context: Context<'_>) -> Result<HttpResponse> {
    let admin = admin_api(context.state)?;
    let (filter, _) = context.receive().await?;
    let refused = |why: String| Error::new(Code::InvalidRequest, why);
    let filter = std::str::from_utf8(&filter);
    let filter = filter.map_err(|_| refused("invalid log filter: expected UTF-8".into()))?;
    admin.set_log(filter.trim()).map_err(refused)?;
    Ok(text(StatusCode::OK, admin.log()))
}

/// `POST /admin/stop`: 202, and then the end begins.
pub(crate) async fn stop(context: Context<'_>) -> Result<HttpResponse> {
    admin_api(context.state)?.stop();
    Ok(text(StatusCode::ACCEPTED, "stopping"))
}

/// `GET /admin/backup`: a backup, as it is read from one snapshot.
pub(crate) async fn backup(context: Context<'_>) -> Result<HttpResponse> {
    let media_type = akvs_api::media_type::OCTET_STREAM;
    parts(context.state, media_type, |admin| admin.backup()).await
}

/// `POST /admin/verify`: what is wrong with the data, a line each.
pub(crate) async fn verify(context: Context<'_>) -> Result<HttpResponse> {
    let media_type = akvs_api::media_type::NDJSON;
    parts(context.state, media_type, |admin| admin.verify()).await
}

fn text(status: StatusCode, text: impl Into<String>) -> HttpResponse {
    HttpResponse::build(status)
        .content_type(problem::TEXT)
        .body(text.into())
}

/// An answer in parts. If one fails, the stream is cut off, so that the client sees that it is incomplete.
async fn parts(
    state: &State,
    media_type: &'static str,
    make: impl FnOnce(&dyn AdminApi) -> Result<ByteChunks> + Send + 'static,
) -> Result<HttpResponse> {
    let admin = admin_api(state)?;
    let held = state.response_memory.wait(PIECE_BYTES).await;
    let parts = state.registry.waiting(move || make(&*admin)).await?;
    let how = ("an answer to the owner", Threads::Waiting);
    Ok(HttpResponse::Ok()
        .content_type(media_type)
        .streaming(chunks(
            state.streams(),
            how,
            None,
            (ChunkSource(parts), held),
        )))
}

/// Parts of an answer, told one by one.
struct ChunkSource(ByteChunks);

impl Source for ChunkSource {
    fn piece(&mut self, _: &mut ResponseReservation) -> Result<Chunk> {
        Ok(match self.0.next().transpose()? {
            Some(part) => Chunk::More(Rendering::from(part)),
            None => Chunk::Last(Rendering::default()),
        })
    }
}

/// Returns the operations, or the error `not_found` if the program has none.
fn admin_api(state: &State) -> Result<Arc<dyn AdminApi>> {
    let admin = state.admin.clone();
    admin.ok_or_else(|| path::no_such_path("no such path"))
}

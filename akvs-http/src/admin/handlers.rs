//! `/admin/…`: what whoever owns the data may ask, over the socket that only they may open.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::{Code, Error, Result};
use serde::Serialize;

use crate::admin::{AdminApi, ByteChunks};
use crate::handlers::list::json;
use crate::request::body;
use crate::request::body::Limits;
use crate::request::path;
use crate::response::chunks::{Chunk, PIECE_BYTES, Source, Threads, chunks};
use crate::response::memory::ResponseReservation;
use crate::response::problem;
use crate::response::rendering::Rendering;
use crate::state::State;

const GET: &str = "GET, HEAD, OPTIONS";
const GET_PUT: &str = "GET, HEAD, PUT, OPTIONS";
const POST: &str = "POST, OPTIONS";
/// A filter names some crates, each with its level.
const FILTER: Limits = Limits::fixed(8 << 10, Duration::from_secs(5));

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
pub(crate) async fn status(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    body::discard(&request, &mut payload).await;
    if !is_read(&request) {
        return problem::method_not_allowed(&request, GET);
    }
    let registry = state.registry.clone();
    let answer = registry.blocking(move || now(&state)).await.map(json);
    answer.unwrap_or_else(|error| problem::respond(&request, &error))
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
    serde_json::to_vec(&status)
        .map_err(|error| Error::new(Code::Storage, "the status cannot be written").because(error))
}

/// `GET /admin/log` and `PUT /admin/log`: what is logged, as text.
pub(crate) async fn log(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    let changed = match *request.method() {
        Method::PUT => change_log(&request, &mut payload, &state).await,
        Method::GET | Method::HEAD => {
            body::discard(&request, &mut payload).await;
            Ok(())
        }
        _ => {
            body::discard(&request, &mut payload).await;
            return problem::method_not_allowed(&request, GET_PUT);
        }
    };
    match changed.and_then(|()| operator(&request, &state)) {
        Ok(operator) => HttpResponse::Ok()
            .content_type(problem::TEXT)
            .body(operator.log()),
        Err(error) => problem::respond(&request, &error),
    }
}

async fn change_log(
    request: &HttpRequest,
    payload: &mut web::Payload,
    state: &State,
) -> Result<()> {
    let operator = match operator(request, state) {
        Ok(operator) => operator,
        Err(error) => {
            body::discard(request, payload).await;
            return Err(error);
        }
    };
    let filter = body::receive(request, payload, &FILTER, &state.body_memory).await?;
    let refused = |why: String| Error::new(Code::InvalidRequest, why);
    let filter = std::str::from_utf8(&filter);
    let filter = filter.map_err(|_| refused("a log filter is UTF-8".into()))?;
    operator.set_log(filter.trim()).map_err(refused)
}

/// `POST /admin/stop`: 202, and then the end begins.
pub(crate) async fn stop(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    body::discard(&request, &mut payload).await;
    if request.method() != Method::POST {
        return problem::method_not_allowed(&request, POST);
    }
    match operator(&request, &state) {
        Ok(operator) => {
            operator.stop();
            HttpResponse::build(StatusCode::ACCEPTED)
                .content_type(problem::TEXT)
                .body("stopping")
        }
        Err(error) => problem::respond(&request, &error),
    }
}

/// `GET /admin/backup`: a backup, as it is read from one snapshot.
pub(crate) async fn backup(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    body::discard(&request, &mut payload).await;
    if *request.method() != Method::GET {
        return problem::method_not_allowed(&request, "GET, OPTIONS");
    }
    let media_type = "application/octet-stream";
    parts(&request, &state, media_type, |operator| operator.backup()).await
}

/// `POST /admin/verify`: what is wrong with the data, a line each.
pub(crate) async fn verify(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<State>,
) -> HttpResponse {
    body::discard(&request, &mut payload).await;
    if *request.method() != Method::POST {
        return problem::method_not_allowed(&request, POST);
    }
    let media_type = "application/x-ndjson";
    parts(&request, &state, media_type, |operator| operator.verify()).await
}

/// An answer in parts. Where one fails, the stream is cut off, so that nobody takes it for whole.
async fn parts(
    request: &HttpRequest,
    state: &State,
    media_type: &'static str,
    make: impl FnOnce(&dyn AdminApi) -> Result<ByteChunks> + Send + 'static,
) -> HttpResponse {
    let made = async {
        let operator = operator(request, state)?;
        let held = state.response_memory.wait(PIECE_BYTES).await;
        let parts = state.registry.waiting(move || make(&*operator)).await?;
        Ok((Told(parts), held))
    };
    let how = ("an answer to the owner", Threads::Waiting);
    match made.await {
        Ok(told) => HttpResponse::Ok()
            .content_type(media_type)
            .streaming(chunks(state, how, None, told)),
        Err(error) => problem::respond(request, &error),
    }
}

/// Parts of an answer, told one by one.
struct Told(ByteChunks);

impl Source for Told {
    fn piece(&mut self, _: &mut ResponseReservation) -> Result<Chunk> {
        Ok(match self.0.next().transpose()? {
            Some(part) => Chunk::More(Rendering::from(part)),
            None => Chunk::Last(Rendering::default()),
        })
    }
}

fn is_read(request: &HttpRequest) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// Who does it; another site's page asks them for nothing, also where the socket is handed on to a port.
fn operator(request: &HttpRequest, state: &State) -> Result<Arc<dyn AdminApi>> {
    state.admit(request)?;
    let operator = state.admin.clone();
    operator.ok_or_else(|| path::no_such_path("there is no such path"))
}

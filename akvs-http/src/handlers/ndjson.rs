//! A whole list as NDJSON: one item per line, from one snapshot.
//!
//! A chunk is read after the client has received the chunk before it: the list is never in memory as a whole, and writers
//! do not wait for it. An error cuts the stream off, so that a client sees that it is incomplete.

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::http::Method;

use actix_web::HttpResponse;
use akvs_api::ValueForm;
use akvs_api::media_type::NDJSON;
use akvs_core::engine::PageLimit;
use akvs_core::{Namespace, NamespaceSnapshot, Result};
use akvs_registry::Registry;
use bytes::Bytes;
use futures_util::stream;

use super::list::{self, Range};
use crate::auth::StreamAuthorization;
use crate::request::message::Request;
use crate::request::query::ListParams;
use crate::response::chunks::{CHUNK_BYTES, Chunk, SNAPSHOT_TIME, Source, Threads, chunks};
use crate::response::memory::ResponseReservation;
use crate::response::rendering::Rendering;
use crate::state::State;

/// The limit of one read.
const PAGE: PageLimit = PageLimit {
    rows: 512,
    bytes: 128 << 10,
};

/// Answers with all items of the range.
pub(super) async fn answer(
    request: &Request,
    state: &State,
    authorization: StreamAuthorization,
    name: Namespace,
    params: &ListParams,
) -> Result<HttpResponse> {
    params.check_stream()?;
    let registry = state.registry.clone();
    let range = Range::new(params);
    // Before any work, so that an overloaded server answers at once.
    let held = state.response_memory.hold(CHUNK_BYTES)?;
    let snapshot = state
        .registry
        .blocking(move || Ok((list::snapshot(&registry, &name)?, registry)));
    let (snapshot, registry) = snapshot.await?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(NDJSON)
        .insert_header(("vary", "accept"));
    Ok(match *request.method() {
        // Of unknown length, as a GET is.
        Method::HEAD => {
            response.streaming(stream::empty::<std::result::Result<Bytes, Infallible>>())
        }
        _ => {
            let reader = Reader {
                registry,
                authorization,
                snapshot: Arc::new(snapshot),
                range,
                values: params.values,
            };
            let how = ("a list", Threads::Long);
            let lines = chunks(state.streams(), how, Some(SNAPSHOT_TIME), (reader, held));
            response.streaming(lines)
        }
    })
}

/// The reader of a list, with the rest of its range.
struct Reader {
    registry: Registry,
    authorization: StreamAuthorization,
    snapshot: Arc<NamespaceSnapshot>,
    range: Range,
    values: bool,
}

impl Source for Reader {
    fn next_chunk(&mut self, held: &mut ResponseReservation) -> Result<Chunk> {
        self.authorization.check(|| self.registry.now())?;
        let now = self.registry.now();
        let page = self.range.read(&self.snapshot, self.values, PAGE, now)?;
        let needed = CHUNK_BYTES + page.read_bytes;
        if held.grow(needed).is_err() {
            return Ok(Chunk::Needs(needed));
        }
        let mut lines = Rendering::default();
        for (key, peeked) in &page.entries {
            let (entry, size) = (&peeked.entry, peeked.value_bytes() as u64);
            let form = self.values.then(|| ValueForm::new(&entry.value));
            lines.item(key, entry, size, form);
            lines.push(b"\n");
        }
        held.shrink(CHUNK_BYTES.max(lines.held_bytes()));
        Ok(match page.next {
            Some(next) => {
                self.range.advance(next);
                Chunk::More(lines)
            }
            None => Chunk::Last(lines),
        })
    }
}

//! A whole list as NDJSON, one item per line, from one snapshot.
//!
//! The next chunk is read once the client has taken the one before: the list is never in memory as a whole, and writers
//! do not wait for it. An error cuts the stream off, so that a client notices that it is not complete.

use std::convert::Infallible;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, Accept, Header, Quality};
use actix_web::{HttpRequest, HttpResponse};
use akvs_api::ValueForm;
use akvs_api::media_type::{self, NDJSON};
use akvs_core::engine::PageLimit;
use akvs_core::{Namespace, NamespaceSnapshot, Result};
use akvs_registry::Registry;
use bytes::Bytes;
use futures_util::stream;

use super::list::{self, Range};
use crate::auth::StreamAuthorization;
use crate::request::query::ListParams;
use crate::response::chunks::{Chunk, PIECE_BYTES, SNAPSHOT_TIME, Source, Threads, chunks};
use crate::response::memory::ResponseReservation;
use crate::response::rendering::Rendering;
use crate::state::State;

/// What is read at once.
const PAGE: PageLimit = PageLimit {
    rows: 512,
    bytes: 128 << 10,
};

/// Whether the client asks for lines, and does not like a document better.
pub(super) fn is_wanted(request: &HttpRequest) -> bool {
    if !request.headers().contains_key(ACCEPT) {
        return false;
    }
    let Ok(accept) = Accept::parse(request) else {
        return false;
    };
    let quality = |name: &str| {
        let listed = accept
            .iter()
            .filter(|range| range.item.essence_str() == name);
        listed.map(|range| range.quality).max()
    };
    let lines = quality(NDJSON).filter(|quality| *quality > Quality::ZERO);
    lines.is_some() && lines >= quality(media_type::JSON)
}

/// The answer: all that is in the range.
pub(super) async fn answer(
    request: &HttpRequest,
    state: &State,
    authorization: StreamAuthorization,
    name: Namespace,
    params: &ListParams,
) -> Result<HttpResponse> {
    params.check_stream()?;
    let registry = state.registry.clone();
    let range = Range::new(params);
    // Before any work is done.
    let held = state.response_memory.hold(PIECE_BYTES)?;
    let view = state
        .registry
        .blocking(move || Ok((list::view(&registry, &name)?, registry)));
    let (view, registry) = view.await?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(NDJSON)
        .insert_header(("x-content-type-options", "nosniff"))
        .insert_header(("vary", "accept"));
    Ok(match *request.method() {
        // Of no known length, as a GET is.
        Method::HEAD => {
            response.streaming(stream::empty::<std::result::Result<Bytes, Infallible>>())
        }
        _ => {
            let reader = Reader {
                registry,
                authorization,
                view: Arc::new(view),
                range,
                values: params.values,
            };
            let how = ("a list", Threads::Long);
            let lines = chunks(state.streams(), how, Some(SNAPSHOT_TIME), (reader, held));
            response.streaming(lines)
        }
    })
}

/// How far the list has been read.
struct Reader {
    registry: Registry,
    authorization: StreamAuthorization,
    view: Arc<NamespaceSnapshot>,
    range: Range,
    values: bool,
}

impl Source for Reader {
    /// The next lines.
    fn piece(&mut self, held: &mut ResponseReservation) -> Result<Chunk> {
        self.authorization.check(|| self.registry.now())?;
        let page = self.range.read(&self.view, PAGE, self.registry.now())?;
        let needed = PIECE_BYTES + page.read_bytes;
        if held.grow(needed).is_err() {
            return Ok(Chunk::Needs(needed));
        }
        let mut lines = Rendering::default();
        for (key, entry) in &page.entries {
            let size = entry.value.len() as u64;
            let form = self.values.then(|| ValueForm::new(&entry.value));
            lines.item(key, entry, size, form);
            lines.push(b"\n");
        }
        held.shrink(PIECE_BYTES.max(lines.held_bytes()));
        Ok(match page.next {
            Some(next) => {
                self.range.advance(next);
                Chunk::More(lines)
            }
            None => Chunk::Last(lines),
        })
    }
}

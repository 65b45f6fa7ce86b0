//! The whole of a list, an item a line, from one snapshot.
//!
//! It reads a little, sends it, and reads on when that is taken: neither is the list ever in memory, nor does anybody
//! who writes wait for it. What fails on the way cuts the stream off, so that nobody takes a part for the whole.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::http::header::{ACCEPT, Accept, Header, Quality};
use actix_web::{HttpRequest, HttpResponse};
use akvs_core::engine::Limit;
use akvs_core::{Code, Error, Namespace, Result, View};
use akvs_registry::Registry;
use bytes::Bytes;
use futures_util::{Stream, stream};
use tokio::time::Instant;

use super::list::{self, Range};
use crate::app::State;
use crate::auth::Permit;
use crate::item::Item;
use crate::params::ListParams;

/// The media type.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// What is read at once.
const PAGE: Limit = Limit {
    rows: 512,
    bytes: 128 << 10,
};
/// A snapshot is held for so long at the most: it keeps the space of what is replaced meanwhile.
const MAX_TIME: Duration = Duration::from_secs(3_600);

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
    lines.is_some() && lines >= quality("application/json")
}

/// The answer: all that is in the range.
pub(super) async fn answer(
    request: &HttpRequest,
    state: &State,
    permit: Permit,
    name: Namespace,
    params: &ListParams,
) -> Result<HttpResponse> {
    params.check_stream()?;
    let registry = state.registry.clone();
    let range = Range::new(params);
    let (view, registry) = list::blocking(move || {
        let view = list::view(&registry, &name)?;
        Ok((view, registry))
    })
    .await?;
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
        _ => response.streaming(lines(Reader {
            registry,
            permit,
            view: Arc::new(view),
            range,
            values: params.values,
        })),
    })
}

/// How far the list has been read.
struct Reader {
    registry: Registry,
    permit: Permit,
    view: Arc<View>,
    range: Range,
    values: bool,
}

fn lines(reader: Reader) -> impl Stream<Item = Result<Bytes>> {
    let until = Instant::now() + MAX_TIME;
    stream::try_unfold(Some(reader), move |reader| async move {
        let Some(reader) = reader else {
            return Ok(None);
        };
        let page = match Instant::now() < until {
            true => list::blocking(move || reader.page()).await,
            false => Err(Error::new(Code::Overloaded, "the list was read too slowly")),
        };
        page.map(Some)
            .inspect_err(|error| log::error!("a list ends early: {error}"))
    })
}

impl Reader {
    /// The next lines, and where to go on.
    fn page(mut self) -> Result<(Bytes, Option<Reader>)> {
        // An empty chunk would be none; and some pages have only what is expired.
        let mut text = Vec::new();
        self.permit.check(|| self.registry.now())?;
        while text.is_empty() {
            let page = self.range.read(&self.view, PAGE, self.registry.now())?;
            for (key, entry) in &page.entries {
                let size = entry.value.len() as u64;
                let item = Item::new(key, entry, size, self.values);
                // Neither can a vector refuse bytes, nor does an item refuse to be told.
                let _ = serde_json::to_writer(&mut text, &item);
                text.push(b'\n');
            }
            match page.next {
                Some(next) => self.range.go_on(next),
                None => return Ok((text.into(), None)),
            }
        }
        Ok((text.into(), Some(self)))
    }
}

//! `GET /kv/{namespace}`: the keys of a namespace, page by page.
//!
//! A page comes from one snapshot, and ends at a maximum of items, of bytes, or of bytes read. Invariant: the cursor
//! continues with exactly what is left of the range, so that no key is listed twice.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, VARY};
use akvs_api::{KeyList, Prefix, ValueForm, media_type};
use akvs_core::engine::{KeyRange, PageLimit};
use akvs_core::{Entry, Key, Namespace, NamespaceSnapshot, Result, Timestamp};
use akvs_registry::Registry;
use bytes::Bytes;
use serde::Serialize;

use super::ndjson;
use crate::auth::Resource;
use crate::context::Context;
use crate::request::cursor;
use crate::request::cursor::{Kind, Listing};
use crate::request::path;
use crate::request::query;
use crate::request::query::ListParams;
use crate::response::memory::{ResponseReservation, SMALL_BYTES};
use crate::response::rendering::{RenderedBody, Rendering, around_items};

/// A page ends once its keys and values have so many bytes, as they are told.
const PAGE_BYTES: usize = 1 << 20;
/// The memory that a page is expected to take, until it is known.
const HELD_BYTES: usize = 256 << 10;
/// So much is read for a page: what is expired, or not told, costs time too.
const READ_BYTES: usize = 16 << 20;
/// So many rows are looked at before a group is skipped whose end is not in sight, and of a small page.
const FEW_ROWS: usize = 32;

/// A page of a list.
#[derive(Default)]
struct Page {
    items: Rendering,
    count: usize,
    prefixes: Vec<Bytes>,
    bytes: u64,
}

/// What is still to be listed.
#[derive(Clone)]
pub(super) struct Range {
    start: Bytes,
    end: Option<Bytes>,
    reverse: bool,
}

/// `GET /kv/{namespace}`.
pub(crate) async fn serve(context: Context<'_, Namespace>) -> Result<HttpResponse> {
    let params = query::parse_list(context.request.query_string())?;
    let resource = match params.prefix.is_empty() {
        true => Resource::All(context.path.clone()),
        false => Resource::Prefix(context.path.clone(), params.prefix.clone()),
    };
    let authorization = context.authorization(resource)?;
    let Context {
        request,
        state,
        path: name,
        ..
    } = context;
    if ndjson::is_wanted(request) {
        return ndjson::answer(request, state, authorization, name, &params).await;
    }
    let registry = state.registry.clone();
    // Before any work is done.
    let mut held = state.response_memory.hold(HELD_BYTES)?;
    let work = move || {
        let document = page(&registry, &name, &params)?;
        held.grow(document.held_bytes())?;
        held.shrink(document.held_bytes());
        Ok((document, held))
    };
    let (document, held) = state.registry.blocking(work).await?;
    let mut response = rendered(document, held);
    let vary = HeaderValue::from_static("accept");
    response.headers_mut().insert(VARY, vary);
    Ok(response)
}

/// The view of a namespace that there is.
pub(super) fn view(registry: &Registry, name: &Namespace) -> Result<NamespaceSnapshot> {
    let view = registry.namespace_snapshot(name)?;
    if !view.exists() {
        return Err(path::no_such_namespace());
    }
    Ok(view)
}

/// The response with a JSON document.
pub(crate) fn json(body: impl Into<Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(media_type::JSON)
        .insert_header(("x-content-type-options", "nosniff"))
        .body(body.into())
}

/// Returns the response with a document as JSON.
pub(crate) fn document(document: &impl Serialize) -> HttpResponse {
    // The documents of the API can always be written.
    json(serde_json::to_vec(document).unwrap_or_default())
}

/// The response with a JSON document that is rendered as it is sent.
pub(super) fn rendered(document: Rendering, held: ResponseReservation) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .content_type(media_type::JSON)
        .insert_header(("x-content-type-options", "nosniff"));
    match document.length() <= SMALL_BYTES as u64 {
        true => response.body(document.into_vec()),
        false => response.body(RenderedBody::new(document, held)),
    }
}

fn page(registry: &Registry, name: &Namespace, params: &ListParams) -> Result<Rendering> {
    let mut range = Range::new(params);
    let listing = listing(name, params);
    if let Some(cursor) = &params.cursor {
        range.resume(listing.position(cursor)?)?;
    }
    let view = view(registry, name)?;
    let mut page = Page::default();
    let is_end = page.gather(&view, &mut range, params, registry.now())?;
    let prefixes = page.prefixes.iter();
    let (head, tail) = around_items(&KeyList {
        namespace: name.as_str().into(),
        revision: view.revision().get(),
        items: Vec::new(),
        prefixes: prefixes.map(|bytes| Prefix::new(bytes)).collect(),
        cursor: match is_end {
            true => None,
            false => range.position().map(|position| listing.cursor(position)),
        },
    });
    let mut document = Rendering::default();
    document.push(&head);
    document.append(&page.items);
    document.push(&tail);
    Ok(document)
}

/// What a cursor of this list is bound to.
fn listing(name: &Namespace, params: &ListParams) -> Listing {
    let kind = match params.reverse {
        false => Kind::Keys,
        true => Kind::KeysBack,
    };
    let parameters = [
        Some(name.as_str().as_bytes()),
        Some(&params.prefix[..]),
        Some(&params.start[..]),
        params.end.as_deref(),
        params.delimiter.as_deref(),
    ];
    Listing::new(kind, &parameters)
}

impl Page {
    /// Fills the page, and takes from the range what was told or has expired; whether that was all.
    fn gather(
        &mut self,
        view: &NamespaceSnapshot,
        range: &mut Range,
        params: &ListParams,
        now: Timestamp,
    ) -> Result<bool> {
        let mut read_bytes = 0;
        while !range.is_empty() {
            let left = params.limit() - self.len();
            let limit = PageLimit {
                rows: match params.delimiter {
                    Some(_) => FEW_ROWS,
                    // One more, to see whether this is the end.
                    None => FEW_ROWS.max(left + 1),
                },
                bytes: PAGE_BYTES,
            };
            let found = range.read(view, limit, now)?;
            for (key, entry) in found.entries {
                // Of a group that is told already.
                if !range.contains(key.as_bytes()) {
                    continue;
                }
                if !self.push_entry(&key, &entry, range, params) {
                    return Ok(false);
                }
            }
            match found.next {
                Some(next) => range.advance(next),
                None => return Ok(true),
            }
            read_bytes += found.read_bytes;
            if (left == 0 || read_bytes >= READ_BYTES) && !range.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes an entry, or the group that it is in, if there is room for it.
    fn push_entry(
        &mut self,
        key: &Key,
        entry: &Entry,
        range: &mut Range,
        params: &ListParams,
    ) -> bool {
        let group = group(key.as_bytes(), params);
        let form = params.values.then(|| ValueForm::new(&entry.value));
        let bytes = match group {
            Some(group) => group.len() as u64,
            None => key.as_bytes().len() as u64 + form.map_or(0, ValueForm::length),
        };
        let is_full = self.len() >= params.limit() || self.bytes + bytes > PAGE_BYTES as u64;
        if is_full && self.len() > 0 {
            return false;
        }
        self.bytes += bytes;
        if let Some(group) = group {
            let group = Bytes::copy_from_slice(group);
            range.skip_group(&group);
            self.prefixes.push(group);
            return true;
        }
        range.advance_past(key.as_bytes());
        if self.count > 0 {
            self.items.push(b",");
        }
        self.items.item(key, entry, entry.value.len() as u64, form);
        self.count += 1;
        true
    }

    fn len(&self) -> usize {
        self.count + self.prefixes.len()
    }
}

/// The prefix and what follows it up to the delimiter, if that is there.
fn group<'a>(key: &'a [u8], params: &ListParams) -> Option<&'a [u8]> {
    let delimiter = params.delimiter.as_deref()?;
    let prefix = params.prefix.len();
    let rest = key.get(prefix..)?;
    let at = rest
        .windows(delimiter.len())
        .position(|window| window == delimiter)?;
    key.get(..prefix + at + delimiter.len())
}

impl Range {
    pub(super) fn new(params: &ListParams) -> Range {
        let prefix = KeyRange::prefix(params.prefix.clone());
        let end = match (prefix.end, params.end.clone()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Range {
            start: prefix.start.max(params.start.clone()),
            end,
            reverse: params.reverse,
        }
    }

    /// The next entries of it, in its direction.
    pub(super) fn read(
        &self,
        view: &NamespaceSnapshot,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<akvs_core::Entries> {
        let end = self.end.as_deref();
        match self.reverse {
            false => view.entries(&self.start, end, limit, now),
            true => view.entries_back(&self.start, end, limit, now),
        }
    }

    /// Goes on where the next page begins, unless it is further already.
    pub(super) fn advance(&mut self, next: Bytes) {
        if !self.reverse {
            self.start = next.max(std::mem::take(&mut self.start));
        } else if self.end.as_ref().is_none_or(|end| next < *end) {
            self.end = Some(next);
        }
    }

    fn advance_past(&mut self, key: &[u8]) {
        self.advance(match self.reverse {
            // The least key that is greater.
            false => [key, &[0]].concat().into(),
            true => Bytes::copy_from_slice(key),
        });
    }

    fn skip_group(&mut self, group: &Bytes) {
        match (self.reverse, KeyRange::prefix(group.clone()).end) {
            (true, _) => self.advance(group.clone()),
            (false, Some(behind)) => self.advance(behind),
            // There is no key behind.
            (false, None) => self.end = Some(self.start.clone()),
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        *key >= self.start[..] && self.end.as_ref().is_none_or(|end| *key < end[..])
    }

    fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// What a cursor has to say to come back to this range.
    fn position(&self) -> Option<&[u8]> {
        match self.reverse {
            false => Some(&self.start),
            true => self.end.as_deref(),
        }
    }

    /// Goes on where a cursor says.
    fn resume(&mut self, position: Bytes) -> Result<()> {
        let is_within =
            position >= self.start && self.end.as_ref().is_none_or(|end| position <= *end);
        if !is_within {
            return Err(cursor::malformed());
        }
        self.advance(position);
        Ok(())
    }
}

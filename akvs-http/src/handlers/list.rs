//! `GET /kv/{namespace}`: the keys of a namespace, page by page.
//!
//! A page comes from one snapshot, and ends at a maximum of items, of bytes, or of bytes read. Invariant: the cursor
//! continues with exactly what is left of the range, so that no key is listed twice.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderValue, VARY};
use akvs_api::{KeyList, Prefix, ValueForm, media_type};
use akvs_core::engine::{KeyRange, PageLimit};
use akvs_core::{Key, Namespace, NamespaceSnapshot, PeekedEntry, Result, Timestamp};
use akvs_registry::Registry;
use bytes::Bytes;
use serde::Serialize;

use super::ndjson;
use crate::auth::Resource;
use crate::context::Context;
use crate::request::cursor;
use crate::request::cursor::{Kind, Listing};
use crate::request::negotiate;
use crate::request::path;
use crate::request::query;
use crate::request::query::ListParams;
use crate::response::memory::{ResponseReservation, SMALL_BYTES};
use crate::response::rendering::{RenderedBody, Rendering, around_items};

/// The maximum bytes of the keys and values of a page, in their form in JSON.
const PAGE_BYTES: usize = 1 << 20;
/// The memory that is reserved for a page before its size is known.
const HELD_BYTES: usize = 256 << 10;
/// The maximum bytes that are read for a page, including expired keys and keys that are in a group.
const READ_BYTES: usize = 16 << 20;
/// The number of rows that are read at least at once. With a delimiter, a larger group is skipped by a new read.
const FEW_ROWS: usize = 32;

/// A page of a list.
#[derive(Default)]
struct Page {
    items: Rendering,
    count: usize,
    prefixes: Vec<Bytes>,
    bytes: u64,
}

/// The rest of a list.
#[derive(Clone)]
pub(super) struct Range {
    start: Bytes,
    end: Option<Bytes>,
    reverse: bool,
}

/// `GET /kv/{namespace}`.
pub(crate) async fn serve(context: Context<'_, Namespace>) -> Result<HttpResponse> {
    let params = query::parse_list(context.request.query_string())?;
    let resource = if params.prefix.is_empty() {
        Resource::All(context.path.clone())
    } else {
        Resource::Prefix(context.path.clone(), params.prefix.clone())
    };
    let authorization = context.authorization(resource)?;
    let Context {
        request,
        state,
        path: name,
        ..
    } = context;
    if negotiate::prefers_ndjson(request) {
        return ndjson::answer(request, state, authorization, name, &params).await;
    }
    let registry = state.registry.clone();
    // Before any work, so that an overloaded server answers at once.
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

/// Returns the snapshot of a namespace, or `not_found` if it does not exist.
pub(super) fn snapshot(registry: &Registry, name: &Namespace) -> Result<NamespaceSnapshot> {
    let snapshot = registry.namespace_snapshot(name)?;
    if !snapshot.exists() {
        return Err(path::no_such_namespace());
    }
    Ok(snapshot)
}

/// Returns the response with a text that is a JSON document.
pub(crate) fn json(body: impl Into<Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(media_type::JSON)
        .body(body.into())
}

/// Returns the response with a document as JSON.
pub(crate) fn document(document: &impl Serialize) -> HttpResponse {
    // The derived serializers of these types do not fail.
    json(serde_json::to_vec(document).unwrap_or_default())
}

/// Returns the response with a JSON document that is rendered while it is sent.
pub(super) fn rendered(document: Rendering, held: ResponseReservation) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type(media_type::JSON);
    if document.length() <= SMALL_BYTES as u64 {
        response.body(document.into_vec())
    } else {
        response.body(RenderedBody::new(document, held))
    }
}

fn page(registry: &Registry, name: &Namespace, params: &ListParams) -> Result<Rendering> {
    let mut range = Range::new(params);
    let listing = listing(name, params);
    if let Some(cursor) = &params.cursor {
        range.resume(listing.position(cursor)?)?;
    }
    let snapshot = snapshot(registry, name)?;
    let mut page = Page::default();
    let is_end = page.gather(&snapshot, &mut range, params, registry.now())?;
    let prefixes = page.prefixes.iter();
    let (head, tail) = around_items(&KeyList {
        namespace: name.as_str().into(),
        revision: snapshot.revision().get(),
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

/// Returns the kind and the parameters that the cursors of this list are bound to.
fn listing(name: &Namespace, params: &ListParams) -> Listing {
    let kind = if params.reverse {
        Kind::KeysBack
    } else {
        Kind::Keys
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
    /// Fills the page, and removes from the range what was listed or has expired. Returns whether the range is exhausted.
    fn gather(
        &mut self,
        snapshot: &NamespaceSnapshot,
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
                    // One more row shows whether this is the last page.
                    None => FEW_ROWS.max(left + 1),
                },
                bytes: PAGE_BYTES,
            };
            let found = range.read(snapshot, params.values, limit, now)?;
            for (key, peeked) in found.entries {
                // The entry is in a group that is listed already.
                if !range.contains(key.as_bytes()) {
                    continue;
                }
                if !self.push_entry(&key, &peeked, range, params) {
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

    /// Adds an entry, or the group that it is in; returns false if the page is full.
    fn push_entry(
        &mut self,
        key: &Key,
        peeked: &PeekedEntry,
        range: &mut Range,
        params: &ListParams,
    ) -> bool {
        let (entry, size) = (&peeked.entry, peeked.value_bytes() as u64);
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
        self.items.item(key, entry, size, form);
        self.count += 1;
        true
    }

    fn len(&self) -> usize {
        self.count + self.prefixes.len()
    }
}

/// Returns the prefix and what follows it up to the delimiter; none if the key has no delimiter after the prefix.
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

    /// Reads the next entries, in the direction of the list; large values only where they are wanted.
    pub(super) fn read(
        &self,
        snapshot: &NamespaceSnapshot,
        with_values: bool,
        limit: PageLimit,
        now: Timestamp,
    ) -> Result<akvs_core::Entries<PeekedEntry>> {
        let range = (&self.start[..], self.end.as_deref());
        let max_bytes = if with_values { usize::MAX } else { 0 };
        snapshot.peek_entries(range, self.reverse, max_bytes, limit, now)
    }

    /// Moves to the beginning of the next page, unless the range is beyond it already.
    pub(super) fn advance(&mut self, next: Bytes) {
        if !self.reverse {
            self.start = next.max(std::mem::take(&mut self.start));
        } else if self.end.as_ref().is_none_or(|end| next < *end) {
            self.end = Some(next);
        }
    }

    fn advance_past(&mut self, key: &[u8]) {
        self.advance(if self.reverse {
            Bytes::copy_from_slice(key)
        } else {
            // The least greater key.
            [key, &[0]].concat().into()
        });
    }

    fn skip_group(&mut self, group: &Bytes) {
        match (self.reverse, KeyRange::prefix(group.clone()).end) {
            (true, _) => self.advance(group.clone()),
            (false, Some(end)) => self.advance(end),
            // No key follows the group.
            (false, None) => self.end = Some(self.start.clone()),
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        *key >= self.start[..] && self.end.as_ref().is_none_or(|end| *key < end[..])
    }

    fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// Returns the position of the cursor that resumes this range.
    fn position(&self) -> Option<&[u8]> {
        if self.reverse {
            self.end.as_deref()
        } else {
            Some(&self.start)
        }
    }

    /// Moves to the position of a cursor.
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

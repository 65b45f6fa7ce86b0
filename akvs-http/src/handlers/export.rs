//! `GET /export` and `GET /export/{namespace}`: a file for `/import`.
//!
//! The file is read from one snapshot, chunk by chunk: it is never in memory as a whole, and writers do not wait for it. An
//! error cuts the stream off, so that the last line is missing.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, VARY};
use akvs_api::export::Checksum;
use akvs_api::media_type::NDJSON;
use akvs_core::engine::PageLimit;
use akvs_core::{DatabaseSnapshot, Namespace, NamespaceSnapshot, Result};
use akvs_registry::Registry;
use bytes::Bytes;
use futures_util::stream;

use super::list;
use crate::auth::{Resource, StreamAuthorization};
use crate::context::Context;
use crate::response::chunks::{CHUNK_BYTES, Chunk, SNAPSHOT_TIME, Source, Threads, chunks};
use crate::response::fields::NO_STORE;
use crate::response::memory::{EncoderMemory, ResponseReservation};
use crate::response::rendering::Rendering;
use crate::transfer::{ContentCoding, Encoder, First, Record, Section};

/// The limit of one read.
const PAGE: PageLimit = PageLimit {
    rows: 512,
    bytes: 128 << 10,
};

/// `GET /export` and `GET /export/{namespace}`.
pub(crate) async fn serve(context: Context<'_, Option<Namespace>>) -> Result<HttpResponse> {
    context.no_query()?;
    let name = context.path.clone();
    let resource = name.clone().map_or(Resource::Everywhere, Resource::All);
    let authorization = context.authorization(resource)?;
    let Context { request, state, .. } = context;
    let coding = ContentCoding::negotiate(request.headers());
    let registry = state.registry.clone();
    let is_head = request.method() == Method::HEAD;
    // Before any work is done.
    let held = state.response_memory.hold(CHUNK_BYTES)?;
    let encoder_memory = state.response_memory.hold_encoder(coding.encoder_bytes())?;
    let encoder = (Encoder::new(coding)?, encoder_memory);
    let begin = move || Writer::begin(registry, authorization, encoder, name.as_ref());
    let writer = state.registry.blocking(begin).await?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(NDJSON)
        .insert_header((VARY, "accept-encoding"))
        .insert_header((CACHE_CONTROL, NO_STORE));
    if let Some(name) = coding.name() {
        response.insert_header((CONTENT_ENCODING, name));
    }
    Ok(if is_head {
        // Of unknown length, as a GET is.
        response.streaming(stream::empty::<std::result::Result<Bytes, Infallible>>())
    } else {
        let how = ("an export", Threads::Long);
        let text = chunks(state.streams(), how, Some(SNAPSHOT_TIME), (writer, held));
        response.streaming(text)
    })
}

/// The writer of an export, with its position.
struct Writer {
    registry: Registry,
    authorization: StreamAuthorization,
    /// None after the end.
    encoder: Option<(Encoder, EncoderMemory)>,
    checksum: Checksum,
    records: u64,
    /// The snapshot with the next namespaces; none in an export of one namespace.
    database: Option<DatabaseSnapshot>,
    /// The namespace that is being written, and the first key that was not.
    snapshot: Option<NamespaceSnapshot>,
    start: Bytes,
    text: Vec<u8>,
}

impl Writer {
    /// Writes the first line.
    fn begin(
        registry: Registry,
        authorization: StreamAuthorization,
        encoder: (Encoder, EncoderMemory),
        name: Option<&Namespace>,
    ) -> Result<Writer> {
        let mut text = Vec::new();
        let (database, snapshot) = match name {
            Some(name) => {
                let snapshot = list::snapshot(&registry, name)?;
                write_section(&snapshot, true, &mut text);
                (None, Some(snapshot))
            }
            None => {
                let database = registry.database_snapshot()?;
                First::write_all(database.count()?, database.revision(), &mut text);
                let snapshot = database.after(None)?;
                if let Some(snapshot) = &snapshot {
                    write_section(snapshot, false, &mut text);
                }
                (Some(database), snapshot)
            }
        };
        Ok(Writer {
            registry,
            authorization,
            encoder: Some(encoder),
            checksum: Checksum::default(),
            records: 0,
            database,
            snapshot,
            start: Bytes::new(),
            text,
        })
    }

    /// Writes a page of records. Returns whether it was the last one, or the memory that it needs.
    fn page(&mut self, held: &mut ResponseReservation) -> Result<std::result::Result<bool, usize>> {
        let Some(snapshot) = &self.snapshot else {
            return Ok(Ok(true));
        };
        let page = snapshot.entries(&self.start, None, PAGE, self.registry.now())?;
        // The entries, their text, and the compressed text.
        let needed = CHUNK_BYTES + 4 * page.read_bytes;
        if held.grow(needed).is_err() {
            return Ok(Err(needed));
        }
        for (key, entry) in &page.entries {
            Record::write(key, entry, &mut self.text);
        }
        self.records += page.entries.len() as u64;
        if let Some(next) = page.next {
            self.start = next;
            return Ok(Ok(false));
        }
        self.start = Bytes::new();
        let name = snapshot.info().map(|info| info.name.clone());
        self.snapshot = match &self.database {
            Some(database) => database.after(name.as_ref())?,
            None => None,
        };
        if let Some(snapshot) = &self.snapshot {
            write_section(snapshot, false, &mut self.text);
        }
        Ok(Ok(self.snapshot.is_none()))
    }
}

impl Source for Writer {
    fn next_chunk(&mut self, held: &mut ResponseReservation) -> Result<Chunk> {
        self.authorization.check(|| self.registry.now())?;
        let is_end = match self.page(held)? {
            Ok(is_end) => is_end,
            Err(needed) => return Ok(Chunk::Needs(needed)),
        };
        self.checksum.update(&self.text);
        if is_end {
            self.checksum.write_end(self.records, &mut self.text);
        }
        let mut chunk = match &mut self.encoder {
            Some((encoder, _)) => encoder.encode(&self.text)?,
            None => Vec::new(),
        };
        // Frees the memory of a large record, which later ones do not need.
        self.text = Vec::new();
        if is_end && let Some((encoder, _memory)) = self.encoder.take() {
            chunk.extend(encoder.finish()?);
        }
        held.shrink(CHUNK_BYTES.max(chunk.capacity()));
        let chunk = Rendering::from(Bytes::from(chunk));
        Ok(if is_end {
            Chunk::Last(chunk)
        } else {
            Chunk::More(chunk)
        })
    }
}

fn write_section(snapshot: &NamespaceSnapshot, is_first: bool, text: &mut Vec<u8>) {
    // The namespace of a snapshot in an export exists.
    if let Some(info) = snapshot.info() {
        Section::write(info, snapshot.revision(), is_first, text);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::http::header::HeaderMap;
    use akvs_core::{Database, Key, MemoryEngine, Timestamp};
    use akvs_server::{Committer, SystemClock};

    use super::*;
    use crate::auth::Right;
    use crate::auth::{AuthRequest, Authenticator, Tokens};
    use crate::response::memory::ResponseMemory;

    #[test]
    fn a_chunk_without_memory_reports_it_and_holds_no_thread() {
        let database = Database::open(Arc::new(MemoryEngine::new()), Default::default()).unwrap();
        let clock = Arc::new(SystemClock::new());
        let committer = Committer::start(database, Default::default(), clock).unwrap();
        let registry = Registry::new(committer.clone());
        let name = Namespace::new("ns").unwrap();
        let op = akvs_core::Action::Set {
            value: vec![b'x'; 1 << 20].into(),
            representation: Default::default(),
            ttl: akvs_core::Ttl::Forever,
        };
        let write = registry.submit(&name, Key::new("k").unwrap(), op.into());
        actix_web::rt::System::new().block_on(write).unwrap();

        let authenticator = Arc::new(Authenticator::new(Tokens::default()));
        let auth_request = AuthRequest {
            method: &Method::GET,
            headers: &HeaderMap::new(),
            is_owner: false,
        };
        let identity = authenticator
            .admit(&auth_request, Timestamp::default)
            .unwrap();
        let authorization = identity
            .authorization(&authenticator, Right::Read, Resource::Everywhere)
            .unwrap();
        let memory = ResponseMemory::new(16 << 20);
        let encoder = Encoder::new(ContentCoding::Identity).unwrap();
        let encoder = (encoder, memory.hold_encoder(0).unwrap());
        let mut writer = Writer::begin(registry, authorization, encoder, Some(&name)).unwrap();
        let mut held = memory.hold(CHUNK_BYTES).unwrap();
        let other = memory.hold(12 << 20).unwrap();
        let (sender, chunks) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            for _ in 0..2 {
                sender.send(writer.next_chunk(&mut held)).unwrap();
            }
            drop(other);
            sender.send(writer.next_chunk(&mut held)).unwrap();
        });
        let timeout = std::time::Duration::from_secs(60);
        for _ in 0..2 {
            let chunk = chunks.recv_timeout(timeout).expect("no wait").unwrap();
            assert!(matches!(chunk, Chunk::Needs(bytes) if bytes > 4 << 20));
        }
        let chunk = chunks.recv_timeout(timeout).unwrap().unwrap();
        assert!(matches!(chunk, Chunk::More(text) | Chunk::Last(text) if text.length() > 1 << 20));
        thread.join().unwrap();
        committer.stop().unwrap();
    }
}

//! `POST /import` and `POST /import/{namespace}?mode=merge|create|replace`: imports an exported file.
//!
//! The body is read, checked and stored part by part. What was stored stays if the file turns out to be cut off or
//! damaged, if too many lines are wrong, or if the client closes the connection; the problem document says how much that
//! was. The request timeout limits the time between two parts of the body, not the time of the whole body.

use std::pin::pin;

use actix_http::Payload;
use actix_web::HttpResponse;
use akvs_core::{Code, Error, Namespace, Result};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::list;
use crate::auth::{Resource, Right};
use crate::context::Context;
use crate::request::body::MemoryReservation;
use crate::request::message::Request;
use crate::request::query::Mode;
use crate::request::{body, query};
use crate::state::State;
use crate::transfer::{ContentCoding, Importer, Next, Reader, Record, Wanted};
use crate::transport::connection::Presence;

/// The bytes of the body after which no more of it is awaited before it is read.
const GATHERED_BYTES: usize = 512 << 10;

/// `POST /import` and `POST /import/{namespace}`.
pub(crate) async fn serve(context: Context<'_, Option<Namespace>>) -> Result<HttpResponse> {
    let mode = query::parse_import(context.request.query_string())?;
    let name = context.path.clone();
    let resource = name.clone().map_or(Resource::Everywhere, Resource::All);
    let mut authorizations = vec![context.authorization(resource.clone())?];
    let identity = context.identity()?.clone();
    if mode != Mode::Merge {
        // The result depends on which keys exist, and the report shows that.
        identity.authorize_dependent("a mode other than merge")?;
        authorizations.push(context.authorization_for(Right::Read, resource.clone())?);
    }
    let admin = context.authorization_for(Right::Admin, resource);
    let Context {
        request,
        payload,
        state,
        ..
    } = context;
    let coding = ContentCoding::parse(request.headers())?;
    let timeout = state.value_limits.timeout();
    let presence = request.conn_data::<Presence>().cloned();
    let wanted = Wanted::new(state.registry.clone(), authorizations, presence);
    let reader = Reader::new(coding, state.value_limits, state.body_memory.limit())?;
    let mut memory = state.body_memory.reserve(request.version());
    // Before the body is read, because a decoder takes memory at once.
    memory.resize(reader.bytes())?;
    let import = Import {
        request,
        state,
        reader: Some(reader),
        importer: Importer::new(
            state.registry.clone(),
            (mode, name),
            (identity, admin),
            (wanted.clone(), timeout),
        ),
        wanted,
        memory,
        fault: None,
    };
    import.run(payload).await
}

/// An import in progress.
struct Import<'a> {
    request: &'a Request,
    state: &'a State,
    /// None while a blocking thread has it.
    reader: Option<Reader>,
    importer: Importer,
    wanted: Wanted,
    memory: MemoryReservation<'a>,
    /// The error that ended the body, once what arrived before is stored.
    fault: Option<Error>,
}

impl Import<'_> {
    async fn run(mut self, payload: &mut Payload) -> Result<HttpResponse> {
        let mut done = self.receive(payload).await;
        if done.is_ok() {
            done = self.importer.finish().await;
        }
        // So that the report includes the writes in flight.
        let settled = self.importer.settle().await;
        let report = self.importer.report();
        match done.and(settled) {
            Ok(()) => Ok(list::json(report.document())),
            Err(error) => report.explain(error),
        }
    }

    /// Reads the whole body, and checks that it is complete.
    async fn receive(&mut self, payload: &mut Payload) -> Result<()> {
        while let Some(chunk) = self.chunk(payload).await? {
            self.read(Some(chunk)).await?;
        }
        self.read(None).await
    }

    /// Returns the next chunk of the body, with more of the body that arrives while a batch is being set: a commit of many
    /// records costs little more than one of few.
    async fn chunk(&mut self, payload: &mut Payload) -> Result<Option<Bytes>> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let Some(first) = self.part(payload).await? else {
            return Ok(None);
        };
        let mut gathered = Vec::new();
        while first.len().max(gathered.len()) < GATHERED_BYTES {
            let next = pin!(payload.next());
            let idle = pin!(self.importer.idle());
            match select(next, idle).await {
                Either::Left((Some(Ok(part)), _)) => {
                    if gathered.is_empty() {
                        gathered.extend_from_slice(&first);
                    }
                    gathered.extend_from_slice(&part);
                }
                Either::Left((Some(Err(error)), _)) => {
                    // What arrived before is stored.
                    self.fault = Some(body::read_error(self.request, &error));
                    break;
                }
                Either::Left((None, _)) | Either::Right(_) => break,
            }
        }
        Ok(Some(match gathered.is_empty() {
            true => first,
            false => gathered.into(),
        }))
    }

    /// Returns the next part of the body.
    async fn part(&self, payload: &mut Payload) -> Result<Option<Bytes>> {
        let timeout = self.state.value_limits.timeout();
        let Ok(chunk) = tokio::time::timeout(timeout, payload.next()).await else {
            let text =
                format!("no more of the body arrived within {timeout:?} (limits.request_timeout)");
            let error = Error::new(Code::InvalidRequest, text);
            return Err(error.with("setting", "limits.request_timeout"));
        };
        chunk
            .transpose()
            .map_err(|error| body::read_error(self.request, &error))
    }

    /// Reads and stores a chunk, or checks at the end that the file is complete.
    async fn read(&mut self, chunk: Option<Bytes>) -> Result<()> {
        let is_end = chunk.is_none();
        let mut input = Some(chunk);
        loop {
            self.wanted.check()?;
            let (reader, chunk) = (self.reader.take(), input.take());
            let mut reader =
                reader.ok_or_else(|| Error::new(Code::Storage, "the import was interrupted"))?;
            let (reader, batch) = self
                .state
                .registry
                .blocking(move || {
                    match chunk {
                        Some(Some(chunk)) => reader.push(chunk),
                        Some(None) => return Ok(reader.finish()).map(|batch| (reader, batch)),
                        None => {}
                    }
                    let batch = reader.next_batch();
                    Ok((reader, batch))
                })
                .await?;
            let records: usize = batch.records.iter().map(Record::bytes).sum();
            // The records of the batch before may not be stored yet.
            let held = reader.bytes() + records + self.importer.bytes();
            self.memory.resize(held)?;
            let (complete, lines) = (reader.check(), reader.lines());
            self.reader = Some(reader);
            self.importer.set(batch.records, batch.errors).await?;
            self.importer.report().errors.check(lines)?;
            match batch.next {
                Next::More if is_end => return complete,
                Next::More => return Ok(()),
                Next::Continue => {}
                Next::First(first) => self.importer.begin(first).await?,
                Next::Section(section) => self.importer.enter(section).await?,
                Next::Fail(error) => return Err(error),
            }
        }
    }
}

//! `POST /import` and `POST /import/{namespace}?mode=merge|create|replace`: imports an exported file.
//!
//! The body is read, checked and stored a little at a time. What was stored stays, also where the file turns out to be
//! cut off or damaged, too many lines are wrong, or the client goes away; a problem says then how much that was. A client may take as long as it
//! likes for the whole body, but not for a part of it.

use actix_web::{HttpRequest, HttpResponse, web};
use akvs_core::{Code, Error, Namespace, Result};
use bytes::Bytes;
use futures_util::StreamExt;

use super::list;
use crate::auth::{Resource, Right};
use crate::context::Context;
use crate::request::body::MemoryReservation;
use crate::request::query::Mode;
use crate::request::{body, query};
use crate::state::State;
use crate::transfer::{ContentCoding, Importer, Next, Reader, Record, Wanted};
use crate::transport::connection::Presence;

/// `POST /import` and `POST /import/{namespace}`.
pub(crate) async fn serve(context: Context<'_, Option<Namespace>>) -> Result<HttpResponse> {
    let mode = query::parse_import(context.request.query_string())?;
    let name = context.path.clone();
    let resource = name.clone().map_or(Resource::Everywhere, Resource::All);
    let mut authorizations = vec![context.authorization(resource.clone())?];
    let identity = context.identity()?.clone();
    if mode != Mode::Merge {
        // Which keys are there decides what is done, and is told.
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
    let coding = ContentCoding::of_body(request.headers())?;
    let patience = state.value_limits.timeout();
    let presence = request.conn_data::<Presence>().cloned();
    let wanted = Wanted::new(state.registry.clone(), authorizations, presence);
    let reader = Reader::new(coding, state.value_limits, state.body_memory.limit())?;
    let mut memory = state.body_memory.reserve(request.version());
    // Before anything of the body is read: a decoder takes memory at once.
    memory.resize(reader.bytes())?;
    let import = Import {
        request,
        state,
        reader: Some(reader),
        importer: Importer::new(
            state.registry.clone(),
            (mode, name),
            (identity, admin),
            (wanted.clone(), patience),
        ),
        wanted,
        memory,
    };
    import.run(payload).await
}

/// An import that goes on.
struct Import<'a> {
    request: &'a HttpRequest,
    state: &'a State,
    /// Elsewhere while it reads.
    reader: Option<Reader>,
    importer: Importer,
    wanted: Wanted,
    memory: MemoryReservation<'a>,
}

impl Import<'_> {
    async fn run(mut self, payload: &mut web::Payload) -> Result<HttpResponse> {
        let mut done = self.receive(payload).await;
        if done.is_ok() {
            done = self.importer.finish().await;
        }
        // What is under way is to be told too.
        let settled = self.importer.settle().await;
        let report = self.importer.report();
        match done.and(settled) {
            Ok(()) => Ok(list::json(report.document())),
            Err(error) => report.explain(error),
        }
    }

    /// Reads the whole body, up to its right end.
    async fn receive(&mut self, payload: &mut web::Payload) -> Result<()> {
        while let Some(chunk) = self.chunk(payload).await? {
            self.read(Some(chunk)).await?;
        }
        self.read(None).await
    }

    /// What comes next of the body.
    async fn chunk(&self, payload: &mut web::Payload) -> Result<Option<Bytes>> {
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

    /// Reads and stores what came, or checks that it was all.
    async fn read(&mut self, chunk: Option<Bytes>) -> Result<()> {
        let is_end = chunk.is_none();
        let mut came = Some(chunk);
        loop {
            self.wanted.check()?;
            let (reader, chunk) = (self.reader.take(), came.take());
            let mut reader =
                reader.ok_or_else(|| Error::new(Code::Storage, "it was broken off"))?;
            let (reader, step) = self
                .state
                .registry
                .blocking(move || {
                    match chunk {
                        Some(Some(chunk)) => reader.push(chunk),
                        Some(None) => return Ok(reader.finish()).map(|step| (reader, step)),
                        None => {}
                    }
                    let step = reader.step();
                    Ok((reader, step))
                })
                .await?;
            let records: usize = step.records.iter().map(Record::bytes).sum();
            // Those of the step before may still be on their way to the store.
            let held = reader.bytes() + records + self.importer.bytes();
            self.memory.resize(held)?;
            let (whole, lines) = (reader.check(), reader.lines());
            self.reader = Some(reader);
            self.importer.set(step.records, step.errors).await?;
            self.importer.report().errors.check(lines)?;
            match step.then {
                Next::More if is_end => return whole,
                Next::More => return Ok(()),
                Next::GoOn => {}
                Next::First(first) => self.importer.begin(first).await?,
                Next::Section(section) => self.importer.enter(section).await?,
                Next::Fail(error) => return Err(error),
            }
        }
    }
}

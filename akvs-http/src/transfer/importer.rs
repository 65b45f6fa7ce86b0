//! The writes of an import: the records of one batch are set while the next batch is being read.
//!
//! Invariant: no key is deleted before the whole file was checked. An import with `mode=replace` sets all records first;
//! then it deletes the keys that were not changed since the import began. So its state is one revision, the file may be in
//! any order, and keys that other clients write meanwhile stay.

use std::collections::HashSet;
use std::time::Duration;

use actix_web::rt;
use akvs_core::engine::PageLimit;
use akvs_core::{
    Action, Code, Condition, Error, Key, Namespace, Op, Outcome, Result, Revision, Settings,
    Timestamp, Ttl, Txn,
};
use akvs_registry::Registry;
use futures_util::future::join_all;

use super::pending::{BatchResult, Pending};
use super::report::{Errors, Report, is_record_error};
use super::{First, Record, Section, Wanted};
use crate::auth::{Identity, StreamAuthorization};
use crate::request::query::Mode;

/// The number of single writes that are submitted at once, if they are not one transaction.
const SINGLES: usize = 500;
/// The limit of one read that looks for keys to delete.
const DELETE_PAGE: PageLimit = PageLimit {
    rows: SINGLES,
    bytes: 1 << 20,
};
/// The memory of a name in addition to its text, in bytes.
const NAME_BYTES: usize = 32;
/// The maximum number of namespaces of an import that replaces their contents.
const MAX_REPLACED: u64 = 100_000;
/// The first pause while too many writes are queued; each further pause is twice as long.
const PAUSE: Duration = Duration::from_millis(5);

/// An import in progress.
pub(crate) struct Importer {
    store: Store,
    /// The namespace of all records; none if the file names them.
    into: Option<Namespace>,
    /// The right to change settings, or the error without it.
    admin: Result<StreamAuthorization>,
    /// The newest revision before the import.
    since: Revision,
    /// The namespaces whose contents are replaced.
    names: Vec<Namespace>,
    /// The memory of the names.
    names_bytes: usize,
    current: Option<Namespace>,
    pending: Option<Pending>,
    /// The memory of the records that are being set.
    pending_bytes: usize,
    report: Report,
}

/// The destination of the records.
#[derive(Clone)]
struct Store {
    registry: Registry,
    mode: Mode,
    /// The caller, which decides what errors may disclose.
    identity: Identity,
    /// The check of whether the import may continue.
    wanted: Wanted,
    /// The time of new attempts while too many writes are queued.
    retry_timeout: Duration,
}

impl Importer {
    /// Returns an import that has not begun.
    pub(crate) fn new(
        registry: Registry,
        (mode, into): (Mode, Option<Namespace>),
        (identity, admin): (Identity, Result<StreamAuthorization>),
        (wanted, retry_timeout): (Wanted, Duration),
    ) -> Importer {
        Importer {
            store: Store {
                registry,
                mode,
                identity,
                wanted,
                retry_timeout,
            },
            into,
            admin,
            since: Revision::ZERO,
            names: Vec::new(),
            names_bytes: 0,
            current: None,
            pending: None,
            pending_bytes: 0,
            report: Report::default(),
        }
    }

    /// Returns the report so far.
    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Returns the memory of the import in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.pending_bytes + self.report.errors.bytes() + self.names_bytes
    }

    /// Begins with the first line of a file.
    pub(crate) async fn begin(&mut self, first: First) -> Result<()> {
        let registry = self.store.registry.clone();
        let since = move || Ok(registry.database_snapshot()?.revision());
        self.since = self.store.registry.blocking(since).await?;
        match first {
            First::One(section) => self.enter(section).await,
            First::All(count) if self.into.is_some() && count != 1 => {
                let text =
                    format!("the export has {count} namespaces: expected one; send it to /import");
                Err(Error::new(Code::InvalidRequest, text).with("namespaces", count))
            }
            First::All(count) if self.store.mode == Mode::Replace && count > MAX_REPLACED => {
                let text = format!("too many namespaces: {count}; expected at most {MAX_REPLACED}");
                Err(Error::new(Code::TooLarge, text).with("limit", MAX_REPLACED))
            }
            First::All(_) => Ok(()),
        }
    }

    /// Continues with the records of a namespace, and creates it if it does not exist.
    pub(crate) async fn enter(&mut self, section: Section) -> Result<()> {
        self.settle().await?;
        let Section { name, settings } = section;
        let name = self.into.clone().unwrap_or(name);
        let (registry, wanted) = (self.store.registry.clone(), name.clone());
        let exists = move || Ok(registry.namespace_snapshot(&wanted)?.exists());
        let exists = self.store.registry.blocking(exists).await?;
        let has_settings = settings != Settings::default();
        // A token without the right to read must not learn whether the namespace exists.
        if has_settings && (!exists || !self.store.identity.reads()) {
            let admin = self.admin.as_mut().map_err(|error| error.clone())?;
            admin.check(|| self.store.registry.now())?;
        }
        if !exists {
            self.store.registry.configure(&name, settings).await?;
        }
        if self.store.mode == Mode::Replace {
            self.names_bytes += NAME_BYTES + name.as_str().len();
            self.names.push(name.clone());
        }
        self.current = Some(name);
        Ok(())
    }

    /// Sets records of the current namespace, after the batch before them.
    pub(crate) async fn set(&mut self, records: Vec<Record>, errors: Errors) -> Result<()> {
        self.report.errors.extend(errors);
        let Some(name) = self.current.clone().filter(|_| !records.is_empty()) else {
            return Ok(());
        };
        self.settle().await?;
        let store = self.store.clone();
        self.pending_bytes = records.iter().map(Record::bytes).sum();
        let task = rt::spawn(async move {
            let mut report = Report::default();
            let set = store.set(&name, records, &mut report).await;
            BatchResult {
                report,
                failure: set.err(),
            }
        });
        self.pending = Some(Pending::new(task));
        Ok(())
    }

    /// Waits until the current batch is set; its result is that of [`settle`](Importer::settle).
    pub(crate) async fn idle(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.end().await;
        }
    }

    /// Waits until the current batch is set.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let Some(mut pending) = self.pending.take() else {
            return Ok(());
        };
        let result = pending.result().await;
        self.pending_bytes = 0;
        let result = result?;
        self.report.extend(result.report);
        result.failure.map_or(Ok(()), Err)
    }

    /// Completes the import, after the whole file was checked.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        self.settle().await?;
        if self.store.mode != Mode::Replace {
            return Ok(());
        }
        let wrong = self.report.errors.count();
        if wrong > 0 {
            let text = format!(
                "{wrong} lines are wrong, and nothing was deleted: mode=replace expects a file without errors"
            );
            return Err(Error::new(Code::InvalidRequest, text));
        }
        let mut deleted = 0;
        for name in std::mem::take(&mut self.names) {
            let done = self.store.delete(&name, self.since, &mut deleted).await;
            self.report.deleted = Some(deleted);
            done?;
        }
        Ok(())
    }
}

impl Store {
    /// Sets records, and adds each to the report.
    async fn set(&self, name: &Namespace, records: Vec<Record>, report: &mut Report) -> Result<()> {
        let now = self.registry.now();
        let mut ops = Vec::with_capacity(records.len());
        let mut keys = HashSet::with_capacity(records.len());
        for record in records {
            let line = record.line;
            let Some((key, op)) = self.op(record, now) else {
                report.skipped += 1;
                continue;
            };
            if !keys.insert(key.clone()) {
                // The last value of a repeated key must win.
                self.set_each_once(name, std::mem::take(&mut ops), report)
                    .await?;
                keys = HashSet::from([key.clone()]);
            }
            ops.push((line, key, op));
        }
        self.set_each_once(name, ops, report).await
    }

    /// Returns the operation of a record; none if it has expired.
    fn op(&self, record: Record, now: Timestamp) -> Option<(Key, Op)> {
        let ttl = match record.expires {
            // Not the default ttl of the namespace: the exported key had none.
            None => Ttl::Forever,
            Some(deadline) if deadline <= now => return None,
            Some(deadline) => Ttl::Until(deadline),
        };
        let op = Op::from(Action::Set {
            value: record.value,
            representation: record.representation,
            ttl,
        });
        let condition = match self.mode {
            Mode::Create => Condition::Absent,
            Mode::Merge | Mode::Replace => Condition::None,
        };
        Some((record.key, op.on(condition)))
    }

    /// Does operations on different keys: in one transaction, unless existing keys must be skipped.
    async fn set_each_once(
        &self,
        name: &Namespace,
        ops: Vec<(u64, Key, Op)>,
        report: &mut Report,
    ) -> Result<()> {
        if ops.is_empty() {
            return Ok(());
        }
        let lines: Vec<u64> = ops.iter().map(|(line, _, _)| *line).collect();
        let mut pairs: Vec<(Key, Op)> = ops.into_iter().map(|(_, key, op)| (key, op)).collect();
        if self.mode != Mode::Create {
            let txn = Txn::new(Vec::new(), pairs)?;
            match self
                .retry_overloaded(|| self.registry.transact(name, txn.clone()))
                .await
            {
                Ok(outcomes) => {
                    report.imported += outcomes.len() as u64;
                    return Ok(());
                }
                Err(error) if is_record_error(error.code()) => pairs = txn.into_ops(),
                Err(error) => return Err(error),
            }
        }
        let mut failure = Ok(());
        for (line, done) in lines.into_iter().zip(self.singly(name, pairs).await) {
            match done {
                Ok(_) => report.imported += 1,
                Err(error) if error.code() == Code::PreconditionFailed => report.skipped += 1,
                Err(error) if is_record_error(error.code()) => {
                    let error = self.identity.withhold(error, name.as_str());
                    report.errors.add(line, &error);
                }
                Err(error) => failure = failure.and(Err(error)),
            }
        }
        failure
    }

    /// Deletes the keys that were not changed after this revision.
    async fn delete(&self, name: &Namespace, since: Revision, deleted: &mut u64) -> Result<()> {
        let (registry, wanted) = (self.registry.clone(), name.clone());
        let snapshot = move || registry.namespace_snapshot(&wanted);
        let mut snapshot = self.registry.blocking(snapshot).await?;
        let mut start = bytes::Bytes::new();
        loop {
            self.wanted.check()?;
            let now = self.registry.now();
            let page;
            (snapshot, page) = self
                .registry
                .blocking(move || {
                    let page = snapshot.peek_entries((&start, None), false, 0, DELETE_PAGE, now)?;
                    Ok((snapshot, page))
                })
                .await?;
            let old = page.entries.into_iter().filter_map(|(key, peeked)| {
                let entry = peeked.entry;
                let is_seen = Condition::Revisions(vec![entry.revision]);
                (entry.revision <= since).then(|| (key, Op::delete().on(is_seen)))
            });
            for done in self.singly(name, old.collect()).await {
                match done {
                    Ok(outcome) => *deleted += u64::from(outcome.existed),
                    // Another client has written the key meanwhile.
                    Err(error) if error.code() == Code::PreconditionFailed => {}
                    Err(error) => return Err(error),
                }
            }
            match page.next {
                Some(next) => start = next,
                None => return Ok(()),
            }
        }
    }

    /// Does each operation by itself, many at once; returns the outcomes in the same order.
    async fn singly(&self, name: &Namespace, mut ops: Vec<(Key, Op)>) -> Vec<Result<Outcome>> {
        let mut done = Vec::with_capacity(ops.len());
        while !ops.is_empty() {
            if let Err(error) = self.wanted.check() {
                done.extend(ops.drain(..).map(|_| Err(error.clone())));
                break;
            }
            let rest = ops.split_off(ops.len().min(SINGLES));
            let some = std::mem::replace(&mut ops, rest);
            let submitted = some.iter().map(|(key, op)| {
                self.retry_overloaded(|| self.registry.submit(name, key.clone(), op.clone()))
            });
            done.extend(join_all(submitted).await);
        }
        done
    }

    /// Submits writes, and again after a pause while too many are queued.
    async fn retry_overloaded<T, F: Future<Output = Result<T>>>(
        &self,
        submit: impl Fn() -> F,
    ) -> Result<T> {
        let (mut pause, mut waited) = (PAUSE, Duration::ZERO);
        loop {
            match submit().await {
                Err(error) if error.code() == Code::Overloaded && waited < self.retry_timeout => {
                    self.wanted.check()?;
                    tokio::time::sleep(pause).await;
                    waited += pause;
                    pause *= 2;
                }
                done => return done,
            }
        }
    }
}

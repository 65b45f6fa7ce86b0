//! What an import does to the store: it sets the records of one step while the next is being read.
//!
//! Invariant: nothing that was there is taken away before the whole file was found right. To replace what there is, all
//! records are set first; then goes what was not changed since the import began. So the bounded state is one revision,
//! the file may be in any order, and what others write meanwhile stays.

use std::collections::HashSet;
use std::time::Duration;

use actix_web::rt;
use actix_web::rt::task::JoinHandle;
use akvs_core::engine::PageLimit;
use akvs_core::{
    Action, Code, Condition, Error, Key, Namespace, Op, Outcome, Result, Revision, Settings,
    Timestamp, Ttl, Txn,
};
use akvs_registry::Registry;
use futures_util::future::join_all;

use super::report::{Errors, Report, is_of_a_record};
use super::{First, Record, Section, Wanted};
use crate::auth::{Identity, StreamAuthorization};
use crate::request::query::Mode;

/// So many writes are asked for at once, where they do not go together.
const SINGLES: usize = 500;
/// What is read at once to find what is to go.
const DELETE_PAGE: PageLimit = PageLimit {
    rows: SINGLES,
    bytes: 1 << 20,
};
/// What a name takes beside its text.
const NAME_BYTES: usize = 32;
/// The most namespaces of a file whose contents are to be replaced.
const MAX_REPLACED: u64 = 100_000;
/// The first pause where too much is waiting already; each one doubles.
const PAUSE: Duration = Duration::from_millis(5);

/// An import that goes on.
pub(crate) struct Importer {
    store: Store,
    /// Where all of it goes; none where the file says.
    into: Option<Namespace>,
    /// Whether settings may be chosen.
    admin: Result<StreamAuthorization>,
    /// The newest revision before it began.
    since: Revision,
    /// Those whose contents are to be replaced.
    names: Vec<Namespace>,
    /// The memory that these take.
    names_bytes: usize,
    current: Option<Namespace>,
    pending: Option<Pending>,
    /// The memory of the records that are being set.
    pending_bytes: usize,
    report: Report,
}

/// Where records go.
#[derive(Clone)]
struct Store {
    registry: Registry,
    mode: Mode,
    /// What may be told of that which is there.
    identity: Identity,
    /// Whether it may go on.
    wanted: Wanted,
    /// How long to try again where too much is waiting.
    patience: Duration,
}

/// Records that are being set. Where nobody waits for that any more, it ends.
struct Pending(JoinHandle<Done>);

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What became of some records.
struct Done {
    report: Report,
    failure: Option<Error>,
}

impl Importer {
    /// One that has done nothing yet.
    pub(crate) fn new(
        registry: Registry,
        (mode, into): (Mode, Option<Namespace>),
        (identity, admin): (Identity, Result<StreamAuthorization>),
        (wanted, patience): (Wanted, Duration),
    ) -> Importer {
        Importer {
            store: Store {
                registry,
                mode,
                identity,
                wanted,
                patience,
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

    /// What became of it so far.
    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// The memory that it holds, in bytes.
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
                let text = format!(
                    "the export has {count} namespaces, which cannot go into one; POST /import takes them"
                );
                Err(Error::new(Code::InvalidRequest, text).with("namespaces", count))
            }
            First::All(count) if self.store.mode == Mode::Replace && count > MAX_REPLACED => {
                let text = format!("the export has {count} namespaces, the most is {MAX_REPLACED}");
                Err(Error::new(Code::TooLarge, text).with("limit", MAX_REPLACED))
            }
            First::All(_) => Ok(()),
        }
    }

    /// Goes on with the records of a namespace, which is made where there is none.
    pub(crate) async fn enter(&mut self, section: Section) -> Result<()> {
        self.settle().await?;
        let Section { name, settings } = section;
        let name = self.into.clone().unwrap_or(name);
        let (registry, wanted) = (self.store.registry.clone(), name.clone());
        let exists = move || Ok(registry.namespace_snapshot(&wanted)?.exists());
        let exists = self.store.registry.blocking(exists).await?;
        let chooses = settings != Settings::default();
        // Whether there is such a namespace is not for every token to know.
        if chooses && (!exists || !self.store.identity.reads()) {
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

    /// Sets records of the namespace that was entered, once those before them are set.
    pub(crate) async fn set(&mut self, records: Vec<Record>, errors: Errors) -> Result<()> {
        self.report.errors.extend(errors);
        let Some(name) = self.current.clone().filter(|_| !records.is_empty()) else {
            return Ok(());
        };
        self.settle().await?;
        let store = self.store.clone();
        self.pending_bytes = records.iter().map(Record::bytes).sum();
        self.pending = Some(Pending(rt::spawn(async move {
            let mut done = Done {
                report: Report::default(),
                failure: None,
            };
            let set = store.set(&name, records, &mut done.report).await;
            done.failure = set.err();
            done
        })));
        Ok(())
    }

    /// Waits until all records are set that were given.
    pub(crate) async fn settle(&mut self) -> Result<()> {
        let Some(mut pending) = self.pending.take() else {
            return Ok(());
        };
        let broken = |error| Error::new(Code::OutcomeUnknown, "it was broken off").because(error);
        let done = (&mut pending.0).await.map_err(broken);
        self.pending_bytes = 0;
        let done = done?;
        self.report.extend(done.report);
        done.failure.map_or(Ok(()), Err)
    }

    /// Ends it, after the whole file was found right.
    pub(crate) async fn finish(&mut self) -> Result<()> {
        self.settle().await?;
        if self.store.mode != Mode::Replace {
            return Ok(());
        }
        let wrong = self.report.errors.count();
        if wrong > 0 {
            let text = format!(
                "{wrong} lines are wrong, so that nothing was deleted: what they stand for might have been"
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
    /// Sets records, and reports of each.
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
                // The order matters to a key that is there twice.
                self.set_each_once(name, std::mem::take(&mut ops), report)
                    .await?;
                keys = HashSet::from([key.clone()]);
            }
            ops.push((line, key, op));
        }
        self.set_each_once(name, ops, report).await
    }

    /// What a record is to do, unless it has expired.
    fn op(&self, record: Record, now: Timestamp) -> Option<(Key, Op)> {
        let ttl = match record.expires {
            // Not what the namespace says: it had none where it comes from.
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

    /// Does this to keys none of which is there twice: as one transaction, unless one might have to be skipped.
    async fn set_each_once(
        &self,
        name: &Namespace,
        ops: Vec<(u64, Key, Op)>,
        report: &mut Report,
    ) -> Result<()> {
        if ops.is_empty() {
            return Ok(());
        }
        if self.mode != Mode::Create {
            let pairs = ops.iter().map(|(_, key, op)| (key.clone(), op.clone()));
            let txn = Txn::new(Vec::new(), pairs.collect())?;
            match self
                .patiently(|| self.registry.transact(name, txn.clone()))
                .await
            {
                Ok(outcomes) => {
                    report.imported += outcomes.len() as u64;
                    return Ok(());
                }
                Err(error) if is_of_a_record(error.code()) => {}
                Err(error) => return Err(error),
            }
        }
        let lines: Vec<u64> = ops.iter().map(|(line, _, _)| *line).collect();
        let pairs = ops.into_iter().map(|(_, key, op)| (key, op)).collect();
        let mut failure = Ok(());
        for (line, done) in lines.into_iter().zip(self.singly(name, pairs).await) {
            match done {
                Ok(_) => report.imported += 1,
                Err(error) if error.code() == Code::PreconditionFailed => report.skipped += 1,
                Err(error) if is_of_a_record(error.code()) => {
                    let error = self.identity.withhold(error, name.as_str());
                    report.errors.add(line, &error);
                }
                Err(error) => failure = failure.and(Err(error)),
            }
        }
        failure
    }

    /// Deletes what was not changed since then.
    async fn delete(&self, name: &Namespace, since: Revision, deleted: &mut u64) -> Result<()> {
        let (registry, wanted) = (self.registry.clone(), name.clone());
        let view = move || registry.namespace_snapshot(&wanted);
        let mut view = self.registry.blocking(view).await?;
        let mut start = bytes::Bytes::new();
        loop {
            self.wanted.check()?;
            let now = self.registry.now();
            let page;
            (view, page) = self
                .registry
                .blocking(move || {
                    let page = view.entries(&start, None, DELETE_PAGE, now)?;
                    Ok((view, page))
                })
                .await?;
            let old = page.entries.into_iter().filter_map(|(key, entry)| {
                let is_seen = Condition::Revisions(vec![entry.revision]);
                (entry.revision <= since).then(|| (key, Op::delete().on(is_seen)))
            });
            for done in self.singly(name, old.collect()).await {
                match done {
                    Ok(outcome) => *deleted += u64::from(outcome.existed),
                    // Somebody has just written it.
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

    /// Does each by itself, many at once; what became of them, in their order.
    async fn singly(&self, name: &Namespace, mut ops: Vec<(Key, Op)>) -> Vec<Result<Outcome>> {
        let mut done = Vec::with_capacity(ops.len());
        while !ops.is_empty() {
            if let Err(error) = self.wanted.check() {
                done.extend(ops.drain(..).map(|_| Err(error.clone())));
                break;
            }
            let rest = ops.split_off(ops.len().min(SINGLES));
            let some = std::mem::replace(&mut ops, rest);
            let asked = some.iter().map(|(key, op)| {
                self.patiently(|| self.registry.submit(name, key.clone(), op.clone()))
            });
            done.extend(join_all(asked).await);
        }
        done
    }

    /// Asks again, after a pause, where too much is waiting already.
    async fn patiently<T, F: Future<Output = Result<T>>>(&self, ask: impl Fn() -> F) -> Result<T> {
        let (mut pause, mut waited) = (PAUSE, Duration::ZERO);
        loop {
            match ask().await {
                Err(error) if error.code() == Code::Overloaded && waited < self.patience => {
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
